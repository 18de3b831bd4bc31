"""Whatever happens to a worker becomes one sentence, and nothing it started stays behind."""

import json
import os
import sys
import time
from dataclasses import replace

import psutil
import pytest

from bench.measure import worker
from bench.measure.case import HARNESSES, Case

CASE = Case("epoch", "theano", "as_published", "cpu", 2, "mnist", batch_size=500, cache="warm")


def measure(code, tmp_path, limit_seconds=60, program=sys.executable):
    result = tmp_path / "result.json"
    return worker.measure([program, "-c", code, str(result)], dict(os.environ), result, limit_seconds)


def leaves(measurements, failures=()):
    content = json.dumps({"measurements": measurements, "failures": list(failures)})
    return f"import sys; open(sys.argv[1], 'w').write({content!r})\n"


STEP = {"name": "train_step", "seconds": [0.5], "params": {}, "extra": {}}


def test_a_worker_that_ends_well_hands_over_its_measurements(tmp_path):
    outcome = measure(leaves([STEP]), tmp_path)
    assert (outcome.status, outcome.reason) == ("ok", None)
    assert outcome.measurements == [STEP]


def test_a_worker_finds_no_configuration_in_its_current_folder(tmp_path):
    (tmp_path / "ours").mkdir()
    code = "import json, os, sys; step = {'name': os.getcwd(), 'seconds': [1.0], 'params': {}, 'extra': {}}\n"
    code += "json.dump({'measurements': [step], 'failures': []}, open(sys.argv[1], 'w'))"
    assert measure(code, tmp_path / "ours").measurements[0]["name"] == str(tmp_path / "ours")


@pytest.mark.slow
def test_a_worker_that_hangs_is_stopped_at_its_limit(tmp_path):
    outcome = measure("import time; time.sleep(600)", tmp_path, limit_seconds=0.5)
    assert outcome.status == "failed"
    assert "limit of 0.5 s" in outcome.reason


@pytest.mark.slow
def test_what_a_hung_worker_started_is_stopped_with_it(tmp_path):
    pid_file = tmp_path / "pid"
    code = f"sleep 600 & echo $! > '{pid_file}'; sleep 600"  # a shell has begun long before the limit
    measure(code, tmp_path, limit_seconds=2, program="sh")
    child_pid = int(pid_file.read_text())
    deadline = time.monotonic() + 20
    while psutil.pid_exists(child_pid) and time.monotonic() < deadline:
        if psutil.Process(child_pid).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    else:
        assert not psutil.pid_exists(child_pid)


def test_a_worker_killed_for_memory_says_so(tmp_path):
    outcome = measure("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path)
    assert "memory ran out" in outcome.reason


def test_a_worker_that_crashes_names_the_signal(tmp_path):
    outcome = measure("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", tmp_path)
    assert "crashed (SIGSEGV)" in outcome.reason


def test_a_worker_that_dies_early_leaves_the_line_that_explains(tmp_path):
    outcome = measure("import a_module_that_is_not_there", tmp_path)
    assert "exit code 1" in outcome.reason
    assert "a_module_that_is_not_there" in outcome.reason


def test_a_failed_measurement_is_a_failure_even_beside_good_ones(tmp_path):
    failure = {"measurement": "test_run", "reason": "the training loss became nan in epoch 1."}
    outcome = measure(leaves([STEP], [failure]) + "sys.exit(1)", tmp_path)
    assert outcome.status == "failed"
    assert outcome.reason == "the training loss became nan in epoch 1."
    assert outcome.measurements == [STEP]


def test_a_worker_that_measured_nothing_has_failed(tmp_path):
    assert measure(leaves([]), tmp_path).status == "failed"


def test_the_command_line_states_the_whole_case(tmp_path):
    argv = worker.command(CASE, tmp_path, True, tmp_path / "result.json", python="python")
    assert argv[:3] == ["python", "-m", "pytest"]
    assert {"-c", os.devnull, "pytest_benchmark.plugin", f"--rootdir={worker.HARNESS}"} < set(argv)
    assert any(part.endswith("bench_epoch.py") for part in argv)
    for option in ("--backend=theano", "--variant=as_published", "--device=cpu", "--batch-size=500", "--quick"):
        assert option in argv


ABLATION = replace(CASE, harness="ablation", variant="tuned")


def test_the_floor_is_one_test_without_a_backend_and_the_other_rows_are_another(tmp_path):
    def argv(case):
        return worker.command(case, tmp_path, False, tmp_path / "result.json", python="python")

    floor = argv(replace(ABLATION, backend=None, variant=None, cache=None))
    assert any(part.endswith("bench_ablation.py::test_eight_products") for part in floor)
    assert "--batch-size=500" in floor and not any(part.startswith("--backend") for part in floor)
    row = argv(ABLATION)
    assert any(part.endswith("bench_ablation.py::test_mean_train_step") for part in row)
    assert {"--backend=theano", "--variant=tuned"} < set(row)


@pytest.mark.parametrize("harness", HARNESSES)
def test_every_harness_has_its_file(harness):
    assert (worker.PROJECT / "bench" / "harness" / f"bench_{harness}.py").exists()
