"""PYTENSOR_FLAGS: defaults for what the user has not set, read by PyTensor when it is imported."""

from __future__ import annotations

import os

from mlp.theano_compat.blas import choose_blas
from mlp.theano_compat.compiler import find_compiler
from mlp.theano_compat.dialect import PYTENSOR, flag_in


def prepare() -> None:
    """Complete PYTENSOR_FLAGS; call it before the first ``import pytensor``."""
    os.environ[PYTENSOR.variable] = completed(os.environ.get(PYTENSOR.variable, ""))


def completed(flags: str) -> str:
    """``flags`` with our defaults added; what the user set stays."""
    defaults = {"floatX": "float32", PYTENSOR.blas_flag: choose_blas(PYTENSOR).ldflags}
    if find_compiler(PYTENSOR) is None:
        defaults["cxx"] = ""  # PyTensor would warn about it at every import; the c variant says it as its reason
    added = [f"{name}={value}" for name, value in defaults.items() if flag_in(flags, name) is None]
    return ",".join([*added, *(flag for flag in flags.split(",") if flag.strip())])
