"""The experiments on class maps and first gradients: against the run itself, and recorded as runs are."""

import json

import pytest
import torch

from nin.data import batches, load
from nin.model import class_maps, dead_maps, last_of_body
from nin.recipes import HEADS
from nin.runs import experiments, frozen, read, record
from nin.runs.experiments import (
    EXPERIMENTS,
    dose,
    first_gradients,
    maps_before_relu,
    trace_maps,
)
from nin.runs.studies import STUDIES, run_name
from nin.scale import SCALES
from nin.step import Speed, Step
from nin.training import train


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Enough steps to see something, at the smoke scale's size."""
    monkeypatch.setattr(experiments, "EVERY", 2)


def test_no_experiment_has_a_studys_name():
    """The command `record NAME` would not know which of them is meant."""
    assert not set(EXPERIMENTS) & set(STUDIES)


def a_step():
    """A step of the section's recipe at its start, and the watched images."""
    run = experiments._Run("kaiming", 0)
    return run.step, run.images


def test_the_maps_before_their_relu_are_those_of_the_network():
    step, images = a_step()
    hidden, maps = maps_before_relu(step.net, images, step.speed)
    assert hidden.shape[:2] == maps.shape[:2] == (len(images), 10)
    net = step.net.float()
    plain = maps_before_relu(net, images, Speed(fold=True))[1]
    assert torch.equal(plain.relu(), class_maps(net, images.float() / 255))
    dead = int((plain.amax((0, 2, 3)) <= 0).sum())
    assert dead == dead_maps(net, images.float() / 255) > 0


def test_an_experiments_run_is_the_run_that_train_makes():
    run = experiments._Run("xavier", 3)
    whole = train(run.recipe, run.train_set, run.test_set, run.step.speed, progress=False)
    run = experiments._Run("xavier", 3)  # anew: both draw dropout from the same random numbers
    losses = [run.advance(1) for _ in range(len(whole.losses))]
    assert losses == pytest.approx(whole.losses, rel=1e-6)
    assert all(torch.equal(tensor, run.step.net.state_dict()[name]) for name, tensor in whole.net.state_dict().items())


def test_a_trace_begins_at_the_start_and_follows_every_map():
    found = trace_maps("xavier", 0)
    run = experiments._Run("xavier", 0)
    assert found["highest"][0] == pytest.approx(run.highest()[0].tolist(), rel=1e-3)
    assert found["bias"][0] == pytest.approx(run.last.bias.tolist(), rel=1e-3)
    assert found["moved"][0] == [0.0] * 10 and max(found["moved"][-1]) > 0
    looks = 2 * run.steps_per_epoch // 2 + 1
    assert {name: len(found[name]) for name in ("highest", "bias", "moved", "hidden", "loss")} == dict.fromkeys(
        ("highest", "bias", "moved", "hidden", "loss"), looks)
    assert sum(map(sum, found["confusion"])) == 48
    # The weights of a map that stays far below zero do not move.
    dead = [k for k in range(10) if all(row[k] < -0.1 for row in found["highest"])]
    assert dead and all(found["moved"][-1][k] == 0 for k in dead)


@pytest.mark.parametrize("at", [0, 1000])
def test_a_dose_puts_one_living_map_below_zero(at):
    found = dose("kaiming", 1, at, 0.2)
    assert found["was"] > 0 and found["highest"][0] == pytest.approx(-0.2, abs=2e-3)
    above = [2 * turn for turn, value in enumerate(found["highest"]) if value > 0]
    assert found["woke"] == (above[0] if above else None)


def test_gradients_of_first_steps_are_those_of_a_step():
    found = first_gradients("a sound recipe", "3x3", 2)
    recipe = SCALES["smoke"].fit(experiments.change(experiments.SOUND, head="3x3"))
    watch = (last_of_body(Step(recipe, Speed(), "cpu").net),)
    step = Step(recipe, experiments.fastest(), "cpu", watch)
    step.start(experiments.replace(recipe, seed=1))
    step.net.train()
    first = next(batches(load(train=True).take(48), 8, torch.Generator().manual_seed(1)))
    loss, _, relative = step(*first, recipe.lr)
    assert found["relative"][1] == pytest.approx(relative.item(), rel=1e-3)
    assert found["loss"][1] == pytest.approx(loss.item(), rel=1e-3) and len(found["loss"]) == 2


