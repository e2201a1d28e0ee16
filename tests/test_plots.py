"""A band over runs: what is drawn are the runs' least, most and geometric mean."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from nin import plots


def test_a_band_from_least_to_most_with_the_geometric_mean():
    figure, ax = plt.subplots()
    plots.spread(ax, [[1.0, 4.0, 0.0], [100.0, 9.0, 1e-4]], "red", "two runs", least=1e-8)
    line, = ax.get_lines()
    assert line.get_xdata().tolist() == [20, 40, 60] and ax.get_yscale() == "log"
    assert line.get_ydata() == pytest.approx([10, 6, 1e-6])
    band = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    for x, low, high in ((20, 1, 100), (40, 4, 9), (60, 1e-8, 1e-4)):
        at = band[band[:, 0] == x, 1]
        assert (at.min(), at.max()) == pytest.approx((low, high))
    plt.close(figure)
