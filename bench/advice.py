"""Commands that sentences advise: those of make in a checkout, those of ``mlp-bench`` in an installation."""

from __future__ import annotations

import shlex
from pathlib import Path

IN_CHECKOUT = (Path(__file__).resolve().parent.parent / "pyproject.toml").is_file()
OF_CHECKOUT = "python -m bench"
PROGRAM = OF_CHECKOUT if IN_CHECKOUT else "mlp-bench"
OPTIONS = {  # variable of the Makefile -> option of ``run``
    "QUICK": "--quick",
    "RESUME": "--resume",
    "BACKENDS": "--backend",
    "VARIANTS": "--variant",
    "DEVICES": "--device",
    "PROCESSES": "--processes",
    "SEEDS": "--seeds",
}


def make_command(target: str, **variables: str | int) -> str:
    """Return e.g. ``make bench QUICK=1 RESUME=x``; in an installation ``mlp-bench run --quick --resume x``.

    ``target`` is ``bench`` or named as a command of ``mlp-bench``; only ``bench`` takes variables, the keys of
    ``OPTIONS``.  A value with blanks is a list.
    """
    if IN_CHECKOUT:
        return " ".join(["make", target, *(f"{name}={shlex.quote(str(value))}" for name, value in variables.items())])
    words = [PROGRAM, "run" if target == "bench" else target]
    for name, value in variables.items():
        words += [OPTIONS[name]] if name == "QUICK" else [f"{OPTIONS[name]} {one}" for one in str(value).split()]
    return " ".join(words)


def bench_command(arguments: str) -> str:
    """Return e.g. ``python -m bench gate --calibrate``; in an installation ``mlp-bench gate --calibrate``."""
    return f"{PROGRAM} {arguments}"


def extra_command(extra: str) -> str:
    """Return the command that installs an optional dependency, e.g. ``make .venv/installed-fleet``."""
    return f"make .venv/installed-{extra}" if IN_CHECKOUT else f"pip install 'mlp-bench[{extra}]'"
