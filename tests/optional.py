"""Backends that a machine may lack: tests that need one are skipped, with the command that adds it."""

from __future__ import annotations

import pytest

from mlp import backends
from mlp.backends import Unavailable


def need(backend: str, variant: str | None = None, device: str = "cpu") -> None:
    """Skip the test where the backend's variant cannot run."""
    reason = missing(backend, variant, device)
    if reason:
        pytest.skip(reason)


def missing(backend: str, variant: str | None = None, device: str = "cpu") -> str | None:
    """The reason why the backend's variant cannot run, and the command that changes it; None where it can."""
    answer = backends.probe(backend, variant, device)
    return f"{answer.reason}. {answer.remedy}" if isinstance(answer, Unavailable) else None


def marks(backend: str, variant: str | None = None, device: str = "cpu") -> list[pytest.MarkDecorator]:
    """The marks of a parameter that stands for a stack: skipped where it cannot run, slow where it compiles."""
    reason = missing(backend, variant, device)
    if reason:
        return [pytest.mark.skip(reason)]
    return [] if backend == "numpy" else [pytest.mark.slow]
