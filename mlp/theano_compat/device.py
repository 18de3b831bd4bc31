"""Theano's device: selected in THEANO_FLAGS before its import, and checked after it.

If a GPU cannot be initialized, Theano logs an error and continues on the CPU.  Here that is an exception.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mlp.errors import BackendError
from mlp.theano_compat.compiler import base_compile_directory

# Memory that libgpuarray's allocator reserves and reuses.  With its default, 0, the driver allocates the first buffers
# one by one; with -1 it always does so, which slows down a network of many small operations.
PREALLOCATE_MEGABYTES = 256

_complaints: list[str] = []  # reasons why the GPU did not start, from this process's import of Theano


def theano_name(device: str) -> str:
    """Return Theano's name of a device: ``cuda0`` for ``cuda``, ``cuda1`` for ``cuda:1``; others are unchanged, e.g.
    ``cpu``, or ``opencl0:0``, which runs the same code without an NVIDIA GPU."""
    kind, _, index = device.partition(":")
    return f"cuda{index or 0}" if kind == "cuda" else device


def flag_defaults(device: str) -> dict[str, str]:
    """Return the default THEANO_FLAGS for a GPU, in addition to ``device``; the user's flags win."""
    if device == "cpu":
        return {}
    return {
        "gpuarray.preallocate": str(PREALLOCATE_MEGABYTES),
        "gpuarray.cache_path": str(base_compile_directory() / "gpuarray"),  # so that a cold cache includes GPU kernels
        "dnn.enabled": "False",  # Theano supports cuDNN up to version 7, and the network does not use it
    }


@contextmanager
def hearing_complaints() -> Iterator[None]:
    """Capture Theano's log on the GPU during its import, for ``check_device``, instead of printing it."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            cause = record.exc_info[1] if record.exc_info else None
            text = cause.args[0] if cause is not None and cause.args else record.getMessage()
            text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)  # pygpu's texts are bytes
            _complaints.append(text.strip().partition("\n")[0])

    logger = logging.getLogger("theano.gpuarray")
    handler, propagate = Keep(level=logging.ERROR), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def check_device(device: str) -> None:
    """Raise BackendError unless the imported Theano computes on ``device``."""
    import theano

    wanted, actual = theano_name(device), theano.config.device
    if actual != wanted:
        raise BackendError(
            f"this process imported Theano for {actual}, and Theano cannot change its device: start a new process "
            f"for {device}."
        )
    if wanted == "cpu":
        return
    import theano.gpuarray

    if not theano.gpuarray.pygpu_activated:
        why = "; ".join(_complaints) or "it gave no reason"
        raise BackendError(
            f"Theano could not start {device} and would silently compute on the CPU ({why}): free or repair the "
            "device, or measure device cpu."
        )


def check_memory(variables: Iterable[Any], device: str) -> None:
    """Raise BackendError unless all these shared variables are in the memory of ``device``."""
    if device == "cpu":
        return
    from theano.gpuarray.type import GpuArrayType

    strays = [variable.name or str(variable) for variable in variables if not isinstance(variable.type, GpuArrayType)]
    if strays:
        raise BackendError(
            f"{len(strays)} of the network's shared variables are in the host's memory and not on {device} "
            f"({', '.join(strays)}): build the network in a process that imported Theano for {device}."
        )


def wait_for(variables: Iterable[Any]) -> None:
    """Wait for the pending computations of these shared variables; none are pending on a CPU."""
    for variable in variables:
        value = variable.get_value(borrow=True, return_internal_type=True)
        if hasattr(value, "sync"):  # a pygpu array, not a NumPy one
            value.sync()
