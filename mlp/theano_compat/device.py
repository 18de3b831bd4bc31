"""The device that Theano computes on: chosen in THEANO_FLAGS before its import, and checked after it.

When a GPU cannot be started, Theano logs an error and goes on with the CPU.  Here that is an exception.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mlp.errors import BackendError
from mlp.theano_compat.compiler import base_compile_directory

# Memory that libgpuarray's allocator takes at once and hands out again.  Its default, 0, asks the driver for the first
# buffers one by one; -1 would do so for ever, which hurts a network of many small operations.
PREALLOCATE_MEGABYTES = 256

_complaints: list[str] = []  # why the GPU did not start, in this process's one import of Theano


def theano_name(device: str) -> str:
    """``cuda`` is Theano's ``cuda0``, ``cuda:1`` its ``cuda1``; any other name is Theano's own, such as ``cpu``, or
    ``opencl0:0``, which runs the same code without an NVIDIA GPU."""
    kind, _, index = device.partition(":")
    return f"cuda{index or 0}" if kind == "cuda" else device


def flag_defaults(device: str) -> dict[str, str]:
    """THEANO_FLAGS that a GPU wants beside ``device`` itself; a user's own win."""
    if device == "cpu":
        return {}
    return {
        "gpuarray.preallocate": str(PREALLOCATE_MEGABYTES),
        "gpuarray.cache_path": str(base_compile_directory() / "gpuarray"),  # so that a cold cache is cold for both
        "dnn.enabled": "False",  # Theano knows cuDNN up to version 7, and the network has no use for it
    }


@contextmanager
def hearing_complaints() -> Iterator[None]:
    """Keep what Theano logs about the GPU while it is imported, for ``check_device``; nothing reaches stderr."""

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
    """Raise BackendError unless every one of these shared variables lives in the memory of ``device``."""
    if device == "cpu":
        return
    from theano.gpuarray.type import GpuArrayType

    strays = [variable.name or str(variable) for variable in variables if not isinstance(variable.type, GpuArrayType)]
    if strays:
        raise BackendError(
            f"{len(strays)} of the network's shared variables live in the host's memory and not on {device} "
            f"({', '.join(strays)}): build the network in a process that imported Theano for {device}."
        )


def wait_for(variables: Iterable[Any]) -> None:
    """Return when everything that these shared variables wait for is done; on a CPU that is always so."""
    for variable in variables:
        value = variable.get_value(borrow=True, return_internal_type=True)
        if hasattr(value, "sync"):  # a pygpu array, not a NumPy one
            value.sync()
