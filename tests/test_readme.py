"""README: its commands exist and run, its table is generated, its Python works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from example_run import write_example_run
from fresh import run_fresh

from bench import cli

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text()
CI = (PROJECT / ".ci" / "run").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def shell_commands():
    return [line for block in blocks("sh") for line in block.splitlines() if line]


RUN_BY_A_TEST = {
    "make clean",  # test_make_clean_keeps_results
    "make bench",  # the same command as with QUICK=1, only longer
    "make test-gpuarray",  # what it builds and finds is tested on fakes; its tests need PoCL from a distribution
    "pytest bench/harness/bench_epoch.py --backend theano --device cpu",  # test_the_harnesses_run_by_hand
}


@pytest.mark.parametrize("command", shell_commands())
def test_every_command_is_run_by_ci_or_a_test(command):
    assert command in CI or command in RUN_BY_A_TEST


def test_every_bench_command_named_in_the_readme_exists():
    named = set(re.findall(r"python -m bench ([a-z]+)", README))
    assert named and named <= set(cli.COMMANDS)


def test_every_make_target_is_explained_by_help():
    makefile = (PROJECT / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    for target in targets.split():
        assert target in ("help", "FORCE") or f'"make {target}' in makefile


def test_make_clean_keeps_results(tmp_path):
    shutil.copy(PROJECT / "Makefile", tmp_path)
    for name in (".venv/bin/python", "results/runs/a/run.json", "mlp/__pycache__/x.pyc"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "mlp", "results"]
    assert (tmp_path / "results/runs/a/run.json").exists()
    assert not (tmp_path / "mlp/__pycache__").exists()


@pytest.mark.slow
def test_the_harnesses_run_by_hand(tmp_path):
    """With the NumPy backend, so that nothing has to be compiled; CI runs them all with Theano."""
    argv = [sys.executable, "-m", "pytest", "bench/harness/bench_epoch.py", "--backend", "numpy", "--variant"]
    argv += ["float32", "--quick", "-k", "test_train_epoch", "-p", "no:cacheprovider"]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "test_train_epoch" in done.stdout


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    code = "import small_workload\n" + blocks("python")[0]
    done = run_fresh(code, folder=tmp_path, PYTHONPATH=f"{PROJECT}{os.pathsep}{PROJECT / 'tests'}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Epoch 1 of 1 took" in done.stdout
    assert "Final results in" in done.stdout


@pytest.mark.slow
def test_the_result_table_is_the_records():
    from tools.readme import newest_record, results_block, with_results

    records = PROJECT / "results" / "records"
    record = newest_record(records).relative_to(PROJECT)
    assert with_results(README, results_block(record)) == README, "run: python -m tools.readme"


def test_a_readme_without_marks_is_refused():
    from bench.errors import BenchError
    from tools.readme import with_results

    with pytest.raises(BenchError, match="two marks"):
        with_results("# Title\n", "table")


def test_a_record_without_reference_runs_does_not_answer(tmp_path):
    from bench.errors import BenchError
    from bench.measure.case import Case, PlannedCase
    from tools.readme import newest_record

    def record(harness, day):
        case = Case(harness, "theano", "as_published", "cpu", 2, "mnist")
        plan = [PlannedCase(case, 1, 60, 1).to_json()]
        started_at = f"2026-01-{day}T00:00:00+00:00"
        return write_example_run(tmp_path / "machine", [], run_id=harness, started_at=started_at, plan=plan)

    record("epoch", day=20)
    with pytest.raises(BenchError, match="holds no records of the reference run"):
        newest_record(tmp_path)
    answer = record("reference", day=10)
    assert newest_record(tmp_path) == answer
