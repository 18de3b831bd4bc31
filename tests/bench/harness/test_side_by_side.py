"""Processes that start their work at once: results in order, failures as sentences, cores of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.errors import BenchError
from bench.harness.bench_copies import check_memory
from bench.harness.side_by_side import run_side_by_side
from bench.machine.topology import own_cores


def prepare(what):
    if what == "fail":
        raise ValueError("no data")
    started = time.monotonic()

    def run():
        if what == "end":
            os._exit(7)
        if what == "kill the caller":
            os.write(1, str(os.getpid()).encode())
            os.close(1)
            os.close(2)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)
        if what == "break":
            raise ValueError("diverged")
        if what == "wait":
            time.sleep(600)
        return what, os.getpid(), own_cores(), started, time.monotonic()

    return run


@pytest.mark.slow
def test_results_are_in_order_of_fresh_processes_on_their_cores_and_none_starts_before_all_are_ready():
    core = min(own_cores(), default=0)
    first, second = run_side_by_side(prepare, [("a",), ("b",)], [[core], []])
    assert (first[0], second[0]) == ("a", "b") and len({first[1], second[1], os.getpid()}) == 3
    assert first[2] in ({core}, set()) and second[2] == own_cores()
    assert min(first[4], second[4]) >= max(first[3], second[3])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("fail", "process 2: ValueError: no data"),
        ("break", "process 2: ValueError: diverged"),
        ("end", "process 2 ended with exit code 7"),
    ],
)
def test_a_process_that_fails_ends_all_with_its_reason(what, sentence):
    with pytest.raises(BenchError, match=sentence):
        run_side_by_side(prepare, [("a",), (what,)], [[], []])


@pytest.mark.slow
def test_a_failure_is_told_although_a_process_before_it_waits_for_ever():
    with pytest.raises(BenchError, match="process 2: ValueError: diverged"):
        run_side_by_side(prepare, [("wait",), ("break",)], [[], []])


KILLED = """
import os, signal, sys
from bench.harness.side_by_side import run_side_by_side
from test_side_by_side import prepare
if __name__ == "__main__":
    run_side_by_side(prepare, [("kill the caller",)], [[]])
"""


@pytest.mark.slow
def test_they_end_with_a_process_that_is_killed(tmp_path):
    program = tmp_path / "caller.py"
    program.write_text(KILLED)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    caller = subprocess.run([sys.executable, program], env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert caller.returncode == -signal.SIGKILL
    child = int(caller.stdout)
    for _ in range(600):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} lives on")


def test_more_copies_than_memory_holds_are_refused(monkeypatch):
    check_memory(1)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 2**30}))
    with pytest.raises(BenchError, match=r"64 trainings need about 43.8 GiB, 1.0 are free: fewer with --counts"):
        check_memory(64)
    monkeypatch.undo()
    monkeypatch.setattr("bench.machine.cgroup.free_memory_bytes", lambda: 2**29)
    with pytest.raises(BenchError, match=r"1 training needs about 0.7 GiB, 0.5 are free"):
        check_memory(1)
