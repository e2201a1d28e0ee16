"""The benchmark: every path is timed, and what is written is what was measured."""

import json

import pytest

from nin import bench


@pytest.mark.filterwarnings("ignore")  # d2l's loader on the number of workers, its plot on a single epoch
def test_every_path_is_timed_and_written(monkeypatch, tmp_path):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    rows, path = bench.bench(rounds=1, folder=tmp_path)
    assert [row["path"] for row in rows] == ["d2l", *bench.LEVERS]
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows
    first = rows[0]
    assert first["images/s against d2l"] == first["wall clock against d2l"] == 1
    for row in rows:
        assert row["images/s against d2l"] == pytest.approx(row["images/s"] / first["images/s"])
        assert row["wall clock against d2l"] == pytest.approx(first["seconds per epoch"] / row["seconds per epoch"])
        assert row["images"] == 40 and row["scale"] == "smoke" and row["images/s"] > 0


@pytest.mark.parametrize("arguments, message", [
    (["--rounds", "0", "--results", "x"], "--rounds must be at least 1"), ([], "name another folder with --results")])
def test_bad_arguments(arguments, message, monkeypatch, capsys):
    monkeypatch.setenv("NIN_SCALE", "smoke")
    with pytest.raises(SystemExit):
        bench.main(arguments)
    assert message in capsys.readouterr().err
