"""The sprint: a NiN as it says it is, timed from a fresh process, at smoke scale as a whole."""

import json

import pytest
import torch
from torch import nn

from nin.bench import sprint
from nin.bench.rows import sprint_words


def plain(choice, weights):
    """The network in torch's own modules, in float32."""
    kept, layers = iter(weights), []

    def conv(**how):
        weight = next(kept).detach()
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False, **how)
        layer.weight.data = weight
        return layer

    for stage, width in enumerate(choice.channels):
        layers += [conv(stride=1 if stage else 2, padding=choice.window // 2),
                   nn.BatchNorm2d(width, affine=False, momentum=0.3), nn.ReLU()]
        for _ in range(choice.num_1x1):
            layers += [conv(), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] * (stage < 2)
    return nn.Sequential(*layers, conv(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize("change", sprint.CHANGES.values(), ids=sprint.CHANGES)
def test_every_choice_is_a_nin(change):
    choice = sprint.replace(sprint.Sprint(), **{**change, "bf16": False})
    weights = [sprint.drawn(shape) for shape in sprint.shapes(choice)]
    moments = [(torch.zeros(width), torch.ones(width)) for width in choice.channels]
    net, images = plain(choice, weights), torch.randint(256, (6, 1, 28, 28), dtype=torch.uint8)
    x = (images.float() - sprint.MEAN) / sprint.DEVIATION
    convs = [layer for layer in net if isinstance(layer, nn.Conv2d)]
    ones = [conv for conv in convs[:-1] if conv.kernel_size == (1, 1)]
    assert len(ones) == 3 * choice.num_1x1 >= 3  # at least one 1×1 in each of three stages
    assert [conv.out_channels for conv in convs if conv not in ones] == [*choice.channels, 10]
    for training in (True, False):  # the second with the moments that the first has noted
        assert torch.allclose(sprint.forward(images, weights, moments, choice, training), net.train(training)(x),
                              rtol=1e-3, atol=1e-4)


def test_it_is_as_small_as_the_page_says():
    assert sum(sprint.math.prod(shape) for shape in sprint.shapes(sprint.Sprint())) == 29_200
    assert sprint.Sprint().images == 28_000


@pytest.mark.parametrize("shape", [(16, 9), (32, 144), (64, 64), (10, 64)])
def test_an_orthogonal_update_keeps_the_directions_and_evens_out_their_lengths(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.linspace(0.2, 1, shape[1]))
    found = sprint.orthogonal(matrix) / (shape[0] / shape[1]) ** 0.5
    left, before, right = torch.linalg.svd(matrix, full_matrices=False)
    along = left.T @ found @ right.T
    after = along.diag()
    assert torch.allclose(along, torch.diag(after), atol=1e-3)  # the same singular vectors
    assert after.min() > 0 and after.max() < 1.3 and after.mean() > 0.6
    assert after.max() / after.min() < before.max() / before.min()
    assert torch.allclose(sprint.orthogonal(100 * matrix), sprint.orthogonal(matrix), atol=1e-3)


def test_without_muon_it_is_torchs_sgd(monkeypatch):
    monkeypatch.setattr(sprint.torch, "randperm", torch.arange)
    choice = sprint.Sprint(muon=False, lr=0.1, momentum=0.7, images=24, batch_size=8, bf16=False)
    images, labels = torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8), torch.arange(40) % 10
    torch.manual_seed(1)
    found, moments = sprint.train(images, labels, choice)
    torch.manual_seed(1)
    net = plain(choice, [sprint.drawn(shape) for shape in sprint.shapes(choice)]).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.7, nesterov=True)
    for step in range(3):
        optimizer.param_groups[0]["lr"] = sprint.rate(step, 3, choice)
        batch = slice(8 * step, 8 * step + 8)
        logits = net((images[batch].float() - sprint.MEAN) / sprint.DEVIATION)
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, labels[batch], label_smoothing=choice.label_smoothing).backward()
        optimizer.step()
    for ours, theirs in zip(found, net.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    assert torch.allclose(moments[2][0], net[13].running_mean, rtol=1e-3, atol=1e-5)


def test_no_image_comes_twice(monkeypatch):
    seen, forward = [], sprint.forward

    def noting(images, *rest, **how):
        seen.append(images[:, 0, 0, 0].tolist())
        return forward(images, *rest, **how)

    monkeypatch.setattr(sprint, "forward", noting)
    images, labels = torch.arange(40, dtype=torch.uint8), torch.zeros(40, dtype=torch.int64)
    for asked, steps in ((20, 2), (36, 4), (400, 5), (3, 1)):  # whole batches alone, unless there is none
        seen.clear()
        sprint.train(images.view(-1, 1, 1, 1).expand(-1, 1, 28, 28), labels, sprint.Sprint(images=asked, batch_size=8))
        assert [len(batch) for batch in seen] == steps * [min(8, asked)]
        assert len({image for batch in seen for image in batch}) == steps * min(8, asked)


def test_the_rate_rises_and_falls():
    choice = sprint.Sprint(lr=0.5, rise=0.25)
    rates = [sprint.rate(step, 100, choice) for step in range(100)]
    top = rates.index(max(rates))
    assert top == 24 and rates[top] == pytest.approx(0.5)
    assert rates[:25] == sorted(rates[:25]) and rates[24:] == sorted(rates[24:], reverse=True)
    assert 0 < rates[-1] < 0.01 and 0 < rates[0] < 0.03


def test_it_learns_on_the_images_that_it_has(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "pocket")
    monkeypatch.setenv("NIN_IMAGES", "8000")
    found = sprint.run(0, held_out=True)
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
    assert [row["seed"] for row in rows] == [1100, 1101] and {row["part"] for row in rows} == {"sprint"}
    for row in rows:
        parts = row["read (s)"] + row["train (s)"] + row["evaluate (s)"]
        assert parts <= row["all (s)"] < parts + 1 and row["import (s)"] > 0  # it ends with the last part
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
    assert rows[0]["standard error"] == 0 and {row["runs"] for row in rows} == {3}
    assert rows[0]["all (s)"] == 2.0 and rows[0]["accuracy"] == pytest.approx(0.8 + sprint.Sprint().lr / 100)


def test_wrong_options_are_refused(capsys, monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    for words, told in ((["--runs", "0"], "at least 1"), (["--runs", "2"], "no results"),
                        (["--runs", "2", "--ladder"], "not allowed")):
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
