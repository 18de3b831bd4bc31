"""The benchmark of the board makes consistent runs and judges what it measured; how fast it is is not tested here."""

import json

import pytest
from click.testing import CliRunner
from example_run import replicates, write_example_run

from bench.records.json_file import read_json
from bench.report.board.record import read_record
from bench.report.run.summary import summarize
from bench.report.write import analysis_of
from benchmarks import board


@pytest.fixture
def record(tmp_path):
    path = write_example_run(tmp_path / "record", replicates())
    (path / "summary.json").write_text(json.dumps(summarize(analysis_of(path))))
    return path


def test_synthetic_runs_are_consistent_and_of_different_speed(tmp_path, record):
    board.write_runs(tmp_path / "runs", record, num_runs=4, num_machines=2, num_commits=2)
    found = [read_record(path, path.name, True) for path in sorted((tmp_path / "runs").glob("*/*"))]
    assert len({one.run_id for one in found}) == len({one.results[0].total.center for one in found}) == 4
    assert len({one.machine["cpu_model"] for one in found}) == len({one.commit for one in found}) == 2
    assert {one.results[0].num_epochs for one in found} == {20}


def test_only_durations_are_scaled():
    value = {"seconds": [1.0], "phases": {"load": 2.0}, "a_seconds": {"low": 3.0, "num": 4}, "accuracy": 0.5}
    scaled = {"seconds": [2.0], "phases": {"load": 4.0}, "a_seconds": {"low": 6.0, "num": 4}, "accuracy": 0.5}
    assert board.scaled(value, 2.0) == scaled


@pytest.mark.parametrize(
    ("changes", "exit_code"),
    [({}, 0), ({"seconds": 61.0}, 1), ({"peak_rss_bytes": 3 * 10**9}, 1), ({"largest_page_bytes": 10**7}, 1)],
)
def test_over_a_budget_is_exit_code_1(monkeypatch, tmp_path, record, changes, exit_code):
    built = {"seconds": 1.0, "cpu_seconds": 1.0, "peak_rss_bytes": 10**8, "num_pages": 3, "largest_page_bytes": 10**5}
    monkeypatch.setattr(board, "build_once", lambda runs, site: {**built, **changes, "largest_page": "index.html"})
    options = ["--runs", "2", "--machines", "1", "--commits", "1", "--record", str(record), "--json"]
    result = CliRunner().invoke(board.main, options)
    assert result.exit_code == exit_code
    assert json.loads(result.stdout)["num_runs"] == 2


@pytest.mark.slow
def test_a_board_is_built_in_a_process_of_its_own(tmp_path, record):
    board.write_runs(tmp_path / "runs", record, num_runs=2, num_machines=1, num_commits=1)
    built = board.build_once(tmp_path / "runs", tmp_path / "site")
    assert built["num_pages"] == 3 and built["seconds"] > 0
    assert read_json(tmp_path / "site" / "ranking.json")["num_records"] == 2
