"""Recorded runs, read back: each once, named by its study, counted and compared."""

import os
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from made_up import run, run_of, write
from nin.compare import fisher, fraction_interval, mcnemar, mean_interval, verdict
from nin.recipes import SECTION, change
from nin.runs import read
from nin.runs.studies import STUDIES
from nin.scale import SCALES

BOOK = Path(__file__).resolve().parents[1] / "book"
POCKET = SCALES["pocket"]
SECTION_LABEL = "the section, lr 0.1"


def load(tmp_path, lines, study="training", **how):
    write(tmp_path / f"{study}.jsonl", lines)
    return read.load(study, folder=tmp_path, **how)


# Each run once


def test_two_lines_with_one_identity_count_once_and_the_earlier_by_date_wins(tmp_path):
    later, earlier = (run_of("training", SECTION_LABEL, 3, accuracy=accuracy) for accuracy in (0.8, 0.9))
    later["date"], earlier["date"] = "2026-11-25", "2026-11-24T23:00:00+00:00"
    write(tmp_path / "a.jsonl", [later])
    write(tmp_path / "z.jsonl", [earlier, run_of("training", SECTION_LABEL, 4)])
    with pytest.warns(UserWarning, match="left out 1 line: an earlier line holds the same run: .*lr 0.1, seed 3"):
        kept = read.lines(tmp_path)
    assert [(line["recipe"]["seed"], line["history"][-1]["test_acc"]) for line in kept] == [(3, 0.9), (4, 0.9)]
    later["date"] = earlier["date"]  # then the first in order of the files, and of the lines
    write(tmp_path / "a.jsonl", [later, earlier, earlier])
    with pytest.warns(UserWarning, match="left out 3 lines: an earlier line"):
        assert read.lines(tmp_path)[0]["history"][-1]["test_acc"] == 0.8


@pytest.mark.parametrize("change_of_line", [
    {"recipe": {"lr": 0.2}}, {"recipe": {"seed": 1}}, {"recipe": {"num_epochs": 3}}, {"speed": {"bf16": False}},
    {"train_images": 55_000}, {"test_images": 5_000}])
def test_what_makes_it_another_run(change_of_line, tmp_path):
    line = run("a", 0)
    other = {**line, **{name: {**line[name], **value} if isinstance(value, dict) else value
                        for name, value in change_of_line.items()}}
    write(tmp_path / "a.jsonl", [line, other])
    assert len(read.lines(tmp_path)) == 2


@pytest.mark.parametrize("same", [{"label": "b"}, {"device": "another"}, {"scale": "full"}, {"torch": "9"},
                                  {"date": "2026-12-31"}, {"parameters": 1}])
def test_what_makes_it_no_other_run(same, tmp_path):
    write(tmp_path / "a.jsonl", [run("a", 0), {**run("a", 0), **same}])
    with pytest.warns(UserWarning, match="the same run"):
        assert len(read.lines(tmp_path)) == 1


def test_what_is_no_record_is_left_out_and_its_place_named(tmp_path):
    path = write(tmp_path / "training.jsonl", [run_of("training", SECTION_LABEL, seed) for seed in range(2)])
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"[1]\n" + second[:500] + b"\n\n" + b'{"label": "a"}\n' + b"\xff\xfe\n" + second[:-9])
    with pytest.warns(UserWarning) as caught:
        kept = read.lines(tmp_path)
    places = sorted(str(warning.message).split(" is not")[0] for warning in caught)
    assert places == [f"left out 1 line: training.jsonl, line {n}" for n in (2, 3, 5, 6, 7)]
    assert all("as after an interruption: recording again adds its run" in str(warning.message) for warning in caught)
    assert [line["recipe"]["seed"] for line in kept] == [0]


