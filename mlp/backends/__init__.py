"""Which backends there are: ``available()`` asks each of them, ``load(name)`` imports just one."""

from __future__ import annotations

import importlib

from mlp.backends.base import Available, Backend, Unavailable
from mlp.errors import BackendError

NAMES = ("theano", "numpy")  # the canonical one first

__all__ = ["NAMES", "Available", "Backend", "Unavailable", "available", "create", "load"]


def load(name: str) -> type[Backend]:
    """The backend class called ``name``; raises BackendError if there is no such backend."""
    if name not in NAMES:
        raise BackendError(f"unknown backend {name!r}: choose one of {', '.join(NAMES)}.")
    return importlib.import_module(f"mlp.backends.{name}").BACKEND


def create(name: str, variant: str | None = None, device: str = "cpu") -> Backend:
    """A backend that is ready to ``build()`` on ``device``.

    Raises
    ------
    BackendError
        If the backend or variant is unknown, or cannot run on ``device`` here; never falls back.
    """
    check_device(device)
    backend = load(name)
    if variant is not None and variant not in backend.variants:
        raise BackendError(f"backend {name} has no variant {variant!r}: choose one of {', '.join(backend.variants)}.")
    answer = backend.availability(device)
    if isinstance(answer, Unavailable):
        raise BackendError(f"backend {name} cannot run on {device}: {answer.reason}. {answer.remedy}")
    return backend(variant)


def available(device: str = "cpu") -> dict[str, Available | Unavailable]:
    """What every backend says about ``device``, by name."""
    return {name: load(name).availability(device) for name in NAMES}


def check_device(device: str) -> None:
    """Raise BackendError unless ``device`` is ``cpu``, ``cuda`` or ``cuda:<index>``."""
    kind, colon, index = device.partition(":")
    if not (device == "cpu" or (kind == "cuda" and (not colon or index.isdigit()))):
        raise BackendError(f"unknown device {device!r}: choose cpu, cuda or cuda:<index>.")
