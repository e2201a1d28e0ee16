"""Writes the recorded runs as scripts: figures/runs-STUDY.js, which the figure "curves" draws from. Needs no torch."""

import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the helper stands beside this folder

from nin.runs import read  # noqa: E402
from nin.runs.studies import STUDIES  # noqa: E402

# The studies that a chapter draws have a script always, if with no runs: a missing file would be a failed request.
DRAWN = ("training", "exercise-1-tuning", "exercise-2-one-by-one", "exercise-4-one-step")
PER_EPOCH = ("loss", "train_acc", "test_acc")


def rounded(values):
    """The values with 4 significant digits; None for what is no finite number."""
    return [float(f"{value:.4g}") if isinstance(value, (int, float)) and math.isfinite(value) else None
            for value in values]


def pairs(values):
    """The means of every two values, and the last one where it is left alone: half as much to draw."""
    return [sum(values[i:i + 2]) / len(values[i:i + 2]) for i in range(0, len(values), 2)]


def drawn(run, held_out=False):
    """What the figure needs of one recorded run, as `read.load` gives it."""
    name = run["label"] if run["scale"] == "pocket" else f"{run['scale']} size: {run['label']}"
    return {
        "label": name,
        "seed": run["recipe"]["seed"],
        "clean": run["outcome"] == "clean",
        "outcome": run["outcome"],
        "steps": run["recipe"]["num_epochs"] * read.steps_per_epoch(run),
        "held_out": held_out,
        "losses": rounded(pairs(run.get("losses", []))),
        **{name: rounded(epoch.get(name) for epoch in run["history"]) for name in PER_EPOCH},
    }


def script(study, runs):
    """The text of runs-STUDY.js, one line a run of what `drawn` gives."""
    lines = ",\n".join(json.dumps(run, separators=(",", ":")) for run in runs)
    return f"(figures.recorded ??= {{}})[{json.dumps(study)}] = [\n{lines}\n];\n"


def studies(results):
    """{study: its drawn runs at both sizes, the pocket network's first} for the studies that chapters draw."""
    return {name: [drawn(run, STUDIES[name].validation) for scale in ("pocket", "full")
                   for run in read.load(name, scale, results)] for name in DRAWN}


def write_scripts(app, error):
    """Write the scripts into the built book."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for study, runs in studies(Path(app.srcdir) / "results").items():
        (folder / f"runs-{study}.js").write_text(script(study, runs), encoding="utf-8")


def setup(app):
    """Register the extension with Sphinx."""
    app.connect("build-finished", write_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
