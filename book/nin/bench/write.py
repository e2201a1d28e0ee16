"""Rows of measurements, written beside older ones, and printed."""

import datetime
import json
import platform
import re
from pathlib import Path

import pandas as pd
import torch

from ..recipes import SECTION
from ..scale import current, device_name

HIDDEN = {"memory": ["phase", "type", "optimizer"]}  # columns that the path says already


def about():
    """What every row says of where it was measured."""
    return {"scale": current().name, "batch size": current().batch_size(SECTION.batch_size), "device": device_name(),
            "torch": torch.__version__, "python": platform.python_version(), "measured on": str(datetime.date.today())}


def write(part, rows, folder):
    """Put a part's rows into the device's file in `folder`, in place of older ones; returns the rows and the file."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", device_name()).strip("-").lower()
    path = Path(folder) / f"bench-{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"part": part, **about(), **row} for row in rows]  # a row may have a batch size of its own
    kept = [line for line in (path.read_text("utf-8").splitlines() if path.exists() else [])
            if json.loads(line)["part"] != part]
    path.write_text("\n".join([*kept, *map(json.dumps, rows)]) + "\n", encoding="utf-8")
    return rows, path


def table(rows):
    """The measured rows as text, part by part, without what is the same in all."""
    same, parts = ["part", "scale", "device", "torch", "python", "measured on"], []
    for part in dict.fromkeys(row["part"] for row in rows):
        hidden = [*same, *HIDDEN.get(part, ["batch size"])]
        chosen = pd.DataFrame([row for row in rows if row["part"] == part]).drop(columns=hidden).set_index("path")
        parts.append(f"{part}\n{(chosen.T if part == 'bound' else chosen).round(3).to_string(na_rep='–')}")
    return "\n\n".join(parts)
