"""Fresh processes of this Python, as a user starts one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# Notices of what another worker of the same test run does: it holds the lock on the compile directory of all workers.
LOCKED = ("waiting for process ", "INFO (theano.gof.compilelock): ")


def run_fresh(code: str, *arguments: str, folder=None, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh process; a variable that is None is not set in it."""
    changed = {**os.environ, "PYTHONPATH": str(PROJECT), **variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def complaints(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the process wrote to stderr, but for notices that another process holds the compile lock."""
    return "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith(LOCKED))


def printed(code: str, *arguments: str, folder=None, **variables: str | None) -> str:
    """Return what ``code`` prints in a fresh process, which must end well and complain of nothing."""
    done = run_fresh(code, *arguments, folder=folder, **variables)
    assert (done.returncode, complaints(done)) == (0, ""), done.stderr
    return done.stdout.strip()
