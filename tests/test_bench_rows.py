"""The benchmark's files, read back: GPUs first, only files that hold what is asked for, a part by itself."""

import json

import pandas as pd
from nin import bench, bench_rows


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
    assert text.startswith("**Not yet recorded.**") and "`python -m nin.bench --only memory layers`" in text
    assert "about 2 minutes" in text
    assert set(bench_rows.MINUTES) == set(bench.PARTS)


def test_recorded_files_can_be_read():
    for path in bench_rows.bench_files():
        for part in {json.loads(line)["part"] for line in path.read_text(encoding="utf-8").splitlines()}:
            rows = bench_rows.bench_part(path, part)
            assert {"device", "torch", "measured on", "scale"} <= set(rows) and len(rows)
