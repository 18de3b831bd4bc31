"""Configuration of Theano and of its successor PyTensor from the environment; they differ only in names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

# Theano and PyTensor split their flags like a shell, at commas; "#" begins a comment.
UNFIT_FOR_FLAGS = re.compile(r"[,'\"#\\]")
# The flags of the compiler and linker are split again at blanks.
UNFIT_FOR_OPTIONS = re.compile(r"[\s,'\"#\\]")


@dataclass(frozen=True)
class Dialect:
    """Names in a framework's configuration: ``variable`` of the flags, flag of the BLAS, default compile directory."""

    framework: str
    variable: str
    blas_flag: str
    home: str

    def asked(self, flag: str) -> str | None:
        """Return the value of ``flag`` in the user's environment; None if not set."""
        return flag_in(os.environ.get(self.variable, ""), flag)


THEANO = Dialect("Theano", "THEANO_FLAGS", "blas.ldflags", "~/.theano")
PYTENSOR = Dialect("PyTensor", "PYTENSOR_FLAGS", "blas__ldflags", "~/.pytensor")


def flag_in(flags: str, name: str) -> str | None:
    """Return the value of ``name`` in a string of flags; None if not set."""
    for flag in flags.split(","):
        key, equals, value = flag.partition("=")
        if equals and key.strip() == name:
            return value.strip()
    return None
