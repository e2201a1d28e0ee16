"""Writes the recorded runs as scripts: figures/runs-STUDY.js, which the figure "curves" draws from. Needs no torch."""

import json
import math
from pathlib import Path

# The studies that a chapter draws have a script always, if with no runs: a missing file would be a failed request.
DRAWN = ("training", "exercise-1-tuning", "exercise-2-one-by-one", "exercise-4-one-step")
PER_EPOCH = ("loss", "train_acc", "test_acc")


def rounded(values):
    """The values with 4 significant digits; None for what is no finite number."""
    return [float(f"{value:.4g}") if isinstance(value, (int, float)) and math.isfinite(value) else None
            for value in values]


def recorded(path):
    """The full-scale runs of one .jsonl file as dicts; a line that was cut short is left out."""
    runs = []
    for line in Path(path).read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            run = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(run, dict) and run.get("scale") == "full":
            runs.append(run)
    return runs


def drawn(run):
    """What the figure needs of one recorded run."""
    recipe = run["recipe"]
    steps = recipe["num_epochs"] * math.ceil(run["train_images"] / recipe["batch_size"])
    return {
        "label": run["label"],
        "seed": recipe["seed"],
        "collapsed": run["collapsed"],
        "steps": steps,
        # Held-out images are taken from the 60,000 training images, the 10,000 test images are not.
        "held_out": run["train_images"] + run["test_images"] <= 60_000,
        "losses": rounded(run.get("losses", [])),
        **{name: rounded(epoch.get(name) for epoch in run["history"]) for name in PER_EPOCH},
    }


def script(study, runs):
    """The text of runs-STUDY.js, one line a run."""
    lines = ",\n".join(json.dumps(drawn(run), separators=(",", ":")) for run in runs)
    return f"(figures.recorded ??= {{}})[{json.dumps(study)}] = [\n{lines}\n];\n"


def studies(results):
    """{study: its full-scale runs} for all that a folder of results holds, and for those that chapters draw."""
    found = {name: [] for name in DRAWN}
    for path in sorted(Path(results).glob("*.jsonl")):
        if not path.name.startswith("bench-"):  # timings, not runs
            found[path.stem] = recorded(path)
    return {name: runs for name, runs in found.items() if runs or name in DRAWN}


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
