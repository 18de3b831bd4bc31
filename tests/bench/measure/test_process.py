"""The reason of an ended process is the line that explains it, in plain text; texts are what the libraries print."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from bench.measure.process import PARENT, PROJECT, describe, explain, plain, run_to_end, why_ended, why_not_imported

XLA = """\
2026-11-26 07:12:48.124961: E xla/parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_no_such_flag=true
F0000 00:00:1764141168.125031    4711 parse_flags_from_env.cc:235] Failed to parse flags.
*** Check failure stack trace: ***
    @     0x7f1f2c0d5f04  absl::log_internal::LogMessage::SendToLog()
"""
OPENBLAS = """\
OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2: Resource temporarily unavailable
OpenBLAS blas_thread_init: ensure that your address space and process count limits are big enough (ulimit -a)
OpenBLAS blas_thread_init: or set a smaller OPENBLAS_NUM_THREADS to fit into what you have available
OpenBLAS blas_thread_init: RLIMIT_NPROC 12 current, 12 max
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
KeyboardInterrupt
"""
NUMPY = """\
Traceback (most recent call last):
  File "/v/lib/python3.11/site-packages/numpy/__init__.py", line 112, in <module>
    from numpy.__config__ import show_config
ImportError: /tmp/l/libstdc++.so.6: version `GLIBCXX_3.4.21' not found (required by /v/lib/numpy/_core/_multiarray.so)

The above exception was the direct cause of the following exception:

ImportError:

IMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!

Original error was: /tmp/l/libstdc++.so.6: version `GLIBCXX_3.4.21' not found (required by /v/numpy/_multiarray.so)

"""
OPENMP = """\
OMP: Error #15: Initializing libiomp5.so, but found libgomp.so.1 already initialized.
OMP: Hint This means that multiple copies of the OpenMP runtime have been linked into the program.
"""
NOEXEC = "ImportError: /x/t/cache/tmp4/m.so: failed to map segment from shared object: Operation not permitted\n"
USAGE = """\
\x1b[31mERROR: usage: __main__.py [options] [file_or_dir] [file_or_dir] [...]\x1b[0m
__main__.py: error: unrecognized arguments: --nosuch
  inifile: None
  rootdir: /x
\x1b[0m
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (XLA, "XLA_FLAGS holds what this XLA does not know: --xla_no_such_flag=true"),
        (OPENBLAS, "RLIMIT_NPROC"),
        (NUMPY, "/tmp/l/libstdc++.so.6 has no GLIBCXX_3.4.21"),
        (NUMPY, "LD_LIBRARY_PATH"),
        (NOEXEC, "noexec"),
        (USAGE, "error: unrecognized arguments: --nosuch"),
        ("a.py: x\nValueError: the first line\nof a long message\n", "ValueError: the first line"),
        ("Traceback:\n  x\nE   ModuleNotFoundError: No module named 'numpy'\n", "ModuleNotFoundError: No module named"),
        ("MemoryError\n", "memory ran out"),
        (OPENMP, "OpenMP ended the process: Initializing libiomp5.so, but found libgomp.so.1 already initialized."),
        ("INTERNALERROR> Traceback (most recent call last):\nINTERNALERROR> ValueError: x\n", "ValueError: x"),
        ("one\ntwo\n-----\n\x1b[0m\n", "two"),
        ("\x1b[0m\n \n", "it printed nothing"),
        ("", "it printed nothing"),
    ],
)
def test_the_line_that_explains_is_the_reason(text, reason):
    assert reason in explain(text)
    assert "\x1b" not in explain(text)


def test_a_reason_is_short():
    assert len(explain("ValueError: " + "x" * 5000)) <= 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://example.org\x07link\x1b]8;;\x07", "link"),
        ("10 %\r20 %\r\nend\x00\x07", "10 %\n20 %\nend"),
        ("a\tb µ", "a\tb µ"),
    ],
)
def test_text_that_is_kept_is_plain(text, expected):
    assert plain(text) == expected


def test_an_exception_without_a_message_says_where_it_was_raised():
    try:
        raise AssertionError
    except AssertionError as error:
        assert "AssertionError at bench/measure/test_process.py:" in describe(error)
        assert "raise AssertionError" in describe(error)
    assert describe(ValueError(" \n\x1b[31mfirst\x1b[0m\nsecond")) == "ValueError: first"
    assert describe(KeyError()) == "KeyError at an unknown place"


def test_an_import_that_fails_names_the_library_and_where_others_come_from(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/tmp/l")
    try:
        try:
            raise ImportError("/v/numpy/_core/m.so: undefined symbol: _ZTVN10E, version CXXABI_1.3")
        except ImportError as error:
            raise ImportError("\n\nIMPORTANT: PLEASE READ THIS") from error
    except ImportError as error:
        assert "/v/numpy/_core/m.so misses the symbol _ZTVN10E" in why_not_imported(error)
        assert "(LD_LIBRARY_PATH is /tmp/l)" in why_not_imported(error)
    assert why_not_imported(ImportError("No module named 'pandas'")) == "No module named 'pandas'"


def test_a_process_that_cannot_be_started_is_a_sentence():
    ended = run_to_end(["/nowhere/python"], {}, 1)
    assert ended.exit_code is None
    assert ended.cut_short == "it could not be started by /nowhere/python (No such file or directory)"


def test_a_limit_of_cpu_time_is_named():
    assert "ulimit -t" in why_ended(-signal.SIGXCPU, "a line of no meaning")


def test_a_signal_without_a_name_is_one_too():
    assert why_ended(-40, "") == "it crashed (signal 40): it printed nothing"


def test_a_process_makes_folders_that_it_can_enter(tmp_path):
    """Whatever the umask of the caller is."""
    before = os.umask(0o777)
    try:
        code = "import os, tempfile; print(oct(os.umask(0)))"
        assert run_to_end([sys.executable, "-c", code], dict(os.environ), 60).text.strip() == "0o22"
    finally:
        os.umask(before)


WORKER = """
import os, pathlib, sys, time
from bench.measure.process import end_with_parent
end_with_parent()
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} ")
time.sleep(600)
"""
RUNNER = """
import os, sys
from bench.measure.process import run_to_end
run_to_end([sys.executable, "-c", sys.argv[1], sys.argv[2]], dict(os.environ), 600)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")


def wait_until(condition, limit_seconds=60):
    deadline = time.monotonic() + limit_seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@linux
def test_a_worker_ends_with_a_runner_that_is_killed(tmp_path):
    said = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", RUNNER, WORKER, str(said)], cwd=PROJECT) as runner:
        assert wait_until(lambda: said.exists() and said.read_text().endswith(" "))
        runner.kill()
    assert wait_until(lambda: is_gone(int(said.read_text())))


@linux
def test_a_worker_whose_runner_was_killed_before_it_began_ends_at_once(tmp_path):
    variables = {**os.environ, PARENT: "1"}  # of another process than the one that starts it
    ended = subprocess.run([sys.executable, "-c", WORKER, str(tmp_path / "pid")], cwd=PROJECT, env=variables)
    assert (ended.returncode, list(tmp_path.iterdir())) == (-signal.SIGKILL, [])
