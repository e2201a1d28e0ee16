"""A chapter as a fresh Colab runs it, but in this environment; `make colab` runs all, with Colab's versions."""

import os
import shutil
import subprocess
import sys

import pytest

import colab
import notebooks


@pytest.mark.slow
def test_the_first_cell_brings_what_a_chapter_needs():
    if not (shutil.which("git") and (notebooks.ROOT / ".git").exists()):
        pytest.skip("this is no git repository")
    words = [sys.executable, notebooks.ROOT / "tools" / "colab.py", "nin-block"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_a_chapter_that_fails_is_told(tmp_path, monkeypatch):
    """Without a stand-in for google.colab the first cell stops, and so does the tool."""
    if not (shutil.which("git") and (notebooks.ROOT / ".git").exists()):
        pytest.skip("this is no git repository")
    (tmp_path / "no-colab").mkdir()
    monkeypatch.setattr(colab, "put_colab", lambda folder: tmp_path / "no-colab")
    monkeypatch.setattr(sys, "argv", ["colab.py", "nin-block"])
    with pytest.raises(SystemExit) as stop:
        colab.main()
    assert stop.value.code not in (None, 0)


def test_a_run_knows_nothing_of_the_books_settings_but_the_data(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("NIN_REPOSITORY", "NIN_SCALE", "NIN_DATA"):
        monkeypatch.setenv(name, "some")
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("FASHION_MNIST_DIR", "here")
    found = colab.variables(tmp_path)
    assert {name: value for name, value in found.items() if name.startswith("NIN_")} == {
        "NIN_SCALE": "smoke", "NIN_DATA": "some"}
    assert found["FASHION_MNIST_DIR"] == str(tmp_path / "here") and found["PYTHONPATH"] == str(tmp_path)
    assert found["PATH"] == os.environ["PATH"]
