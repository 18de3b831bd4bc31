"""The C++ compiler and the compile directory, checked before Theano could stumble over them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mlp.errors import BackendError
from mlp.theano_compat.dialect import THEANO, Dialect

NO_COMPILER = "no C++ compiler (g++) was found on PATH"
LOCK_LIMIT_SECONDS = 60.0  # compiling both functions from nothing takes about half of that on two cores
INSTALL_COMPILER = "Install g++ (Debian and Ubuntu: apt install g++)"


def find_compiler(dialect: Dialect = THEANO) -> str | None:
    """The compiler that would be used: ``cxx`` of THEANO_FLAGS, else g++; None if it is not there."""
    return shutil.which(dialect.asked("cxx") or "g++")


def base_compile_directory(dialect: Dialect = THEANO) -> Path:
    """Where compiled code will be kept: ``base_compiledir`` of THEANO_FLAGS, else ``~/.theano``."""
    asked = dialect.asked("compiledir") or dialect.asked("base_compiledir")
    return Path(asked or dialect.home).expanduser()


def check_compile_directory(dialect: Dialect = THEANO) -> None:
    """Raise BackendError unless files can be created in the compile directory, and in those that were made in it
    earlier; makes it if it is not there."""
    base = directory = base_compile_directory(dialect)
    try:
        base.mkdir(parents=True, exist_ok=True)
        for directory in (base, *base.glob("compiledir_*/")):
            with tempfile.TemporaryFile(dir=directory):
                pass
    except OSError as error:
        raise BackendError(
            f"{dialect.framework}'s compile directory {directory} cannot be written ({error.strerror}): make it "
            f"writable, or name another with {dialect.variable}=base_compiledir=<directory>."
        ) from error


def wait_for_lock(
    compile_directory: Path,
    limit_seconds: float = LOCK_LIMIT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when no other live process holds Theano's lock on ``compile_directory``.

    Theano would wait two minutes without a word and then break the lock, even of a process that still compiles.  A
    lock whose owner is gone is left to Theano, which overrides it at once.

    Raises
    ------
    BackendError
        If the lock is still held after ``limit_seconds``.
    """
    waited_seconds = 0.0
    while (owner := _lock_owner(compile_directory)) is not None:
        if waited_seconds >= limit_seconds:
            raise BackendError(
                f"Theano's compile directory {compile_directory} has been locked by process {owner} for more than "
                f"{limit_seconds:g} s: end that process, or name another directory with "
                "THEANO_FLAGS=base_compiledir=<directory>."
            )
        sleep(0.5)
        waited_seconds += 0.5


def release_lock() -> None:
    """Give back what this process holds of Theano's lock.

    Theano forgets to when a compilation fails, and everybody else would wait until this process ends.
    """
    from theano.gof import compilelock

    while getattr(compilelock.get_lock, "n_lock", 0) > 0:
        compilelock.release_lock()


def _lock_owner(compile_directory: Path) -> int | None:
    """The live process, other than this one, that the lock file names (``<pid>_<number>_<host>``)."""
    try:
        owner = int((compile_directory / "lock_dir" / "lock").read_text().partition("_")[0])
        if owner == os.getpid():
            return None
        os.kill(owner, 0)  # sends nothing; fails if there is no such process
    except PermissionError:
        return owner  # it lives, and belongs to someone else
    except (OSError, ValueError):
        return None
    return owner
