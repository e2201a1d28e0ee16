"""How speed grows: a row a point, each measured on the network and the images that it names."""

import pytest

from nin.bench import growth
from nin.costs import training_work


@pytest.fixture(autouse=True)
def smoke(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "smoke")


def test_every_point_is_measured_on_what_it_names(monkeypatch):
    seen = []

    def rate(variant, batch_size, side):
        seen.append((variant.native, variant.width, batch_size, side))
        return 100.0

    monkeypatch.setattr(growth, "rate", rate)
    monkeypatch.setattr(growth, "together", lambda processes, threads, batch_size: 50.0 * processes * threads)
    rows = {row["path"]: row for row in growth.growth()}
    assert seen == [(True, 0.25, 1, 28), (True, 0.25, 4, 28), (True, 0.0625, 8, 28), (True, 0.125, 8, 28),
                    (False, 0.25, 8, 67), (False, 0.25, 8, 96)]
    work = training_work(growth.POCKET, 2)[0] / 1e9
    assert rows["batch size 4"] == {"path": "batch size 4", "varied": "batch size", "value": 4, "images/s": 100.0,
                                    "GFLOP an image": pytest.approx(work)}
    sides = [rows[f"pixels to a side {side}"]["GFLOP an image"] for side in (67, 96)]
    assert 1.5 < sides[1] / sides[0] < 3  # about as the pixels
    assert rows["processes × threads 1 × 2"]["images/s"] == 100.0


@pytest.mark.slow
def test_rates_are_measured():
    assert growth.rate(growth.POCKET, 2, 28) > 0
    assert growth.together(2, 1, 2) > 0
