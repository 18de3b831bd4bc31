"""PyTensor in a process: its flags, which it reads at import, and its coexistence with Theano."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from mlp.theano_compat.blas import choose_blas
from mlp.theano_compat.compiler import find_compiler
from mlp.theano_compat.dialect import PYTENSOR, flag_in

# Both frameworks compile C extensions of these names, each into its own directory, and import them by name.
EXTENSIONS = ("lazylinker_ext", "cutils_ext")


def prepare() -> None:
    """Complete PYTENSOR_FLAGS, before the first ``import pytensor``."""
    os.environ[PYTENSOR.variable] = completed(os.environ.get(PYTENSOR.variable, ""))


def completed(flags: str) -> str:
    """Return ``flags`` completed by our defaults; the user's settings win."""
    defaults = {"floatX": "float32", PYTENSOR.blas_flag: choose_blas(PYTENSOR).ldflags}
    if find_compiler(PYTENSOR) is None:
        defaults["cxx"] = ""  # else PyTensor would warn at every import; the c variant reports it as its reason
    added = [f"{name}={value}" for name, value in defaults.items() if flag_in(flags, name) is None]
    return ",".join([*added, *(flag for flag in flags.split(",") if flag.strip())])


@contextmanager
def extensions_of_its_own() -> Iterator[None]:
    """Hide Theano's extensions from PyTensor inside the block, and PyTensor's from Theano afterwards."""
    theanos = _take_extensions()
    try:
        yield
    finally:
        _take_extensions()
        sys.modules.update(theanos)


def _take_extensions() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] in EXTENSIONS]
    return {name: sys.modules.pop(name) for name in names}
