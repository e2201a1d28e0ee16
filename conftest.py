"""Decides, once and before anything runs, on which data and at which scale the tests run."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def choose_data():
    """Make the real data available, or choose the sample; return a line that says which."""
    from nin import data

    if data.source() == "sample":
        return "data: the sample (NIN_DATA=sample)"
    try:
        data.fetch()
    except data.DataUnreachable as error:
        if os.environ.get("CI"):
            raise  # the sample must not pass for the whole set where nobody looks
        os.environ["NIN_DATA"] = "sample"
        return f"data: the sample (the whole set could not be had: {' '.join(str(error).split())})"
    return "data: the real Fashion-MNIST"


def pytest_configure(config):
    """Set what every worker and every kernel inherits; the workers of xdist find it set."""
    if hasattr(config, "workerinput"):
        return
    sys.path.insert(0, str(ROOT / "book"))
    os.environ.setdefault("NIN_SCALE", "smoke")
    if os.environ.get("FASHION_MNIST_DIR"):
        # The kernels run in another folder.
        os.environ["FASHION_MNIST_DIR"] = str(Path(os.environ["FASHION_MNIST_DIR"]).resolve())
    if config.getoption("numprocesses", None):
        # Several workers would otherwise fight for the cores.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    config.nin_data = choose_data()


def pytest_report_header(config):
    """Say what the tests run on."""
    if hasattr(config, "workerinput"):
        return None
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "torchvision", "numpy", "d2l")]
    scale = os.environ["NIN_SCALE"]
    return [config.nin_data, f"scale: {scale}; Python {platform.python_version()}, {', '.join(versions)}"]


def pytest_terminal_summary(terminalreporter, config):
    """List the stored outputs that are older than their sources: no fault here, but publishing fails on it."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind if hasattr(report, "nodeid")]
    if any("test_notebooks.py" in report.nodeid for report in reports):
        import notebooks
        import stale

        if lines := stale.listing(notebooks.chapters()):
            terminalreporter.section("stale outputs: make them anew before publishing")
            terminalreporter.write_line("\n".join(lines))


def pytest_collection_modifyitems(config, items):
    """Leave out what only a quiet machine passes, unless it is asked for by its mark."""
    if "timing" not in config.getoption("-m"):
        timed = [item for item in items if item.get_closest_marker("timing")]
        config.hook.pytest_deselected(items=timed)
        items[:] = [item for item in items if item not in timed]
