"""Defaults of THEANO_FLAGS, which Theano reads at its import."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlp.errors import BackendError
from mlp.theano_compat import cache, compiler, device
from mlp.theano_compat.blas import choose_blas
from mlp.theano_compat.dialect import flag_in
from mlp.theano_compat.numpy_names import IS_NUMPY_2

HEADER = Path(__file__).with_name("compat.h")


def prepare(device_name: str = "cpu") -> None:
    """Check Python, compiler and compile cache, then complete THEANO_FLAGS; raise BackendError as ``install``."""
    if sys.flags.optimize > 1:
        raise BackendError("Theano needs docstrings: start Python without -OO and without PYTHONOPTIMIZE=2.")
    if compiler.find_compiler() is None:
        raise BackendError(
            f"{compiler.NO_COMPILER}, and Theano without one is useless here. {compiler.INSTALL_COMPILER}."
        )
    compiler.check_compile_directory()
    cache.discard_damaged(compiler.base_compile_directory())
    os.environ["THEANO_FLAGS"] = completed(os.environ.get("THEANO_FLAGS", ""), device_name)


def completed(flags: str, device_name: str = "cpu") -> str:
    """Return ``flags`` with our defaults; the user's flags come last, so that they win.

    Only ``device`` is overridden, because the requested device must be used.
    """
    defaults = {"floatX": "float32", "blas.ldflags": choose_blas().ldflags, **device.flag_defaults(device_name)}
    if IS_NUMPY_2 and str(HEADER) not in flags:
        users = flag_in(flags, "gcc.cxxflags")
        defaults["gcc.cxxflags"] = f"-include {HEADER}" + (f" {users}" if users else "")
        flags = _without(flags, "gcc.cxxflags")
    flags = _without(flags, "device")
    added = [f"{name}={value}" for name, value in defaults.items() if flag_in(flags, name) is None]
    kept = [flag for flag in flags.split(",") if flag.strip()]
    return ",".join([f"device={device.theano_name(device_name)}", *added, *kept])


def _without(flags: str, name: str) -> str:
    return ",".join(flag for flag in flags.split(",") if flag.partition("=")[0].strip() != name)
