"""Recording: what is missing is trained, what is there is kept, an interruption loses the run in hand at most."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from nin import data, record, studies, training
from nin.model import HEADS, Variant
from nin.scale import SCALES
from nin.training import SECTION, SOUND

BOOK = Path(record.__file__).resolve().parents[1]
TINY = replace(SOUND, variant=replace(SOUND.variant, width=0.0625))


@pytest.fixture
def study(monkeypatch):
    """A study of two small networks, recorded at smoke scale."""
    recipes = {"small": TINY, "small, Xavier": replace(TINY, init="xavier", variant=Variant(width=0.0625))}
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("Does it record?", recipes, seeds=2))
    monkeypatch.setenv("NIN_SCALE", "smoke")


def test_records_what_is_missing_and_nothing_twice(study, tmp_path):
    assert record.record("tiny", seeds=1, folder=tmp_path) == 2
    assert record.record("tiny", folder=tmp_path) == 2  # the second seed
    assert record.record("tiny", folder=tmp_path) == 0
    runs = record.load("tiny", tmp_path, scale="smoke")
    assert [(run["label"], run["recipe"]["seed"]) for run in runs] == [
        ("small", 0), ("small, Xavier", 0), ("small", 1), ("small, Xavier", 1)]
    assert list(record.by_label(runs)) == ["small", "small, Xavier"]
    for run in runs:
        assert {"device", "torch", "python", "date", "losses", "images_per_second", "collapsed"} <= run.keys()
        assert 0 <= run["history"][-1]["test_acc"] <= 1 and run["train_images"] == 48
        assert run["seen_images"] == 48 and 0 <= run["seen_acc"] <= 1 and run["seconds_afterwards"] >= 0
        assert not {"gradient", "readable"} & run.keys()  # this study does not ask for them
    assert runs[0]["dead_maps_before"] is None and 0 <= runs[1]["dead_maps_before"] <= 10
    assert record.load("tiny", tmp_path) == []  # a smoke run is never shown as a result


def test_a_study_says_what_else_is_measured(study, tmp_path, monkeypatch):
    """Every head of the exercise, every other one with batch norm: gradients per step, and what a probe reads."""
    recipes = {head: replace(recipe, lr=0.01, variant=replace(recipe.variant, head=head, width=0.0625))
               for head, recipe in zip(HEADS, 3 * (SECTION, SOUND))}
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("?", recipes, seeds=1, extras=("gradient", "probe")))
    monkeypatch.setattr(record, "_means", lambda values: list(values))  # of every step
    assert record.record("tiny", folder=tmp_path) == len(HEADS) == 6
    for run in record.load("tiny", tmp_path, scale="smoke"):
        assert len(run["gradient"]) == len(run["losses"]) == 6 and all(value >= 0 for value in run["gradient"])
        hidden = "fc-4096" in run["label"]
        assert list(run["readable"]) == ["before, means", "before, all"] + (
            ["after, all"] if hidden else ["after, means", "after, all"])
        assert all(0 <= value <= 1 for value in run["readable"].values())
    with pytest.raises(ValueError, match="'gradient' and 'probe', not dead maps"):
        studies.Study("?", recipes, seeds=1, extras=("dead maps",))


def test_training_images_are_seen_again_as_test_images_are(study, tmp_path, monkeypatch):
    """In eval mode and without augmentation, the same images for all runs: the accuracy of the net that was trained."""
    nets, train = [], training.train
    monkeypatch.setattr(training, "train", lambda *args, **rest: (nets.append(train(*args, **rest)), nets[-1])[1])
    monkeypatch.setattr(record, "SEEN", 20)
    recipe = replace(TINY, lr=0.01, variant=replace(TINY.variant, dropout=0.5))
    split = data.load(train=True).take(40)
    line, _ = record.record_one("small", recipe, (split, split.take(8)), "smoke")
    logits = training.forward(nets[0].net.eval(), split.images[:20])
    assert line["seen_images"] == 20
    assert line["seen_acc"] == pytest.approx((logits.argmax(1) == split.labels[:20]).float().mean().item(), abs=0.051)


@pytest.mark.parametrize("field", ["how", "more_seeds"])
def test_a_study_refuses_a_label_that_no_recipe_has(field):
    with pytest.raises(ValueError, match="no recipe is labelled smal: the labels are small"):
        studies.Study("?", {"small": TINY}, seeds=1, **{field: {"smal": 3}})


def test_means_of_steps_keep_the_rest():
    assert record._means(range(45)) == [9.5, 29.5, 42.0] and record._means([]) == []


def test_a_tuning_study_measures_the_test_set_once_at_the_end(study, tmp_path, monkeypatch):
    """Held-out images after every epoch; the 48 test images of this scale once, after the last one."""
    recipe = replace(TINY, num_epochs=2, mirrored=True)
    monkeypatch.setitem(SCALES, "smoke", replace(SCALES["smoke"], max_epochs=2))
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("?", {"small": recipe}, seeds=1, validation=True))
    whole, tests, measured, evaluate = data.load(train=True), data.load(train=False), [], training.evaluate

    def noting(net, split, *rest, **named):
        belongs = [any((part.images == image).flatten(1).all(1).any() for image in split.images[:5])
                   for part in (whole, tests)]
        measured.append((belongs, rest[-1]))
        return evaluate(net, split, *rest, **named)

    monkeypatch.setattr(training, "evaluate", noting)
    record.record("tiny", folder=tmp_path)
    # In the end the test images, and training images seen again.
    assert measured == [([True, False], True), ([True, False], True), ([False, True], True), ([True, False], True)]
    run, = record.load("tiny", tmp_path, scale="smoke")
    assert run["final_test_images"] == 48 and 0 <= run["final_test_acc"] <= 1
    assert run["train_seconds"] == pytest.approx(sum(epoch["seconds"] for epoch in run["history"]))


def test_only_a_tuning_study_has_a_final_figure(study, tmp_path):
    record.record("tiny", seeds=1, folder=tmp_path)
    assert all("final_test_acc" not in run for run in record.load("tiny", tmp_path, scale="smoke"))


def test_a_recipe_may_want_more_seeds(study, tmp_path, monkeypatch):
    more = replace(studies.STUDIES["tiny"], seeds=1, more_seeds={"small, Xavier": 3})
    monkeypatch.setitem(studies.STUDIES, "tiny", more)

    def wanted(seeds):
        todo = record.missing(more, "tiny", seeds, SCALES["smoke"], tmp_path)
        return [(label, recipe.seed) for label, recipe in todo]

    first = [("small", 0), ("small, Xavier", 0)]
    assert wanted(None) == first + [("small, Xavier", 1), ("small, Xavier", 2)]
    assert wanted(1) == first and len(wanted(4)) == 8
    assert "trains 4 networks" in record.not_recorded("tiny")
    assert record.record("tiny", folder=tmp_path) == 4 and wanted(None) == []


def test_a_native_network_is_recorded(study, tmp_path, monkeypatch):
    recipe = replace(TINY, variant=Variant(width=0.0625, native=True))
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("?", {"native": recipe}, seeds=1))
    record.record("tiny", folder=tmp_path)
    run, = record.load("tiny", tmp_path, scale="smoke")
    assert 0 <= run["dead_maps_before"] <= 10 and 0 <= run["dead_maps_after"] <= 10


def test_a_changed_recipe_is_recorded_anew(study, tmp_path, monkeypatch):
    record.record("tiny", seeds=1, folder=tmp_path)
    changed = studies.Study("?", {"small": replace(TINY, lr=0.01)}, seeds=1)
    assert [recipe.lr for _, recipe in record.missing(changed, "tiny", 1, SCALES["smoke"], tmp_path)] == [0.01]


def test_a_line_cut_short_is_left_out_and_mended(study, tmp_path):
    record.record("tiny", seeds=1, folder=tmp_path)
    path = tmp_path / "tiny.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.warns(UserWarning, match="tiny.jsonl, line 2 is not a whole record"):
        assert record.record("tiny", seeds=1, folder=tmp_path) == 1
    with pytest.warns(UserWarning, match="line 2"):
        assert len(record.load("tiny", tmp_path, scale="smoke")) == 2


def test_a_diverged_run_is_a_result(study, tmp_path, monkeypatch):
    bad = replace(TINY, lr=1e20, schedule="constant")
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("?", {"bad": bad}, seeds=1))
    record.record("tiny", folder=tmp_path)
    run, = record.load("tiny", tmp_path, scale="smoke")
    assert run["collapsed"] and run["history"] == [] and "step" in run["diverged"]


def test_a_stopped_run_goes_on_from_its_last_epoch(study, tmp_path, monkeypatch):
    """Killed in its second epoch, a run is not begun anew; its checkpoint goes when the run is recorded."""
    recipe = replace(TINY, num_epochs=2)
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("?", {"small": recipe}, seeds=1))
    monkeypatch.setitem(SCALES, "smoke", replace(SCALES["smoke"], max_epochs=2))
    epochs, train_epoch = [], training._train_epoch

    def killed(run, *rest):
        epochs.append(len(run.history) + 1)
        if epochs == [1, 2]:
            raise SystemExit
        train_epoch(run, *rest)

    monkeypatch.setattr(training, "_train_epoch", killed)
    with pytest.raises(SystemExit):
        record.record("tiny", folder=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    assert record.record("tiny", folder=tmp_path) == 1 and epochs == [1, 2, 2]
    run, = record.load("tiny", tmp_path, scale="smoke")
    assert [epoch["epoch"] for epoch in run["history"]] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.jsonl"]


def test_the_same_recipe_by_another_path_is_another_run(study, tmp_path, monkeypatch):
    recipe = replace(SECTION, lr=0.01)
    parity = studies.Study("?", {"d2l": recipe, "plain": recipe, "fastest": recipe}, seeds=1,
                           how={"d2l": "d2l", "plain": training.Speed()})
    monkeypatch.setitem(studies.STUDIES, "tiny", parity)
    assert record.record("tiny", folder=tmp_path) == 3 and record.record("tiny", folder=tmp_path) == 0
    runs = record.by_label(record.load("tiny", tmp_path, scale="smoke"))
    assert {label: run[0]["speed"] for label, run in runs.items()} == {
        "d2l": "d2l", "plain": vars(training.Speed()), "fastest": vars(training.fastest())}


def test_seeds_share_what_was_compiled(study, tmp_path, monkeypatch):
    taken, train = [], training.train
    monkeypatch.setattr(training, "train", lambda *args, step=None, **rest: (
        taken.append(step), train(*args, step=step, **rest))[1])
    record.record("tiny", folder=tmp_path)
    assert taken[:2] == [None, None] and all(taken[2:])


def test_minutes_are_estimated_from_runs_on_the_same_device():
    recipe = asdict(SECTION)
    runs = [{"label": label, "device": device, "recipe": recipe, "wall_seconds": seconds}
            for label, device, seconds in (("a", "GPU", 60), ("a", "GPU", 120), ("b", "GPU", 30), ("a", "CPU", 9e9))]
    runs.append({"label": "a", "device": "GPU", "recipe": recipe})
    assert record.minutes([("a", SECTION), ("b", SECTION)], runs, "GPU") == pytest.approx(1.5 + 0.5)
    assert record.minutes([("a", SECTION)], runs, "another") is None
    assert record.minutes([("a", SECTION)], [{**runs[0], "seconds_afterwards": 30}], "GPU") == pytest.approx(1.5)


def test_minutes_of_a_variant_not_yet_recorded_go_by_its_epochs_and_macs():
    runs = [{"label": label, "device": "GPU", "recipe": asdict(SECTION), "wall_seconds": seconds}
            for label, seconds in (("a", 90), ("b", 30))]
    wide = replace(SECTION, num_epochs=20, variant=Variant(width=2.0))
    assert record.minutes([("new", SECTION)], runs, "GPU") == pytest.approx(1)
    assert record.minutes([("wide", wide)], runs, "GPU") == pytest.approx(2 * record.relative_macs(wide.variant))


def test_minutes_are_said_before_and_after(study, tmp_path, capsys):
    record.record("tiny", seeds=1, folder=tmp_path)
    record.record("tiny", folder=tmp_path)
    first, *_, last = capsys.readouterr().err.split("tiny: 2 runs to record")[2].splitlines()
    assert "minutes to go" in first and last.startswith("tiny: took 0.")


DRIVER = """
from dataclasses import replace
from nin import data, record, studies
from nin.model import Variant
from nin.training import SOUND
tiny = replace(SOUND, variant=Variant(width=0.0625))
studies.STUDIES["tiny"] = studies.Study("?", {str(lr): replace(tiny, lr=lr) for lr in (1e-3, 1e-2, 0.1)}, seeds=20)
record.main()
"""


def test_a_killed_recording_goes_on_where_it_was(tmp_path):
    command = [sys.executable, "-c", DRIVER, "tiny", "--results", str(tmp_path), "--seeds"]
    environment, path = {**os.environ, "NIN_SCALE": "smoke"}, tmp_path / "tiny.jsonl"
    process = subprocess.Popen([*command, "20"], cwd=BOOK, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (path.exists() and path.read_text().count("\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = path.read_text()
    done = before.count("\n")
    assert 2 <= done < 60
    seeds = done // 3 + 1  # as few more runs as show that it goes on
    result = subprocess.run([*command, str(seeds)], cwd=BOOK, env=environment, capture_output=True, text=True)
    assert result.returncode == 0 and f"{3 * seeds - done} runs to record" in result.stderr
    assert path.read_text().startswith(before) and path.read_text().count("\n") == 3 * seeds


@pytest.mark.parametrize("arguments, message", [
    (["nowhere"], "invalid choice: 'nowhere'"), (["training", "--seeds", "0"], "--seeds must be at least 1")])
def test_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        record.main(arguments)
    assert message in capsys.readouterr().err


def test_without_a_gpu_it_says_so_before_hours_of_work(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("NIN_SCALE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        record.main(["training", "--results", str(tmp_path)])
    assert "no CUDA GPU here" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_every_study_is_sound_and_named_after_what_shows_it():
    for name, study in studies.STUDIES.items():
        assert study.question.endswith("?") and study.seeds >= 5
        assert len({(str(recipe), str(study.how.get(label))) for label, recipe in study.recipes.items()}) == len(
            study.recipes), name
        assert study.how.keys() <= study.recipes.keys()
        assert all(recipe.seed == 0 for recipe in study.recipes.values())
    assert studies.STUDIES["training"].recipes["the section, lr 0.1"] == SECTION
    assert record.recipe_id({"seed": 1, "lr": 0.1}) == record.recipe_id({"seed": 2, "lr": 0.1})


def test_what_is_missing_is_named_with_its_command_and_minutes():
    text = record.not_recorded("training")  # 8 recipes of 10 epochs, 20 seeds
    assert "`python -m nin.record training` trains 160 networks on 96 million images" in text
    assert text.endswith("which takes 40 minutes at 40,000 images/s.")
    assert "trains 130 networks on 126 million images" in record.not_recorded("exercise-1-tuning")  # 55,000 an epoch


def test_minutes_grow_with_the_macs(monkeypatch):
    assert record.relative_macs(Variant()) == 1
    assert record.relative_macs(Variant(num_1x1=0)) == pytest.approx(577.5 / 762.3, rel=1e-3)  # by hand: field notes
    wide = replace(SOUND, variant=replace(SOUND.variant, width=2.0))
    times = record.relative_macs(wide.variant)
    assert 3.5 < times < 4
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("?", {"one": SOUND, "wide": wide}, seeds=100))
    text = record.not_recorded("tiny", images_per_second=10_000)  # 600,000 images a run: a minute at width 1
    assert f"200 networks on 120 million images in all, which takes {100 + 100 * times:.0f} minutes" in text
    assert text.endswith("at 10,000 images/s, networks unlike the section's in proportion to their MACs.")


def test_the_family_covers_1_to_16_times_the_macs():
    times = sorted(record.relative_macs(recipe.variant) for recipe in studies.STUDIES["family"].recipes.values())
    assert times[0] == pytest.approx(1) and 14 < times[-1] <= 16
    assert max(b / a for a, b in zip(times, times[1:])) < 3  # no wide gap
    assert sum(times) * studies.STUDIES["family"].seeds * 600_000 / 40_000 / 60 < 60  # minutes: two pieces of a GPU
