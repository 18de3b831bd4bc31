"""From the command to the report through real worker processes, on a backend that needs no compiler."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bench

PROJECT = Path(__file__).resolve().parent.parent
NUM_PROCESSES = 2
# ``python -m bench`` with a small workload in each worker.
BENCH = """
from bench import cli
from bench.measure import worker
worker.PYTEST += ("-p", "small_workload")
cli.main()
"""


def run(tmp_path, *options):
    argv = [sys.executable, "-c", BENCH, "run", "--quick", "--backend", "numpy", "--runs-dir", str(tmp_path)]
    argv += ["--env", f"PYTHONPATH={Path(__file__).parent}", *options]
    return subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_a_run_measures_records_and_reports(tmp_path):
    options = ["--variant", "float32", "--processes", NUM_PROCESSES, "--threads", "1"]
    done = run(tmp_path, "--harness", "epoch", "--harness", "data", *map(str, options))
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = tmp_path.iterdir()
    header = json.loads((folder / "run.json").read_text())
    assert header["status"] == "complete"
    assert header["dataset"]["identity"] in {"mnist", "surrogate"}

    frames = bench.load_runs(tmp_path)
    samples = frames.samples
    assert {"train_epoch", "validate_epoch", "train_step", "load", "decompress"} <= set(samples["measurement"])
    assert (samples["seconds"] > 0).all()
    # The unit of statistics is the process: several of each case, and each with two samples inside.
    epochs = samples[samples["measurement"] == "train_epoch"]
    assert epochs["process"].nunique() == NUM_PROCESSES
    assert len(epochs) == 2 * NUM_PROCESSES

    report = (folder / "report.md").read_text()
    assert "The canonical workload was not completed." in report.splitlines()[0]
    assert "train_epoch" in report or "training epoch" in report.lower()
    assert (folder / "samples.csv").exists()


@pytest.mark.slow
def test_a_case_that_fails_in_its_worker_is_on_record_with_its_sentence(tmp_path, monkeypatch):
    """A data file that is damaged after the run began: the worker fails, the reason is the dataset's own sentence."""
    from bench.measure import worker
    from bench.measure.case import Case
    from bench.measure.environment import build

    damaged = tmp_path / "data"
    damaged.mkdir()
    (damaged / "train-images-idx3-ubyte.gz").write_text("<html>404</html>")
    result = tmp_path / "result.json"
    case = Case("data", None, None, "cpu", 1, "mnist")
    outcome = worker.measure(worker.command(case, damaged, True, result), build(case, None), result, limit_seconds=120)
    assert outcome.status == "failed"
    assert "Traceback" not in outcome.reason
    assert "train-" in outcome.reason
