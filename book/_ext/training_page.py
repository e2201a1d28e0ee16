"""What the page that trains needs of the repository: the sample and the recorded runs of its network as scripts, and
the directive {training-comparison}.

Needs no torch. A page opened from a folder may not read the pixels of its neighbours: so the sheets go into a script.
"""

import base64
import json
import statistics
import sys
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the helper stands beside this folder

from nin import outcome  # noqa: E402
from nin.runs import read  # noqa: E402

SAMPLE, RUNS = "train-sample.js", "train-runs.js"
AT = 500  # the step at which the shorter duels end
STARTS = {"xavier": "Xavier", "kaiming": "Kaiming"}
ONES = ("no 1×1s", "one 1×1", "two 1×1s", "three 1×1s")
SIZES = {"pocket": "pocket", "full": "the section's"}
# The runs of chapter 3 that differ from each other in what the lanes differ in.
COMPARED = ("the section, lr 0.1", "Kaiming, lr 0.1", "linear logits, lr 0.1", "both, lr 0.1")


def script(sample):
    """The text of train-sample.js from the folder of the sample."""
    def sheets(part):
        paths = sorted(sample.glob(f"{part}-*.png"))
        return [f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in paths]

    labels = json.loads((sample / "labels.json").read_text(encoding="utf-8"))
    text = json.dumps({part: {"sheets": sheets(part), "labels": labels[part]} for part in ("train", "test")},
                      separators=(",", ":"))
    return ("// Fashion-MNIST, the first images (Xiao, Rasul & Vollgraf 2017, MIT licence; Copyright (c) 2017 Zalando "
            f"SE): see book/sample.\nfigures.trainingSample = {text};\n")


def runs_script(results):
    """The text of train-runs.js: by recipe, for each seed [step that left ln 10 or null, mean loss of the 20 steps
    before step AT, accuracy and number of classes lost at the end]."""
    found = {}
    for line in read.cases("tiny", folder=results):
        case = line["case"]
        key = f"{case['init']} {json.dumps(case['linear_logits'])} {case['num_1x1']} {case['lr']:g}"
        found.setdefault(key, {})[case["seed"]] = [
            outcome.plateau_end(line["losses"]), line["losses"][AT // outcome.MEANS - 1], round(line["accuracy"], 3),
            len(outcome.lost(line["answered"]))]
    runs = {key: [row for _, row in sorted(of.items())] for key, of in found.items()}
    text = json.dumps(runs, separators=(",", ":"))
    return f"// Recorded runs of the page's network in torch: see nin/runs/tiny.py.\nfigures.trainingRuns = {text};\n"


def name(init, linear_logits, num_1x1, lr):
    """A recipe in words."""
    return f"{STARTS[init]}, {'linear' if linear_logits else 'ReLU'}, {ONES[num_1x1]}, lr {lr:g}"


def row(network, recipe, runs):
    """A row of the table, or None without runs: dicts with "dead", "left" (a step, or None), "lost", "diverged"."""
    if not runs:
        return None
    dead = [run["dead"] for run in runs if run["dead"] is not None]
    left = sorted(run["left"] for run in runs if run["left"] is not None)
    lost = sum(bool(run["lost"]) for run in runs if run["left"] is not None and not run["diverged"])
    steps = "–" if not left else f"{statistics.median(left):,.0f} ({left[0]:,} to {left[-1]:,})"
    never = sum(run["left"] is None and not run["diverged"] for run in runs)
    return (f"| {network} | {recipe} | {len(runs)} | {f'{statistics.mean(dead):.1f}' if dead else '–'} | {steps} "
            f"| {never} | {sum(run['diverged'] for run in runs)} | {lost} |")


def table(results):
    """The lines of the table, from the folder of the recorded runs: this page's network, the pocket, the section's."""
    groups = {}
    for line in read.cases("tiny", folder=results):
        case = line["case"]
        recipe = name(*(case[key] for key in ("init", "linear_logits", "num_1x1", "lr")))
        groups.setdefault(("this page's", recipe), []).append({
            "dead": line["dead"], "left": outcome.plateau_end(line["losses"]), "lost": outcome.lost(line["answered"]),
            "diverged": outcome.outcome(line["losses"], line["steps"], line["answered"]) == "diverged"})
    for scale, size in SIZES.items():
        found = read.by_label(read.load("training", scale, results))
        for run in (run for label in COMPARED for run in found.get(label, [])):
            variant = run["recipe"]["variant"]
            recipe = name(run["recipe"]["init"], variant["linear_logits"], variant["num_1x1"], run["recipe"]["lr"])
            groups.setdefault((size, recipe), []).append({
                "dead": run["dead_before"], "left": run["plateau_end"], "lost": run["lost"],
                "diverged": run["outcome"] == "diverged"})
    rows = [row(network, recipe, runs) for (network, recipe), runs in groups.items()]
    return ["| network | recipe | runs | dead maps before the first step, mean, of 10 | step that left ln 10, median "
            "(range) | never left | diverged | left, and ended with classes lost |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |", *rows]


class Comparison(SphinxDirective):
    """{training-comparison}: the table above."""

    def run(self):
        content = nodes.container()
        lines = StringList(table(Path(self.env.srcdir) / "results"), self.get_source_info()[0])
        self.state.nested_parse(lines, self.content_offset, content)
        return content.children


def write_scripts(app, error):
    """Write the scripts into the built book."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SAMPLE).write_text(script(Path(app.srcdir) / "sample"), encoding="utf-8")
    (folder / RUNS).write_text(runs_script(Path(app.srcdir) / "results"), encoding="utf-8")


def setup(app):
    """Register the extension with Sphinx."""
    app.add_directive("training-comparison", Comparison)
    app.connect("build-finished", write_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