def test_new_heads_leave_the_body_as_it_is_and_learn_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr(frozen, "KEPT", tmp_path)
    recipe = experiments.replace(SCALES["smoke"].fit(experiments.SOUND), seed=3)
    images = load(train=True).take(48)
    net = frozen.trained(recipe, images, images, Speed(fold=True))
    seen = frozen.represented(net, images, Speed(fold=True))
    assert torch.equal(seen.images, net[:7](images.images / 255)) and torch.equal(seen.labels, images.labels)
    first, again = (frozen.new_head(recipe, seen, seen) for _ in range(2))
    assert first == again
    accuracy, loss = frozen.new_head(experiments.replace(recipe, num_epochs=60), seen, seen)
    assert accuracy > 0.9 and loss < first[1]  # it learns 48 images by heart
    torch.save(net.state_dict(), tmp_path / f"{run_name(recipe, (48, 48), False)}.pt")
    kept = frozen.trained(recipe, images, images, Speed(fold=True))  # not trained again
    assert all(torch.equal(a, b) for a, b in zip(kept.state_dict().values(), net.state_dict().values(), strict=True))


def test_a_case_of_frozen_bodies_has_every_head_and_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(frozen, "KEPT", tmp_path)
    monkeypatch.setattr(frozen, "SEEDS", 2)
    found = frozen.on_body(1)
    assert set(found["accuracy"]) == set(found["loss"]) == set(frozen.HEADS) and 0 <= found["own"] <= 1
    assert all(len(values) == 2 and values[0] != values[1] for values in found["loss"].values())


def test_the_control_of_frozen_bodies_is_trained_with_one_step(monkeypatch):
    """What is trained is the recipe of exercise 4's one step, whose weights `record` keeps."""
    recipes = []

    def trained(recipe, *_):
        recipes.append(recipe)
        return frozen.build(recipe.variant)

    monkeypatch.setattr(frozen, "trained", trained)
    monkeypatch.setattr(frozen, "SEEDS", 1)
    found, recipe = frozen.on_one_step_body(3), STUDIES["exercise-4-one-step"].recipes["one-step 3×3, a sound recipe"]
    assert recipes == [experiments.replace(SCALES["smoke"].fit(recipe), seed=3)]
    assert set(found["accuracy"]) == {"3x3", "block"}


def test_cases_are_recorded_once(tmp_path, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "first-gradients", experiments.Experiment("?", first_gradients, tuple(
        {"recipe": "a sound recipe", "head": head, "seeds": 2} for head in HEADS[:2])))
    assert record.record("first-gradients", folder=tmp_path, jobs=1) == 2
    assert record.record("first-gradients", folder=tmp_path, jobs=1) == 0
    path = tmp_path / "experiments" / "first-gradients.jsonl"
    lines = path.read_text().splitlines()
    path.write_text(lines[0] + "\n" + lines[1][:40])  # cut, as by a power failure
    assert record.record("first-gradients", folder=tmp_path, jobs=1) == 1
    found = read.cases("first-gradients", "smoke", tmp_path)
    assert [line["case"]["head"] for line in found] == list(HEADS[:2]) and read.lines(tmp_path) == []
    assert all(line["scale"] == "smoke" and len(line["relative"]) == 2 for line in found)
    assert json.loads(lines[0])["device"].startswith("CPU")


def test_seeds_are_refused_for_an_experiment(capsys):
    with pytest.raises(SystemExit):
        record.main(["lost-classes-dose", "--seeds", "0-1"])
    assert "is no study but an experiment" in capsys.readouterr().err
