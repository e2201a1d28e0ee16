"""The ladder: one lever a rung, and at its top a NiN of at most two million parameters."""

from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from nin.ladder import BEST, LADDER, LEVERS, TOP, change, climb
from nin.model import Variant, build
from nin.studies import STUDIES
from nin.training import SECTION


def settings(recipe):
    fields = asdict(recipe)
    return {**fields.pop("variant"), **fields}


def test_the_best_recipe_is_the_last_rung():
    assert list(LADDER)[-1] == TOP and LADDER[TOP].recipe is BEST and LADDER[TOP].kept
    study = STUDIES["exercise-1-tuning"]
    assert list(study.recipes) == list(LADDER) and study.recipes[TOP] == BEST and study.validation
    assert study.seeds_of(TOP) >= 10 and all(study.seeds_of(label) >= 5 for label in LADDER)


def test_the_best_network_is_a_nin_of_two_million_parameters():
    """Blocks of a convolution and 1×1s, global average pooling, nothing fully connected."""
    net = build(BEST.variant)
    assert sum(p.numel() for p in net.parameters()) <= 2_000_000
    assert not any(isinstance(layer, nn.Linear) for layer in net.modules())
    assert isinstance(net[-2], nn.AdaptiveAvgPool2d) and net[-2].output_size == (1, 1)
    windows = [layer.kernel_size[0] for stage in net[:6] for layer in stage.modules() if isinstance(layer, nn.Conv2d)]
    assert len(windows) % 3 == 0  # every block: a window, then two 1×1s
    for first, *rest in (windows[i:i + 3] for i in range(0, len(windows), 3)):
        assert first > 1 and rest == [1, 1]
    assert net(torch.rand(2, 1, BEST.variant.side, BEST.variant.side)).shape == (2, 10)


def test_every_rung_pulls_its_own_lever_alone():
    for label, rung in LADDER.items():
        if rung.base is None:
            assert rung.recipe == SECTION
            continue
        before, after = settings(LADDER[rung.base].recipe), settings(rung.recipe)
        assert {name: after[name] for name in after if after[name] != before[name]} == LEVERS[label]
        assert LADDER[rung.base].kept and list(LADDER).index(rung.base) < list(LADDER).index(label)


def test_what_was_only_tried_leads_nowhere():
    rungs = climb({"+ a": {"lr": 0.3}, "tried: b": {"native": True}, "+ c": {"momentum": 0.5}})
    assert [(rung.base, rung.kept) for rung in rungs.values()] == [
        (None, True), ("the section", True), ("+ a", False), ("+ a", True)]
    assert rungs["tried: b"].recipe == replace(SECTION, lr=0.3, variant=Variant(native=True))
    assert rungs["+ c"].recipe == replace(SECTION, lr=0.3, momentum=0.5)


def test_the_notes_and_the_corners_of_their_design_are_there():
    corners = {(rung.recipe.lr, rung.recipe.num_epochs) for rung in LADDER.values() if rung.recipe == replace(
        SECTION, lr=rung.recipe.lr, num_epochs=rung.recipe.num_epochs)}
    assert corners == {(lr, epochs) for lr in (0.1, 0.05) for epochs in (10, 20)}


def test_a_change_of_no_field_is_refused():
    with pytest.raises(TypeError, match="colour"):
        change(SECTION, colour=1)
