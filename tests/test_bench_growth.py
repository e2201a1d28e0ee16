"""How speed grows: a row a point, each measured on the network and the images that it names."""

import pytest

from nin.bench import growth


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
    assert rows["batch size 4"] == {"path": "batch size 4", "varied": "batch size", "value": 4, "images/s": 100.0}
    assert rows["processes × threads 1 × 2"]["images/s"] == 100.0


@pytest.mark.slow
def test_rates_are_measured():
    assert growth.rate(growth.POCKET, 2, 28) > 0
    assert growth.together(2, 1, 2) > 0
