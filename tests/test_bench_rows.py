"""The benchmark's files, read back: GPUs first, only files that hold what is asked for, a part by itself."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nin.bench import rows as bench_rows


def write(folder, device, *rows):
    path = folder / f"bench-{device.lower().replace(' ', '-')}.jsonl"
    path.write_text("".join(json.dumps({"device": device, **row}) + "\n" for row in rows), encoding="utf-8")
    return path


def test_gpus_come_first_and_only_with_all_parts(tmp_path):
    cpu = write(tmp_path, "CPU a", {"part": "memory", "path": "a"}, {"part": "layers", "path": "b"})
    gpu = write(tmp_path, "NVIDIA b", {"part": "layers", "path": "a"}, {"part": "memory", "path": "b"})
    bare = write(tmp_path, "Another", {"part": "layers", "path": "a"})
    assert bench_rows.bench_files("memory", folder=tmp_path) == [gpu, cpu]
    assert bench_rows.bench_files("layers", "memory", folder=tmp_path) == [gpu, cpu]
    assert bench_rows.bench_files("layers", folder=tmp_path) == [bare, gpu, cpu]
    assert bench_rows.bench_files("speed", folder=tmp_path) == []


def test_a_part_has_only_its_own_rows_and_columns(tmp_path):
    path = write(tmp_path, "CPU", {"part": "memory", "path": "2.0", "MB": 1, "skipped": None},
                 {"part": "layers", "path": "2.0", "ms": 2.5}, {"part": "layers", "path": "1", "ms": None})
    layers = bench_rows.bench_part(path, "layers")
    assert list(layers.index) == ["2.0", "1"] and set(layers) == {"device", "part", "ms"}
    assert layers["ms"].iloc[0] == 2.5 and pd.isna(layers["ms"].iloc[1])
    assert "skipped" not in bench_rows.bench_part(path, "memory")
    assert bench_rows.bench_part(path, "accuracy").empty


def test_what_is_missing_names_the_command_and_its_minutes():
    text = bench_rows.not_benched("memory", "layers")
    assert text.startswith("In `book/`, `python -m nin bench --only memory layers` measures it")
    assert "about 2 minutes" in text
    assert bench_rows.not_benched("sprint ladder").startswith("In `book/`, `python -m nin sprint --ladder` records it")


def test_recorded_files_can_be_read():
    for path in bench_rows.bench_files():
        for part in {json.loads(line)["part"] for line in path.read_text(encoding="utf-8").splitlines()}:
            rows = bench_rows.bench_part(path, part)
            assert {"device", "torch", "measured on", "scale"} <= set(rows) and len(rows)


def test_a_gap_is_workspace_rounding_and_the_unexplained():
    rows = bench_rows.gaps(pd.DataFrame({
        "predicted (MB)": [100.0, 50.0, 8000.0], "measured (MB)": [112.0, 49.0, None],
        "workspace (MB)": [9.0, 0.0, None], "rounding (MB)": [1.0, 0.5, None]}, index=["a", "b", "too large"]))
    assert list(rows.index) == ["a", "b"]
    assert list(rows["measured (MB)"]) == [113.0, 49.5]  # what the allocator took
    assert list(rows["gap (%)"]) == pytest.approx([13.0, -1.0])
    assert list(rows["workspace (%)"]) == pytest.approx([9.0, 0.0])
    assert list(rows["rounding (%)"]) == pytest.approx([1.0, 1.0])
    assert list(rows["unexplained (%)"]) == pytest.approx([3.0, -2.0])


def test_equal_layers_of_a_block_are_taken_together():
    def row(path, layer, precision, forward, backward, gflop, by="memory"):
        return {"path": path, "layer": layer, "type": precision, "forward (ms)": forward, "backward (ms)": backward,
                "bound (ms)": 1.0, "forward, GFLOP": gflop, "backward, GFLOP": 2 * gflop,
                "forward, bound by": by, "backward, bound by": "memory"}

    layers = pd.DataFrame([row("0.1", "ReLU", "float32", 1.0, 2.0, 0.0), row("0.3", "ReLU", "float32", 1.0, 1.0, 0.0),
                           row("2.0", "conv", "float32", 2.0, 3.0, 1.0, "arithmetic"),
                           row("3", "max pool", "float32", 4.0, 6.0, 0.0), {"path": "all layers", "type": "float32"},
                           row("2.0", "conv", "bfloat16", 1.0, 1.0, 1.0), {"path": "whole step", "type": "bfloat16"},
                           {"path": "whole step", "type": "float32"}]).set_index("path")
    groups = bench_rows.layer_groups(layers)
    assert list(groups["layers"]) == ["block 1, ReLU (2)", "block 2, conv", "layer 3, max pool", "block 2, conv"]
    assert list(groups["type"]) == ["float32"] * 3 + ["bfloat16"]
    assert list(groups["forward (ms)"]) == [2, 2, 4, 1] and list(groups["bound by"]) == ["memory", "both", "memory",
                                                                                           "memory"]
    assert list(groups["time (%)"]) == pytest.approx([25, 25, 50, 100])
    assert list(groups["FLOP (%)"]) == pytest.approx([0, 100, 0, 100])
    assert list(groups["GFLOP/s"]) == pytest.approx([0, 600, 0, 1500])
    assert list(groups["share of the bound (%)"]) == pytest.approx([40, 20, 10, 50])
    assert "kernels (%)" not in groups
    assert list(bench_rows.layer_groups(layers.assign(**{"kernels (ms)": 1.0}))["kernels (%)"]) == pytest.approx(
        [40, 20, 10, 50])


def test_a_gpus_rows_are_taken_before_a_cpus_and_what_lacks_is_said(tmp_path):
    rows, words = bench_rows.benched("memory", tmp_path)
    assert rows.empty and words == ["The part *memory* of the benchmark: " + bench_rows.not_benched("memory")]
    where = {"part": "memory", "path": "a", "torch": "2.0", "python": "3.11", "measured on": "2026-01-01"}
    write(tmp_path, "CPU a", {**where, "MB": 1})
    rows, words = bench_rows.benched("memory", tmp_path)
    assert list(rows["MB"]) == [1] and "**CPU a**, torch 2.0, Python 3.11, 2026-01-01" in words[0]
    assert len(words) == 1
    write(tmp_path, "NVIDIA b", {**where, "MB": 2})
    rows, words = bench_rows.benched("memory", tmp_path)
    assert list(rows["MB"]) == [2] and len(words) == 1 and "**NVIDIA b**" in words[0]


def test_the_words_on_memory_name_the_worst_and_what_the_gpu_holds():
    assert bench_rows.memory_words(pd.DataFrame()) == []
    memory = pd.DataFrame({
        "batch size": [1, 8], "unexplained (%)": [-7.0, 0.5], "gap (%)": [3.0, 21.0], "workspace (%)": [9.0, 20.0],
        "rounding (%)": [1.0, 0.5], "held besides (MB)": [0.0, 2.5], "peak at": ["x", "y"],
        "with workspace, peak at": ["x", "z"]}, index=["a", "b"])
    first, held = bench_rows.memory_words(memory)
    assert "2 measurements in 2 cases" in first and "at most 7.000% (a, batch 1): **only 1** lie within 5%" in first
    assert "21.0% (b, batch 8), of which workspace is 20.0 and rounding 0.5" in first and "in 1 of 2." in first
    assert held.startswith("The GPU's libraries held 2.5 MB")
    within = memory.assign(**{"unexplained (%)": 1.0, "held besides (MB)": 0.0})
    assert "all lie within 5%" in bench_rows.memory_words(within)[0] and len(bench_rows.memory_words(within)) == 1


def test_the_words_on_layers_name_the_longest():
    layers = pd.DataFrame({
        "layer": ["conv", "ReLU", None, None], "type": "float32", "both (ms)": [4.0, 6.0, 10.0, 8.0],
        "bound (ms)": [2.0, 3.0, 5.0, None], "forward, GFLOP": [1.0, 0.0, None, None],
        "backward, GFLOP": [2.0, 0.0, None, None]}, index=["2.0", "2.1", "all layers", "whole step"])
    first, last = bench_rows.layer_words(layers)
    assert "most MACs, conv, does **not** take the longest: 40% of the time at 100% of the FLOP" in first
    assert "Longest is ReLU (layer 2.1), 60%. Layers without MACs take 60%." in first and "50% of their bounds" in first
    assert "10.0 ms; a whole step, loss and update included, 8.0 ms, 20% less." in last
    layers.loc[["2.0", "whole step"], "both (ms)"] = [7.0, 12.0]
    first, kernels, last = bench_rows.layer_words(layers.assign(**{"kernels (ms)": 9.0}))
    assert "conv, takes the longest: 70%" in first and "Longest is" not in first
    assert kernels.startswith("Kernels ran for 90%") and "20% more. The difference is" in last


def test_the_ladder_is_sorted_by_what_a_choice_brings():
    rows = pd.DataFrame({"accuracy": [0.878, 0.86, 0.879, 0.884, 0.8781], "standard error": 0.001,
                         "all (s)": [2.0, 1.0, 3.0, 2.0, 2.1]}, index=["as it is", "short", "slow", "good", "same"])
    words = bench_rows.ladder_words(rows)
    assert words == ["- Taking back costs accuracy: short (-1.80 points, -50% s).",
                     "- Costs time and no accuracy: slow (+0.10 points, +50% s).",
                     "- Would bring something: good (+0.60 points, +0% s).",
                     "- Changes neither beyond chance: same (+0.01 points, +5% s)."]


@pytest.fixture
def growth():
    """Made-up rows of the part "growth"."""
    points = [("batch size", 1, 10.0, 0.1), ("batch size", 16, 95.0, 0.1), ("batch size", 64, 100.0, 0.1),
              ("width", 0.5, 50.0, 0.5), ("width", 0.25, 100.0, 0.1), ("pixels to a side", 67, 400.0, 0.05),
              ("pixels to a side", 224, 20.0, 2.0), ("processes × threads", "1 × 1", 60.0, None),
              ("processes × threads", "2 × 1", 120.0, None)]
    return pd.DataFrame([{"varied": varied, "value": value, "images/s": rate, "GFLOP an image": work}
                         for varied, value, rate, work in points])


def test_growth_is_told_end_from_end(growth):
    found = bench_rows.arithmetic(growth)
    assert list(found) == ["batch size", "width", "pixels to a side"]
    assert found["width"].values.tolist() == [[0.25, 100.0, 10.0], [0.5, 50.0, 25.0]]  # by rising value
    batch, width, image = bench_rows.growth_words(growth, most=50.0)
    assert "a batch of 1 takes 100.0 ms. Batches of 64 run at 10 times" in batch and "are reached at 16." in batch
    assert "From 0.25 to 0.5 an image costs 5 times the arithmetic and 2 times the time" in width
    assert "10 GFLOP/s at the one end, 25 at the other, 50% of its bound." in width
    assert "67 to 224 an image costs 40 times the arithmetic and 20 times the time" in image
    assert bench_rows.growth_words(growth)[1].endswith("25 at the other.")
    assert bench_rows.together(growth)["× one"].tolist() == [1, 2]


@pytest.mark.parametrize("workers, hours", [(1, 15), (2, 8), (3, 6), (50, 6)])
def test_independent_runs_end_with_the_longest_at_the_earliest(workers, hours):
    assert bench_rows.finished_after([2, 3, 4, 6], workers) == hours


def test_a_profile_is_taken_together_by_kind():
    spent = {"aten::convolution_backward": 50.0, "aten::mkldnn_convolution": 30.0, "aten::clamp_min": 6.0,
             "aten::max_pool2d_with_indices": 4.0, "aten::copy_": 8.0, "aten::strange": 2.0, "whole step": 100.0}
    rows = pd.DataFrame({"ms a step": spent, "GFLOP": {"whole step": 40.0}, "batch size": 128})
    kinds = bench_rows.profile_kinds(rows)["share (%)"]
    assert kinds.to_dict() == {"convolutions": 80, "copies, casts and filling": 8, "ReLU": 6, "pooling": 4,
                               "all else": 2}
    words = bench_rows.profile_words(rows, most=0.625)
    assert "128 images spends 80% of its time in convolutions, at 0.50 TFLOP/s, 80% of the bound's" in words
    assert "copies, casts and filling 8%, ReLU 6%, pooling 4%, all else 2%" in words and "1.25 times as fast" in words


def test_reading_needs_no_torch():
    """Where pages are only rendered, there is none."""
    subprocess.run([sys.executable, "-c", "import sys, nin.bench.rows; sys.exit('torch' in sys.modules)"], check=True,
                   cwd=Path(__file__).resolve().parents[1] / "book")
