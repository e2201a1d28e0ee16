"""What the build gives the page that trains: the sample as a script, and the table of recorded runs."""

import base64
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import training_page
from nin.data import SAMPLE, load
from nin.runs import experiments, tiny
from nin.runs.read import cases
from nin.scale import RESULTS


def test_the_script_holds_the_sample():
    text = training_page.script(SAMPLE)
    found = json.loads(text.split("figures.trainingSample = ")[1].rstrip().rstrip(";"))
    assert [len(found[part]["sheets"]) for part in ("train", "test")] == [4, 1]
    split = load(train=False).take(tiny.HELD_OUT)
    assert found["test"]["labels"] == split.labels.tolist()
    address = found["test"]["sheets"][0]
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))
    tiles = sheet.reshape(25, 28, 40, 28).transpose(0, 2, 1, 3).reshape(-1, 1, 28, 28)
    assert torch.equal(torch.tensor(tiles), split.images)


def test_the_runs_of_torch_go_into_a_script(tmp_path):
    text = training_page.runs_script(RESULTS)
    found = json.loads(text.split("figures.trainingRuns = ")[1].rstrip().rstrip(";"))
    assert sorted(map(len, found.values())) == 8 * [tiny.SEEDS]
    for line in cases("tiny"):
        case = line["case"]
        key = " ".join((case["init"], str(case["linear_logits"]).lower(), str(case["num_1x1"]), str(case["lr"])))
        left, loss, accuracy, lost = found[key][case["seed"]]
        assert left is None or line["losses"][left // 20 - 1] < math.log(10) - 0.05
        assert loss == line["losses"][24] and accuracy == round(line["accuracy"], 3)
        assert lost == sum(count < 10 for count in line["answered"])
    assert training_page.runs_script(tmp_path).endswith("= {};\n")


def test_a_row_counts_runs():
    runs = [{"dead": 4, "left": 100, "lost": [], "diverged": False},
            {"dead": 5, "left": 300, "lost": [2], "diverged": False},
            {"dead": 3, "left": None, "lost": [1, 2], "diverged": False},
            {"dead": 0, "left": 20, "lost": [0], "diverged": True}]
    assert training_page.row("a", "b", runs) == "| a | b | 4 | 3.0 | 100 (20 to 300) | 1 | 1 | 1 |"
    assert training_page.row("a", "b", []) is None


def test_every_recipe_has_its_seeds_and_a_row():
    lines = training_page.table(RESULTS)
    assert len(cases("tiny")) == len(tiny.CASES) == 160
    for recipe in tiny.MAIN + tiny.OTHERS:
        assert any(f"| this page's | {training_page.name(*recipe)} | {tiny.SEEDS} |" in line for line in lines)


def test_the_phenomena_hold_at_this_size():
    """What the page's duels argue from, over the recorded seeds."""
    found = {}
    for line in cases("tiny"):
        case = line["case"]
        found.setdefault((case["init"], case["linear_logits"], case["num_1x1"], case["lr"]), []).append(line)

    def left(recipe):
        ends = [training_page.outcome.plateau_end(line["losses"]) for line in found[recipe]]
        return [line_end or tiny.STEPS + 1 for line_end in ends]

    xavier, kaiming = tiny.MAIN[:2]
    dead = [np.mean([line["dead"] for line in found[recipe]]) for recipe in (xavier, kaiming)]
    assert dead[0] > dead[1] + 2
    assert np.median(left(xavier)) > 5 * np.median(left(kaiming))
    assert np.mean(left(tiny.OTHERS[0])) < np.mean(left(tiny.OTHERS[1]))  # none start earlier than three
    lost = [sum(bool(training_page.outcome.lost(line["answered"])) for line in found[recipe])
            for recipe in (kaiming, tiny.MAIN[3])]
    assert lost[0] > lost[1]  # with the ReLU more runs end with classes lost


def test_a_case_of_the_experiment(monkeypatch):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    found = experiments.EXPERIMENTS["tiny"].measure(**tiny.CASES[1])
    assert found["steps"] == 40 and len(found["losses"]) == 2 and sum(found["answered"]) == tiny.HELD_OUT
    assert 0 <= found["dead"] <= 10 and found["losses"][0] > 2


def test_it_needs_nothing_that_rendering_lacks():
    code = ("import sys; sys.modules.update(dict.fromkeys(('torch', 'scipy', 'pandas', 'numpy', 'PIL'))); "
            "sys.path.insert(0, '_ext'); import training_page; from pathlib import Path; "
            "assert len(training_page.table(Path('results'))) > 8")
    subprocess.run([sys.executable, "-c", code], cwd=Path(training_page.__file__).parents[1], check=True)
