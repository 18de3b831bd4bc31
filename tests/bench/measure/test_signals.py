"""Commands that are told to end: they clean up first, and what was ignored stays ignored."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from bench.measure.signals import ends_on_signals, know_exit_codes

# A command with a process of its own and a scratch folder, as ``run``, ``profile`` and ``gate`` have.
COMMAND = """
import sys, tempfile
from pathlib import Path
from bench import cli
from bench.measure.process import run_to_end
from bench.measure.scratch import scratch_folder

@cli.one_sentence
def command():
    with scratch_folder(Path(sys.argv[1])) as folder:
        print("working", flush=True)
        code = "import time; open('/dev/null'); time.sleep(float('%s'))" % sys.argv[2]
        run_to_end([sys.executable, "-c", code], {}, 60)
command()
"""


@pytest.fixture
def start(tmp_path):
    """Start the command, whose signals are as by default but for those that ``ignored`` names."""
    started = []

    def start(seconds=60, ignored=()):
        dispositions = "; ".join(
            f"signal.signal(signal.{name}, signal.{'SIG_IGN' if name in ignored else 'SIG_DFL'})"
            for name in ("SIGINT", "SIGTERM", "SIGHUP")
        )
        # An interrupt handler is set by Python itself when it starts, unless the signal is ignored.
        code = f"import os, signal, sys; {dispositions}; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        argv = [sys.executable, "-c", code, "-c", COMMAND, str(tmp_path), str(seconds)]
        environment = {**os.environ, "PYTHONPATH": os.getcwd()}
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )
        started.append(process)
        assert process.stdout.readline() == b"working\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def children_of(process):
    deadline = time.monotonic() + 30
    while not (children := psutil.Process(process.pid).children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return children


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_leaves_no_process_and_no_folder(start, tmp_path, name):
    process = start()
    children = children_of(process)
    for _ in range(2):  # a terminal that is closed may say it twice
        process.send_signal(getattr(signal, name))
    assert process.wait(30) == 130
    _, alive = psutil.wait_procs(children, timeout=30)
    assert children and not alive
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_that_is_ignored_stays_ignored(start, name):
    """nohup ignores SIGHUP; a shell ignores SIGINT for what a script starts in its background."""
    process = start(seconds=0.5, ignored=[name])
    children_of(process)
    process.send_signal(getattr(signal, name))
    assert process.wait(30) == 0


def test_handlers_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ends_on_signals():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_exit_codes_are_known_where_the_caller_ignores_the_ends_of_its_children():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        know_exit_codes()
        assert subprocess.run([sys.executable, "-S", "-c", "raise SystemExit(3)"]).returncode == 3
    finally:
        signal.signal(signal.SIGCHLD, before)
