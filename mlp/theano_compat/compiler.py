"""The C++ compiler and the compile directory, checked before Theano could stumble over them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from mlp.errors import BackendError
from mlp.theano_compat.blas import flag_in

NO_COMPILER = "no C++ compiler (g++) was found on PATH"
INSTALL_COMPILER = "Install g++ (Debian and Ubuntu: apt install g++)"


def find_compiler() -> str | None:
    """The compiler Theano would use: ``cxx`` of THEANO_FLAGS, else g++; None if it is not there."""
    asked = flag_in(os.environ.get("THEANO_FLAGS", ""), "cxx")
    return shutil.which(asked or "g++")


def base_compile_directory() -> Path:
    """Where Theano will keep what it compiles: ``base_compiledir`` of THEANO_FLAGS, else ``~/.theano``."""
    flags = os.environ.get("THEANO_FLAGS", "")
    asked = flag_in(flags, "compiledir") or flag_in(flags, "base_compiledir")
    return Path(asked or "~/.theano").expanduser()


def check_compile_directory() -> None:
    """Raise BackendError unless files can be created in the compile directory; makes it if it is not there."""
    directory = base_compile_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise BackendError(
            f"Theano's compile directory {directory} cannot be written ({error.strerror}): make it writable, or name "
            "another with THEANO_FLAGS=base_compiledir=<directory>."
        ) from error
