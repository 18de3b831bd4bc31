"""The benchmark of reading runs copies real records and judges what it measured; how fast it is is not tested here."""

import json

import pytest
from click.testing import CliRunner
from example_run import case, measurement, replicate, write_example_run

import bench
from bench.errors import BenchError
from benchmarks import load_runs


@pytest.fixture
def record(tmp_path):
    """A record of five samples."""
    return write_example_run(tmp_path / "record", [replicate(case("data"), [measurement("load", [0.5] * 5)])])


def test_copies_hold_at_least_so_many_samples_under_ids_of_their_own(tmp_path, record):
    target = tmp_path / "copies"
    target.mkdir()
    assert load_runs.copy_until(12, record, target) == 3
    frames = bench.load_runs(target)
    assert len(frames.samples) == 15
    assert frames.runs["run_id"].nunique() == 3


def test_a_record_without_samples_cannot_be_copied(tmp_path):
    empty = write_example_run(tmp_path, [])
    with pytest.raises(BenchError, match="name another with --record"):
        load_runs.copy_until(10, empty, tmp_path)


@pytest.mark.parametrize(
    ("cpu_seconds", "peak_rss_bytes", "exit_code"),
    [(1.0, 10**8, 0), (2.0, 10**8, 1), (1.0, 2 * 10**9, 1)],
)
def test_over_a_limit_is_exit_code_1_on_a_slow_machine_as_on_a_fast_one(
    monkeypatch, record, cpu_seconds, peak_rss_bytes, exit_code
):
    load = {"seconds": 600.0, "cpu_seconds": cpu_seconds, "peak_rss_bytes": peak_rss_bytes, "num_samples": 10}
    parse = load | {"cpu_seconds": 1.0, "peak_rss_bytes": 10**7}
    monkeypatch.setattr(load_runs, "measure", lambda work, runs: load if work == load_runs.LOAD else parse)
    options = ["--samples", "10", "--processes", "3", "--record", str(record), "--json"]
    result = CliRunner().invoke(load_runs.main, options)
    assert result.exit_code == exit_code
    measured = json.loads(result.stdout)
    assert (measured["loads"], measured["factor"]) == ([load] * 3, cpu_seconds)


@pytest.mark.slow
def test_a_load_and_a_parse_are_measured_in_processes_of_their_own(record):
    load, parse = (load_runs.measure(work, record.parent) for work in (load_runs.LOAD, load_runs.PARSE))
    assert load["num_samples"] == 5
    for measured in load, parse:
        assert min(measured["seconds"], measured["cpu_seconds"]) > 0
        assert 2**20 < measured["peak_rss_bytes"] < 2**32
