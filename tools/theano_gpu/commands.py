"""Commands that build the environment; failures are one sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.measure.process import running

PIP_INSTALL = Path(__file__).resolve().parent.parent / "pip_install.py"


class BuildError(Exception):
    """The environment cannot be made here; the message has the reason and a remedy."""


def run(argv: Sequence[str | Path], remedy: str, cwd: Path | None = None) -> str:
    """Return the standard output of ``argv``; raise BuildError, ending in ``remedy``, if it cannot be run or fails."""
    name = " ".join(map(str, argv[:4]))
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        with running(list(map(str, argv)), cwd=cwd, text=True, **pipes) as process:
            output, errors = process.communicate()
    except OSError as error:
        raise BuildError(f"{name} cannot be started ({error.strerror}): {remedy}") from error
    if process.returncode:
        raise BuildError(f"{name} failed ({_complaint(errors)}): {remedy}")
    return output


def _complaint(text: str, most: int = 300) -> str:
    """Return the first line with an error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if line.startswith(("E:", "ERROR", "error"))]
    return (errors or lines[-1:])[0][:most]