def test_timings_are_no_runs_and_a_folder_may_be_empty_or_missing(tmp_path):
    (tmp_path / "bench-cpu.jsonl").write_text('{"rate": 1}\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read.lines(tmp_path) == read.lines(tmp_path / "none") == []


# Which runs serve a study


def test_labels_come_from_the_study(tmp_path):
    line = {**run_of("training", SECTION_LABEL, 2), "label": "an earlier name", "scale": "taste"}
    write(tmp_path / "another-study.jsonl", [line])
    found, = read.load("training", folder=tmp_path)
    assert (found["label"], found["scale"], found["recipe"]) == (SECTION_LABEL, "pocket", line["recipe"])
    found, = read.load("exercise-2-one-by-one", folder=tmp_path)  # which wants the same run
    assert found["label"] == "two 1×1s, the section's recipe"
    assert read.load("training", "full", tmp_path) == [] == read.load("training-float32", folder=tmp_path)


def test_runs_come_in_the_order_of_the_study_whatever_the_order_of_the_lines(tmp_path):
    lines = [run_of("training", label, seed) for seed in (1, 0) for label in reversed(STUDIES["training"].recipes)]
    found = load(tmp_path, [*lines, run("foreign", 0)])
    assert [(line["label"], line["recipe"]["seed"]) for line in found] == [
        (label, seed) for seed in (0, 1) for label in STUDIES["training"].recipes]
    assert load(tmp_path, [run_of("training", SECTION_LABEL, 20)]) == []  # none of the study's seeds


def longer(study, label, seed, epochs, **how):
    recipe = POCKET.fit(replace(STUDIES[study].recipes[label], num_epochs=epochs))
    return run(label, seed, recipe=recipe, bf16=not STUDIES[study].float32, **how)


def test_a_longer_run_with_a_constant_rate_serves_as_the_shorter_one(tmp_path):
    line = {**longer("training", SECTION_LABEL, 0, 14), "readable": {"after, all": 0.9}}
    line["losses"] = [2.3 - 0.001 * i for i in range(329)]  # 14 epochs of 469 steps
    found, = load(tmp_path, [line])
    assert found["recipe"]["num_epochs"] == len(found["history"]) == 10
    assert found["history"] == line["history"][:10] and found["test_acc"] == line["history"][9]["test_acc"]
    assert found["losses"] == line["losses"][:234]  # 4,690 steps: the 235th mean holds steps of the 11th epoch
    assert found["answered"] == [sum(column) for column in zip(*line["history"][9]["confusion"], strict=True)]
    assert not found.keys() & {"seen_acc", "readable", "seconds"} and found["before"] == line["before"]
    exact = run_of("training", SECTION_LABEL, 0, accuracy=0.7)
    found, = load(tmp_path, [line, {**exact, "date": "2027"}])  # the run itself is better, though it is the later one
    assert found["test_acc"] == 0.7 and found["seen_acc"] == 0.7


def test_a_shorter_run_never_serves_as_the_longer_one(tmp_path):
    assert load(tmp_path, [longer("training", SECTION_LABEL, 0, 9)]) == []


def test_a_longer_run_with_a_schedule_does_not_serve(tmp_path):
    label = "two 1×1s, a sound recipe"
    assert STUDIES["exercise-2-sound"].recipes[label].schedule == "one-cycle"
    assert load(tmp_path, [longer("exercise-2-sound", label, 0, 14)], "exercise-2-sound") == []
    assert len(load(tmp_path, [run_of("exercise-2-sound", label, 0)], "exercise-2-sound")) == 1


@pytest.mark.parametrize("epochs, end", [(9, "diverged"), (10, "clean"), (12, "clean")])
def test_a_longer_run_that_diverged_did_so_for_the_shorter_one_only_within_it(epochs, end, tmp_path):
    line = {**longer("training", SECTION_LABEL, 0, 14), "diverged": "step 7"}
    line["history"], line["losses"] = line["history"][:epochs], [2.3] * 40 + [1.0] * (epochs * 469 // 20 - 40)
    found, = load(tmp_path, [line])
    assert found["outcome"] == end and len(found["history"]) == min(epochs, 10)


def test_a_longer_run_that_diverged_may_lack_its_losses(tmp_path):
    line = {**longer("training", SECTION_LABEL, 0, 14), "history": [], "diverged": "step 7"}
    del line["losses"]
    assert [found["outcome"] for found in load(tmp_path, [line])] == ["diverged"]


def test_float32_is_kept_apart_where_a_study_asks_for_it(tmp_path):
    label = "the section, float32"
    low = {**run_of("training-float32", label, 0), "speed": {"bf16": True}}
    high = run_of("training-float32", label, 0, accuracy=0.7)
    assert low["recipe"] == high["recipe"] and not high["speed"]["bf16"]
    assert load(tmp_path, [low], "training-float32") == []
    found, = load(tmp_path, [low, high], "training-float32")
    assert (found["label"], found["test_acc"]) == (label, 0.7)
    either = run_of("training", SECTION_LABEL, 0, accuracy=0.8)
    full = {**run_of("training", SECTION_LABEL, 0, accuracy=0.7), "speed": {"bf16": False}}
    assert load(tmp_path, [full])[0]["test_acc"] == 0.7  # elsewhere float32 serves too
    assert load(tmp_path, [full, either])[0]["test_acc"] == 0.8  # where there is no run in bfloat16


def test_held_out_images_and_fewer_training_images_are_kept_apart(tmp_path):
    held_out = run_of("exercise-1-choice", "the section", 0)
    assert (held_out["train_images"], held_out["test_images"]) == (55_000, 5_000)
    assert load(tmp_path, [held_out]) == [] != read.load("exercise-1-choice", folder=tmp_path)
    few = run_of("exercise-4-overfitting", "NiN block", 0)
    assert few["train_images"] == 6_000
    assert len(load(tmp_path, [few, {**few, "train_images": 60_000}], "exercise-4-overfitting")) == 1


# What follows from a line


def test_what_follows_from_a_line(tmp_path):
    line = run_of("training", SECTION_LABEL, 0, accuracy=0.8, lost=[6])
    line["history"][-1] |= {"logit_max": [0.0, 0.0, *[5.0] * 8], "logit_std": [1.0] * 9 + [0.5]}
    line["before"] |= {"logit_max": [0.0, *[1.0] * 9]}
    line["history"][3]["test_acc"] = 0.9  # and 0.45 after it
    found, = load(tmp_path, [line])
    assert (found["outcome"], found["lost"], found["test_acc"], found["crashed"]) == ("classes lost", [6], 0.8, True)
    assert (found["dead_before"], found["dead_after"], found["logit_std"]) == (1, 2, [1.0] * 9 + [0.5])
    stuck, = load(tmp_path, [run_of("training", SECTION_LABEL, 0, collapsed=True)])
    assert (found["plateau_end"], stuck["plateau_end"]) == (140, None)
    assert sum(found["answered"]) == 10_000 and found["answered"][6] == 0
    linear, = load(tmp_path, [run_of("training", "linear logits, lr 0.1", 0)])
    assert linear["dead_before"] is linear["dead_after"] is None  # no ReLU, no dead map


def test_a_line_with_fewer_fields_is_read_with_none_in_their_place(tmp_path):
    line = run_of("training", SECTION_LABEL, 0)
    for name in ("answered", "before", "seen_acc", "seen_images", "seconds", "parameters", "device"):
        del line[name]
    line["history"] = [{name: epoch[name] for name in ("epoch", "loss", "train_acc", "test_acc", "seconds")}
                       for epoch in line["history"]]
    for name in ("head_1x1", "last_width"):
        del line["recipe"]["variant"][name]
    for name in ("warmup", "first"):
        del line["recipe"][name]
    found, = load(tmp_path, [line])
    assert found["test_acc"] == pytest.approx(0.9) and found["label"] == SECTION_LABEL
    for name in ("outcome", "answered", "lost", "logit_std", "dead_before", "dead_after"):
        assert found[name] is None, name
    found, = load(tmp_path, [{**line, "answered": [1000] * 10, "logit_std": [2.0] * 10, "dead_maps_before": 3}])
    assert (found["outcome"], found["dead_before"], found["logit_std"]) == ("clean", 3, [2.0] * 10)
    diverged = {name: line[name] for name in ("recipe", "speed", "train_images", "test_images", "date")}
    found, = load(tmp_path, [{**diverged, "label": "a", "history": [], "diverged": "step 7"}])
    assert found["outcome"] == "diverged" and found["test_acc"] is found["lost"] is None and not found["crashed"]


def test_it_is_read_without_torch_scipy_and_pandas(tmp_path):
    """As where pages are only rendered."""
    write(tmp_path / "training.jsonl", [run_of("training", SECTION_LABEL, 0)])
    code = """if True:
        import sys
        for name in ("torch", "scipy", "pandas", "numpy"):
            sys.modules[name] = None  # importing it raises ImportError
        from nin.runs.read import load
        print([(run["label"], run["outcome"]) for run in load("training", folder=sys.argv[1])])"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env={**os.environ, "PYTHONPATH": str(BOOK)},
                          capture_output=True, text=True)
    assert done.stdout.strip() == f"[('{SECTION_LABEL}', 'clean')]", done.stderr


# Counted and compared


def some():
    """Of the section 6 of 10 clean, of Kaiming's 9, of the linear logits' all 9; one run's outcome is not known."""
    labels = list(STUDIES["training"].recipes)
    lines = [run_of("training", labels[0], seed, accuracy=0.80 + seed / 1000, collapsed=seed in (1, 2), lost=[0] * (
        seed in (4, 7))) for seed in range(10)]
    lines += [run_of("training", labels[1], seed, accuracy=0.81 + seed / 1000, collapsed=seed == 3) for seed in
              range(10)]
    lines += [run_of("training", labels[2], seed, accuracy=0.86 + seed / 1000) for seed in range(9)]
    unknown = run_of("training", labels[3], 0)
    del unknown["answered"], unknown["history"][-1]["confusion"]
    diverged = {**run_of("training", labels[3], 1), "history": [], "diverged": "step 7"}
    return [*lines, unknown, diverged]


def test_a_summary_counts_outcomes_and_averages_clean_runs(tmp_path):
    section, kaiming, linear, both = read.summarise(load(tmp_path, some()))
    assert section["outcomes"] == {"clean": 6, "classes lost": 2, "collapsed": 2} and section["n"] == 10
    assert section["clean"] == 6 and section["clean_interval"] == fraction_interval(6, 10)
    assert section["accuracies"] == pytest.approx([0.80 + seed / 1000 for seed in (0, 3, 5, 6, 8, 9)])
    assert section["interval"] == mean_interval(section["accuracies"])
    assert (kaiming["clean"], linear["clean"], linear["n"], linear["outcomes"]) == (9, 9, 9, {"clean": 9})
    assert (both["n"], both["outcomes"], both["interval"]) == (2, {"diverged": 1, None: 1}, None)


def test_the_table_has_a_row_per_label(tmp_path):
    table = read.table(load(tmp_path, some()))
    assert list(table.index) == list(STUDIES["training"].recipes)
    assert list(table.columns) == ["n", "clean", "classes lost", "late", "collapsed", "diverged",
                                   "accuracy of the clean runs (%)"]
    share, mean = fraction_interval(6, 10), mean_interval([80.0, 80.3, 80.5, 80.6, 80.8, 80.9])
    assert list(table.iloc[0]) == [10, f"6 [{share.low:.0%}, {share.high:.0%}]", 2, 0, 2, 0,
                                   f"80.5 [{mean.low:.1f}, {mean.high:.1f}]"]
    assert table.iloc[3]["diverged"] == 1 and table.iloc[3].iloc[-1] == "–"
    alone = read.table(load(tmp_path, [run_of("training", SECTION_LABEL, 0)]))
    assert alone.iloc[0].iloc[-1].startswith("90.0") and "[" not in alone.iloc[0].iloc[-1]  # no interval of one run


def test_runs_are_paired_by_their_seeds(tmp_path):
    runs = load(tmp_path, some())
    pairs = read.paired(runs, SECTION_LABEL, "linear logits, lr 0.1")
    assert pairs == [(seed not in (1, 2, 4, 7), True) for seed in range(9)]
    assert read.paired(runs, SECTION_LABEL, "none of these") == []
    assert read.paired(runs, SECTION_LABEL, "both, lr 0.1", lambda run: run["recipe"]["seed"]) == [(0, 0), (1, 1)]


def test_verdicts_use_mcnemar_where_weights_are_shared_and_fisher_elsewhere(tmp_path):
    runs = load(tmp_path, some())
    kaiming, kaiming_accuracy, linear, linear_accuracy, *_ = read.verdicts(runs, SECTION_LABEL)
    assert kaiming == (f"Kaiming, lr 0.1 against {SECTION_LABEL}: 9 of 10 runs clean against 6 of 10, "
                       f"Fisher's p = {fisher((6, 10), (9, 10)):.2g}.")
    assert linear == (f"linear logits, lr 0.1 against {SECTION_LABEL}: 9 of 9 runs clean against 6 of 10, McNemar's p "
                      f"= {mcnemar([(False, True)] * 4 + [(True, True)] * 5):.2g} on 9 seeds that both have.")
    assert kaiming_accuracy.startswith("Kaiming") and "9 against 6 clean runs, too few" in kaiming_accuracy
    assert "9 against 6 clean runs, too few" in linear_accuracy
    rows = {row["label"]: row["accuracies"] for row in read.summarise(runs)}
    _, _, shared, accuracy, *_ = read.verdicts(runs, "Kaiming, lr 0.1")
    assert accuracy == verdict("Kaiming, lr 0.1", rows["Kaiming, lr 0.1"], "linear logits, lr 0.1",
                               rows["linear logits, lr 0.1"]) and "Welch's p" in accuracy and "Fisher" in shared
    assert read.verdicts(runs, "none of these") == [] == read.verdicts([], SECTION_LABEL)


@pytest.mark.parametrize("changes, shared", [
    ({"linear_logits": True}, True), ({"dropout": 0.1}, True), ({"lr": 0.2}, True), ({"flips": True}, True),
    ({"seed": 3}, True), ({"init": "kaiming"}, False), ({"width": 0.5}, False), ({"num_1x1": 1}, False),
    ({"head": "3x3"}, False), ({"first": SECTION}, False)])
def test_which_runs_of_a_seed_begin_with_the_same_weights(changes, shared):
    a, b = run("a", 0, recipe=SECTION), run("b", 0, recipe=change(SECTION, **changes))
    assert read.share_weights(a, b) is read.share_weights(b, a) is shared


def test_what_is_not_recorded_is_said_with_the_command_and_its_hours():
    said = read.not_recorded("training-float32")  # 10 networks for 3 epochs
    assert said.startswith("**Not yet recorded.** In `book/`, `python -m nin record training-float32` trains 10 ")
    assert "for 30 epochs in all" in said
    assert "80 networks for 800 epochs in all" in read.not_recorded("training")
    assert "about 6.7 hours of one core" in read.not_recorded("training")


def test_what_is_recorded_is_counted_with_the_commands_and_their_hours(tmp_path, monkeypatch):
    load = read.load
    monkeypatch.setattr(read, "load", lambda study, size="pocket": load(study, size, tmp_path))
    assert read.coverage("training-float32", "training") == (
        "Recorded at pocket size: 0 of 10 runs (`python -m nin record training-float32`), 0 of 80 runs (`python -m nin "
        "record training`); to train all of them takes about 6.9 hours of one core.")
    write(tmp_path / "all.jsonl", [run_of("training-float32", "the section, float32", seed) for seed in range(10)])
    assert "all of 10 runs (`python -m nin record training-float32`)" in read.coverage("training-float32")
    # 30 runs of 60 epochs on a tenth of the images, and tests on all test images after each
    assert "takes about 2.2 hours" in read.coverage("exercise-4-overfitting")
    # five runs at twice the MACs and three at four times, ten epochs each
    assert "takes about 1.8 hours" in read.coverage("family")


def test_fewer_runs_than_planned_are_called_a_first_look():
    """By the label's own seeds, where it has others than its study."""
    assert read.first_look("both, warm-up", 19, "training-rate") == " A first look: 20 runs are planned."
    assert read.first_look("the section, lr 0.05", 10, "training-rate") == ""


def test_the_counts_of_the_recorded_runs():
    """Seeds 0 to 14 of chapter 3 at pocket size: later lines change nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a line that is being written
        runs = [line for line in read.load("training") if line["recipe"]["seed"] < 15]
    ends = {label: Counter(line["outcome"] for line in group) for label, group in read.by_label(runs).items()}
    assert ends == {
        "the section, lr 0.1": {"clean": 10, "classes lost": 3, "collapsed": 2},
        "Kaiming, lr 0.1": {"clean": 11, "classes lost": 3, "diverged": 1},
        "linear logits, lr 0.1": {"clean": 12, "collapsed": 2, "diverged": 1},
        "both, lr 0.1": {"clean": 11, "collapsed": 2, "diverged": 2}}
    lost = {label: [len(line["lost"]) for line in group if line["outcome"] == "classes lost"]
            for label, group in read.by_label(runs).items()}
    assert lost["the section, lr 0.1"] == [1, 2, 2] and lost["Kaiming, lr 0.1"] == [4, 3, 2]
    assert all(line["parameters"] == 131_494 and line["scale"] == "pocket" for line in runs)


def test_a_cpu_that_an_older_line_named_apart_is_the_device(tmp_path):
    line = {**run_of("training", SECTION_LABEL, 0), "device": "CPU (x86_64, 1 thread)", "cpu": "AMD EPYC (Zen 5)"}
    assert load(tmp_path, [line])[0]["device"] == "AMD EPYC (Zen 5)"
