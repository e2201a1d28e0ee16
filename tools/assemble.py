"""Assembles the inner loops of the page that trains: train-kernel.wat to train-kernel.js (pip install wasmtime)."""

import base64
from pathlib import Path

import wasmtime

TEXT = Path(__file__).resolve().parents[1] / "book" / "_static" / "figures" / "train-kernel.wat"
SCRIPT = TEXT.with_suffix(".js")


def script():
    """The script that holds the assembled bytes."""
    packed = base64.b64encode(wasmtime.wat2wasm(TEXT.read_text(encoding="utf-8"))).decode()
    return f'// train-kernel.wat, assembled by tools/assemble.py.\nfigures.trainingKernel = "{packed}";\n'


if __name__ == "__main__":
    SCRIPT.write_text(script(), encoding="utf-8")
