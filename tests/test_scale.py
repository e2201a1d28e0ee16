"""The scale: which one is chosen, and what it cuts."""

import pytest
import torch

from nin import scale
from nin.training import SECTION


def test_an_unknown_scale_is_named_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "huge")
    with pytest.raises(ValueError, match="full, taste, smoke, not 'huge'"):
        scale.current()


@pytest.mark.parametrize("gpu, name", [(True, "full"), (False, "taste")])
def test_the_machine_decides_where_nothing_is_set(monkeypatch, gpu, name):
    monkeypatch.delenv("NIN_SCALE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert scale.current().name == name


def test_full_changes_nothing():
    full, loader = scale.SCALES["full"], [1, 2, 3]
    assert full.fit(SECTION) == SECTION and full.limit(loader) is loader and list(full.seeds(8)) == list(range(8))


def test_a_taste_cuts_and_says_so():
    taste = scale.SCALES["taste"]
    assert taste.fit(SECTION).num_epochs < 10 and taste.fit(SECTION).lr == SECTION.lr
    assert "taste" in str(taste) and f"{taste.train_images:,} training" in str(taste)


def test_limit_can_be_iterated_again():
    first = scale.SCALES["smoke"].limit(range(100))
    assert len(first) == 5 and list(first) == list(first) == [0, 1, 2, 3, 4]
