"""Whatever happens to a process of a side becomes a sentence, and between its turns it does not run."""

import os
import sys
import time

import psutil
import pytest

from bench.gate.processes.process import Process, ReplicateError

ECHO = "import sys\nfor line in sys.stdin: print('{\"ok\": true}', flush=True)\n"
BUSY = "import threading, sys\ndef spin():\n  while True: pass\nthreading.Thread(target=spin, daemon=True).start()\n"


def process(code, tmp_path):
    return Process([sys.executable, "-c", code], dict(os.environ), tmp_path)


def wait_until(condition, limit_seconds=20):
    deadline = time.monotonic() + limit_seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_process_whose_turn_it_is_not_is_stopped_with_all_its_threads(tmp_path):
    with process(BUSY + ECHO, tmp_path) as one:
        one.ask("anything")
        child = psutil.Process(one.pid)
        assert wait_until(lambda: child.status() == psutil.STATUS_STOPPED)
        before = child.cpu_times().user
        time.sleep(0.2)
        assert child.cpu_times().user == before
        assert one.ask("anything") == {}  # and it goes on


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import os; os.abort()", "crashed (SIGABRT) when it was to load"),
        ("import os; os.kill(os.getpid(), 9)", "was killed (SIGKILL) when it was to load, most likely by the kernel"),
        ("raise SystemExit('no licence')", "ended with exit code 1 when it was to load: no licence"),
        ("print('hello')", "answered b'hello' when it was to load, not a reply"),
        (ECHO.replace("true", 'false, \\"reason\\": \\"no data\\"'), "failed to load: no data"),
    ],
)
def test_how_it_ended_is_told(tmp_path, code, sentence):
    with process(code, tmp_path) as one, pytest.raises(ReplicateError) as caught:
        one.ask("load")
    assert sentence in str(caught.value)


def test_one_that_hangs_is_given_up_at_its_limit_and_ended_with_its_children(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pid', 'w').write(str(child.pid) + ' '); time.sleep(600)"
    )
    with process(code, tmp_path) as one:
        assert wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith(" "))
        with pytest.raises(ReplicateError, match=r"hung while it was to compile: no end within 0.1 s"):
            one.ask("compile", limit_seconds=0.1)
    child = int((tmp_path / "pid").read_text())
    gone = lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE  # noqa: E731
    assert wait_until(gone)


def test_an_interpreter_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ReplicateError, match="could not be started by /nowhere/python"):
        Process(["/nowhere/python"], dict(os.environ), tmp_path)


def test_ending_twice_does_no_harm(tmp_path):
    one = process(ECHO, tmp_path)
    one.end()
    one.end()
    assert not psutil.pid_exists(one.pid)
