"""How Theano is configured from the environment, and PyTensor, its successor, which kept the way and not the names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

# Theano and PyTensor take their flags apart as a shell would, at commas; "#" begins a comment.
UNFIT_FOR_FLAGS = re.compile(r"[,'\"#\\]")
# The flags of the compiler and linker are taken apart again, at blanks.
UNFIT_FOR_OPTIONS = re.compile(r"[\s,'\"#\\]")


@dataclass(frozen=True)
class Dialect:
    """The ``variable`` with the flags, the flag that names the BLAS, and the compile directory if no flag does."""

    framework: str
    variable: str
    blas_flag: str
    home: str

    def asked(self, flag: str) -> str | None:
        """What the user's environment says about ``flag``; None if nothing."""
        return flag_in(os.environ.get(self.variable, ""), flag)


THEANO = Dialect("Theano", "THEANO_FLAGS", "blas.ldflags", "~/.theano")
PYTENSOR = Dialect("PyTensor", "PYTENSOR_FLAGS", "blas__ldflags", "~/.pytensor")


def flag_in(flags: str, name: str) -> str | None:
    """The value of ``name`` in a string of flags; None if it is not set there."""
    for flag in flags.split(","):
        key, equals, value = flag.partition("=")
        if equals and key.strip() == name:
            return value.strip()
    return None
