"""The sprint: a NiN as it says it is, timed from a fresh process, at smoke scale as a whole."""

import json

import pytest
import torch
from torch import nn

from nin.bench import sprint
from nin.bench.rows import sprint_words


@pytest.mark.parametrize("change", sprint.CHANGES.values(), ids=sprint.CHANGES)
def test_every_choice_is_a_nin(change):
    choice = sprint.replace(sprint.Sprint(), **change)
    net = sprint.build(choice)
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    convs = [layer for layer in net if isinstance(layer, nn.Conv2d)]
    ones = [conv for conv in convs[:-1] if conv.kernel_size == (1, 1)]
    assert len(ones) == 3 * choice.num_1x1 >= 3  # at least one 1×1 in each of three stages
    assert not any(isinstance(layer, nn.Linear) for layer in net.modules())
    assert isinstance(net[-2], nn.AdaptiveAvgPool2d) and convs[-1].out_channels == 10


def test_the_rate_rises_and_falls():
    choice = sprint.Sprint(lr=0.5, rise=0.25)
    rates = [sprint.rate(step, 100, choice) for step in range(100)]
    top = rates.index(max(rates))
    assert top == 24 and rates[top] == pytest.approx(0.5)
    assert rates[:25] == sorted(rates[:25]) and rates[24:] == sorted(rates[24:], reverse=True)
    assert 0 < rates[-1] < 0.01 and 0 < rates[0] < 0.03


def test_it_learns_on_the_images_that_it_has(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "pocket")
    monkeypatch.setenv("NIN_IMAGES", "2000")
    found = sprint.run(0, sprint.Sprint(epochs=3.0), held_out=True)
    assert found["accuracy"] > 0.5  # a guess is right one time in ten
    assert all(found[part] > 0 for part in ("read (s)", "train (s)", "evaluate (s)"))


def test_the_same_seed_is_the_same_run(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    torch.manual_seed(1)  # whatever the process drew before
    assert sprint.run(3)["accuracy"] == sprint.run(3)["accuracy"]


def test_the_command_runs_the_sprint_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    sprint.main(["--runs", "2", "--results", str(tmp_path)])
    printed, (path,) = capsys.readouterr().out, tmp_path.iterdir()
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["seed"] for row in rows] == [1000, 1001] and {row["part"] for row in rows} == {"sprint"}
    for row in rows:
        assert row["all (s)"] == pytest.approx(row["read (s)"] + row["train (s)"] + row["evaluate (s)"])
        assert row["import (s)"] > 0
    assert "Median of 2 runs" in printed and str(path) in printed


def test_the_ladder_takes_every_choice_back_in_turn(monkeypatch):
    taken = []

    def fresh(seed, choice, held_out):
        taken.append((seed, choice, held_out))
        return {"accuracy": 0.8 + choice.lr / 100, "all (s)": 1.0 + seed}

    monkeypatch.setattr(sprint, "in_fresh_process", fresh)
    rows = sprint.ladder(3)
    assert [row["path"] for row in rows] == list(sprint.CHANGES)
    assert [seed for seed, *_ in taken] == [seed for seed in range(3) for _ in sprint.CHANGES]
    assert all(held_out for *_, held_out in taken)  # the test images chose nothing
    assert rows[0]["all (s)"] == 2.0 and rows[0]["accuracy"] == pytest.approx(0.8 + sprint.Sprint().lr / 100)


def test_wrong_options_are_refused(capsys, monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    for words, told in ((["--runs", "0"], "at least 1"), (["--runs", "2"], "no results")):
        with pytest.raises(SystemExit):
            sprint.main(words)
        assert told in capsys.readouterr().err


def test_a_run_that_fails_says_why(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "no such scale")
    with pytest.raises(RuntimeError, match=r"(?s)the sprint of seed 1000 failed.*NIN_SCALE must be one of"):
        sprint.in_fresh_process(1000)


def test_the_words_are_of_the_rows():
    rows = [{"accuracy": a, "read (s)": 0.2, "train (s)": t, "evaluate (s)": 0.3, "import (s)": 2.0,
             "all (s)": t + 0.5} for a, t in ((0.87, 3.0), (0.88, 4.0), (0.89, 5.0), (0.873, 6.0))]
    time, accuracy = sprint_words(rows)
    assert time.startswith("Median of 4 runs: 5.00 s") and "Half of the runs took 4.25 to 5.75 s." in time
    assert "importing torch and the rest took 2.00 s" in time
    assert accuracy.startswith("Mean test accuracy 87.83%") and "50% of the runs reach 87.4%" in accuracy
    assert "lowest 87.00%, highest 89.00%" in accuracy
    alone, = sprint_words(rows[:1])
    assert alone.startswith("3.50 s (read 0.20 s, train 3.00 s, evaluate 0.30 s)") and "87.00%" in alone
