"""Whatever happens to a worker becomes one sentence, and nothing it started stays behind."""

import json
import os
import sys
import time
from dataclasses import replace

import psutil
import pytest

from bench import worker
from bench.case import HARNESSES, Case

CASE = Case("epoch", "theano", "as_published", "cpu", 2, "mnist", batch_size=500, cache="warm")


def measure(code, tmp_path, limit_seconds=60):
    result = tmp_path / "result.json"
    argv = [sys.executable, "-c", code, str(result)]
    return worker.measure(argv, dict(os.environ), result, limit_seconds)


def leaves(measurements, failures=()):
    content = json.dumps({"measurements": measurements, "failures": list(failures)})
    return f"import sys; open(sys.argv[1], 'w').write({content!r})\n"


STEP = {"name": "train_step", "seconds": [0.5], "params": {}, "extra": {}}


def test_a_worker_that_ends_well_hands_over_its_measurements(tmp_path):
    outcome = measure(leaves([STEP]), tmp_path)
    assert (outcome.status, outcome.reason) == ("ok", None)
    assert outcome.measurements == [STEP]


def test_a_worker_that_hangs_is_stopped_at_its_limit(tmp_path):
    outcome = measure("import time; time.sleep(600)", tmp_path, limit_seconds=0.5)
    assert outcome.status == "failed"
    assert "limit of 0.5 s" in outcome.reason


def test_what_a_hung_worker_started_is_stopped_with_it(tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); time.sleep(600)"
    )
    measure(code, tmp_path, limit_seconds=3)
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


def test_a_worker_that_dies_early_leaves_its_last_words(tmp_path):
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


def test_every_thread_pool_gets_the_threads_of_the_case():
    variables = worker.environment(CASE, None)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC"):
        assert variables[name] == "2"


def test_a_cpu_case_starts_no_gpu_and_a_gpu_case_keeps_all_platforms(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    case = replace(CASE, backend="jax", variant="scan")
    assert worker.environment(case, None)["JAX_PLATFORMS"] == "cpu"
    assert "JAX_PLATFORMS" not in worker.environment(replace(case, device="cuda"), None)


def test_the_users_theano_flags_stay_but_the_compile_directory_is_the_cases(tmp_path, monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "blas.ldflags=-lopenblas,base_compiledir=/elsewhere,compiledir=/there")
    flags = worker.environment(CASE, tmp_path)["THEANO_FLAGS"].split(",")
    assert flags == ["blas.ldflags=-lopenblas", f"base_compiledir={tmp_path}"]


def test_pytensors_flags_stay_too_and_its_compile_directory_is_not_theanos(tmp_path, monkeypatch):
    """Both name the folders below alike, so that in one directory each would find the other's modules."""
    monkeypatch.setenv("PYTENSOR_FLAGS", "base_compiledir=/elsewhere,optimizer_verbose=True")
    variables = worker.environment(CASE, tmp_path)
    assert variables["PYTENSOR_FLAGS"].split(",") == ["optimizer_verbose=True", f"base_compiledir={tmp_path}/pytensor"]
    assert f"base_compiledir={tmp_path}" in variables["THEANO_FLAGS"].split(",")


def test_a_cold_cache_is_cold_for_every_framework(tmp_path, monkeypatch):
    """Two cases' folders share no cache, whatever the user's own environment says."""
    for name in ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.setenv(name, "/elsewhere")
    variables = worker.environment(CASE, tmp_path / "one")
    for name in ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert variables[name].startswith(f"{tmp_path}/one/")
    assert float(variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]) == 0  # else quick compilations stay cold


def test_without_a_folder_the_users_caches_are_left_alone(monkeypatch):
    monkeypatch.setenv("PYTENSOR_FLAGS", "base_compiledir=/mine")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/mine")
    variables = worker.environment(CASE, None)
    assert variables["PYTENSOR_FLAGS"] == "base_compiledir=/mine"
    assert variables["TORCHINDUCTOR_CACHE_DIR"] == "/mine"


def test_the_command_line_states_the_whole_case(tmp_path):
    argv = worker.command(CASE, tmp_path, True, tmp_path / "result.json", python="python")
    assert argv[:3] == ["python", "-m", "pytest"]
    assert any(part.endswith("bench_epoch.py") for part in argv)
    for option in ("--backend=theano", "--variant=as_published", "--device=cpu", "--batch-size=500", "--quick"):
        assert option in argv


ABLATION = replace(CASE, harness="ablation", variant="tuned")


def test_a_lever_is_left_out_by_the_environment_of_its_process():
    variables = worker.environment(replace(ABLATION, without="dropout"), None)
    assert variables["MLP_BENCH_TUNED_WITHOUT"] == "dropout"


@pytest.mark.parametrize("case", [CASE, ABLATION, replace(ABLATION, without="dropout")])
def test_nobodys_shell_changes_what_tuned_is_measured_with(monkeypatch, case):
    monkeypatch.setenv("MLP_BENCH_TUNED_WITHOUT", "update")
    assert worker.environment(case, None).get("MLP_BENCH_TUNED_WITHOUT") == case.without


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
