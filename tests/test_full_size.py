"""Every notebook runs at full size, on a few images: what a GPU meets has been tried, in either precision."""

import os
import subprocess
import sys

import pytest

import notebooks

# What trains or counts at a scale says so at its top; "How sure?" computes the same everywhere.
SCALED = [path for path in notebooks.chapters() if "nin.scale" in path.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])  # a T4, Colab's free GPU, has no bfloat16
@pytest.mark.parametrize("path", SCALED, ids=lambda path: path.stem)
def test_a_notebook_at_full_size(path, precision, tmp_path):
    environment = {**os.environ, "NIN_SCALE": "full", "NIN_IMAGES": "32", "NIN_EPOCHS": "2", "NIN_PRECISION": precision}
    words = [sys.executable, str(notebooks.ROOT / "tools" / "execute.py"), "--into", str(tmp_path / "book"), str(path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    first = next(cell for cell in notebooks.read(tmp_path / "book" / path.name).cells if cell.get("id") == "setup")
    assert "scale full" in first.outputs[0].text and "the section's network" in first.outputs[0].text
