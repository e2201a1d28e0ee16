"""Recipes and the ladder: one lever a rung, at its top a small NiN; and what tells two recipes apart."""

from dataclasses import asdict, fields, replace

import pytest
import torch
from torch import nn

from nin.model import build
from nin.recipes import (
    BEST,
    HEADS,
    INITS,
    LADDER,
    LEVERS,
    SCHEDULES,
    SECTION,
    SOUND,
    TOP,
    Recipe,
    Variant,
    change,
    climb,
)
from nin.runs.studies import STUDIES, recipe_id
from nin.scale import SCALES


def settings(recipe):
    values = asdict(recipe)
    return {**values.pop("variant"), **values}


def test_the_best_recipe_is_the_last_kept_rung():
    kept = [label for label, rung in LADDER.items() if rung.kept]
    assert kept[-1] == TOP and LADDER[TOP].recipe is BEST
    assert kept == [label for label in LADDER if label == "the section" or label.startswith("+ ")]


def test_the_ladder_is_chosen_on_held_out_images_and_measured_on_seeds_that_chose_nothing():
    choice, tuning = STUDIES["exercise-1-choice"], STUDIES["exercise-1-tuning"]
    assert choice.validation and not tuning.validation
    assert choice.recipes == {label: rung.recipe for label, rung in LADDER.items()}
    assert tuning.recipes[TOP] == BEST and len(tuning.seeds_for(TOP)) >= 10
    for label, recipe in tuning.recipes.items():
        assert LADDER[label].kept and LADDER[label].recipe == recipe
        assert not set(tuning.seeds_for(label)) & set(choice.seeds_for(label))


def test_the_best_network_is_a_nin_of_140_000_parameters_at_pocket_size():
    """Blocks of a convolution and 1×1s, global average pooling, nothing fully connected."""
    variant = SCALES["pocket"].variant(BEST.variant)
    net = build(variant)
    assert sum(p.numel() for p in net.parameters()) <= 140_000
    assert not any(isinstance(layer, nn.Linear) for layer in net.modules())
    assert isinstance(net[-2], nn.AdaptiveAvgPool2d) and net[-2].output_size == (1, 1)
    windows = [layer.kernel_size[0] for stage in net[:6] for layer in stage.modules() if isinstance(layer, nn.Conv2d)]
    assert len(windows) % 3 == 0  # every block: a window, then two 1×1s
    for first, *rest in (windows[i:i + 3] for i in range(0, len(windows), 3)):
        assert first > 1 and rest == [1, 1]
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 10)


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


def test_a_change_reaches_the_recipe_and_its_variant():
    changed = change(SOUND, lr=0.3, head="3x3")
    assert changed == replace(SOUND, lr=0.3, variant=replace(SOUND.variant, head="3x3"))
    with pytest.raises(TypeError, match="colour"):
        change(SECTION, colour=1)


# What tells recipes apart


OTHER = {  # another value for every field
    "num_1x1": 1, "window": 3, "head": HEADS[1], "linear_logits": True, "batch_norm": True, "width": 0.5, "depth": 2,
    "dropout": 0.1, "native": True, "in_channels": 3, "num_classes": 7, "head_1x1": 1, "last_width": 2.0,
    "init": INITS[1], "lr": 0.2, "num_epochs": 9, "batch_size": 64, "schedule": SCHEDULES[1], "momentum": 0.9,
    "weight_decay": 1e-4, "label_smoothing": 0.1, "flips": True, "shift": 1, "erase": 2, "mirrored": True,
    "warmup": 10, "first": SECTION, "relabel": 1}


def test_every_field_makes_another_recipe():
    names = {field.name for field in (*fields(Variant), *fields(Recipe))} - {"variant", "seed"}
    assert OTHER.keys() == names  # a new field: put another value for it there
    ids = {name: recipe_id(Recipe(variant=Variant(**{name: value}))
                           if name in asdict(Variant()) else Recipe(**{name: value})) for name, value in OTHER.items()}
    assert len({*ids.values(), recipe_id(SECTION)}) == len(ids) + 1


def test_a_seed_makes_no_other_recipe():
    recipe = replace(SECTION, first=replace(SECTION, lr=0.2))
    for each in (SECTION, SOUND, recipe):
        assert recipe_id(replace(each, seed=7)) == recipe_id(each)
    assert recipe_id(replace(recipe, first=replace(recipe.first, seed=7))) == recipe_id(recipe)


def test_a_first_run_makes_another_recipe():
    """Also where it is all of the defaults, and by what it was."""
    alone = recipe_id(SECTION)
    same = recipe_id(replace(SECTION, first=SECTION))
    other = recipe_id(replace(SECTION, first=replace(SECTION, lr=0.2)))
    assert len({alone, same, other, recipe_id(replace(SECTION, lr=0.2))}) == 4


def test_a_line_written_before_a_field_existed_is_of_the_same_recipe():
    recipe = change(SOUND, num_1x1=1, first=change(SOUND, num_1x1=1, lr=0.2))
    line = asdict(recipe)
    assert recipe_id(line) == recipe_id(recipe)
    for part in (line, line["first"]):
        for name in ("warmup", "first", "mirrored"):
            if not isinstance(part.get(name), dict):
                del part[name]
        for name in ("head_1x1", "last_width", "native"):
            del part["variant"][name]
    assert recipe_id(line) == recipe_id(recipe)
    del line["variant"]["num_1x1"]  # not at its default: so it is another recipe
    assert recipe_id(line) != recipe_id(recipe)
