"""Theano's first import: the process is prepared, its code executed, and what Lasagne expects of it bridged."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any

from mlp.errors import BackendError
from mlp.theano_compat import cache, device, flags, numpy_names, python_names, theano_names
from mlp.theano_compat.dialect import THEANO
from mlp.theano_compat.toolchain import toolchain_problem

# They take more than half of the time of Theano's first import.  ``scipy.stats`` serves the chi-squared distribution
# alone, and of ``scipy.signal`` Theano asks for names that SciPy no longer has, and goes on without.
UNUSED = ("scipy.stats", "scipy.signal")


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
            with late(*UNUSED):
                execute(module)
        except Exception as error:
            _explain(error)
            raise
        if not module.config.cxx:
            _explain(None)
        theano_names.bridge()
    cache.replace_keys_as_a_whole()


class _Late(ModuleType):
    """Stands for a module until a name in it is asked for, be it by another thread."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system's: no package
            raise AttributeError(name)
        _remove(self)
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def late(*names: str) -> Iterator[None]:
    """Import these modules inside the block only when they are used; those that are there already stay."""
    standing = [_Late(name) for name in names if name not in sys.modules]
    sys.modules.update({module.__name__: module for module in standing})
    try:
        yield
    finally:
        for module in standing:
            _remove(module)


def _remove(module: _Late) -> None:
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]


def _explain(error: Exception | None) -> None:
    """Raise BackendError if this machine cannot compile C++; Theano would print a hundred lines, or silently fall back
    to Python."""
    problem = toolchain_problem()
    if problem is not None:
        raise BackendError(f"Theano cannot compile: {problem.reason}. {problem.remedy}") from error
