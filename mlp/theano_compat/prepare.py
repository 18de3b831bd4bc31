"""Theano's first import: the process is prepared, its code executed, and what Lasagne expects of it bridged."""

from __future__ import annotations

import sys
import warnings
from contextlib import nullcontext

from mlp.errors import BackendError
from mlp.theano_compat import cache, device, flags, numpy_names, python_names, theano_names
from mlp.theano_compat.dialect import THEANO
from mlp.theano_compat.toolchain import toolchain_problem


def device_of_flags() -> str:
    """Return the device of the user's THEANO_FLAGS, and the CPU if they name none."""
    return THEANO.asked("device") or "cpu"


def execute_prepared(module, execute, on_device: str, heard: bool) -> None:
    """Prepare this process, ``execute`` the code of the ``module`` theano, and add the missing names to it.

    With ``heard``, Theano's complaints about the device are kept for the error that follows.
    """
    for name in list(sys.modules):
        if name.startswith("theano."):
            del sys.modules[name]  # remains of a failed import
    python_names.restore()
    numpy_names.restore()
    flags.prepare(on_device)
    with warnings.catch_warnings(), device.hearing_complaints() if heard else nullcontext():
        warnings.simplefilter("ignore", SyntaxWarning)  # `is` with a literal, invalid escapes
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            execute(module)
        except Exception as error:
            _explain(error)
            raise
        if not module.config.cxx:
            _explain(None)
        theano_names.bridge()
    cache.replace_keys_as_a_whole()


def _explain(error: Exception | None) -> None:
    """Raise BackendError if this machine cannot compile C++; Theano would print a hundred lines, or silently fall back
    to Python."""
    problem = toolchain_problem()
    if problem is not None:
        raise BackendError(f"Theano cannot compile: {problem.reason}. {problem.remedy}") from error
