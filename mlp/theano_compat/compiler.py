"""Checks of the C++ compiler and the compile directory before Theano uses them."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlp.errors import BackendError
from mlp.theano_compat.blas import scipy_openblas
from mlp.theano_compat.dialect import THEANO, UNFIT_FOR_FLAGS, UNFIT_FOR_OPTIONS, Dialect

NO_COMPILER = "no C++ compiler (g++) was found on PATH"
TOLD_AFTER_SECONDS = 5.0
ABANDONED_SECONDS = 120.0  # Theano renews a lock that it holds after 60 s
LOCK_LIMIT_SECONDS = 60.0  # of one lock, which is held for one module: a few seconds on two cores
INSTALL_COMPILER = "Install g++ (Debian and Ubuntu: apt install g++)"


def find_compiler(dialect: Dialect = THEANO) -> str | None:
    """Return the active compiler: ``cxx`` of THEANO_FLAGS, else g++; None if not found."""
    return shutil.which(dialect.asked("cxx") or "g++")


def base_compile_directory(dialect: Dialect = THEANO) -> Path:
    """Return the folder of compiled code: ``base_compiledir`` of THEANO_FLAGS, else ``~/.theano``."""
    asked = dialect.asked("compiledir") or dialect.asked("base_compiledir")
    return Path(asked or dialect.home).expanduser()


def check_compile_directory(dialect: Dialect = THEANO) -> None:
    """Raise BackendError unless files can be created in the compile directory and its subdirectories; create it if
    missing."""
    _check_names(dialect)
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


def _check_names(dialect: Dialect) -> None:
    """Raise BackendError if a folder's name would terminate a flag, and so silently redirect compiled code."""
    compile_directory = dialect.asked("compiledir") or dialect.asked("base_compiledir")
    library = scipy_openblas()
    for path, unfit in (
        (compile_directory, UNFIT_FOR_FLAGS),
        (library and library.parent, UNFIT_FOR_OPTIONS),
        (Path(__file__).parent, UNFIT_FOR_OPTIONS),
    ):
        if path is not None and (found := unfit.search(str(path))):
            raise BackendError(
                f"{dialect.framework}'s flags cannot hold the folder {path}, because of the {found[0]!r} in its name: "
                "move it to a path of letters, digits, '-', '_' and '.'."
            )


@dataclass(frozen=True)
class LockOwner:
    """Process named by a lock file; ``host`` is None for this host."""

    pid: int
    host: str | None
    age_seconds: float  # of the lock file, which Theano renews every minute
    lock: str  # what the file holds: another number each time that the lock is taken

    def __str__(self) -> str:
        return f"process {self.pid}" if self.host is None else f"process {self.pid} of the host {self.host}"


def wait_for_lock(
    compile_directory: Path,
    limit_seconds: float = LOCK_LIMIT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until no other running process holds Theano's lock on ``compile_directory``.

    Theano would wait silently for two minutes and then break the lock, even of a process that still compiles.  A stale
    lock is left to Theano, which overrides it at once.  For a process of another host only the age of its lock is
    known.  A process that compiles takes the lock anew for each module, and is waited for.

    Raises
    ------
    BackendError
        If the lock was not given back, not even for a moment, for ``limit_seconds``.
    """
    waited_seconds = taken_at_seconds = 0.0
    lock = None
    while (owner := _lock_owner(compile_directory)) is not None:
        if owner.lock != lock:
            lock, taken_at_seconds = owner.lock, waited_seconds
        abandoned = owner.host is not None and owner.age_seconds > ABANDONED_SECONDS
        if abandoned or waited_seconds - taken_at_seconds >= limit_seconds:
            raise BackendError(_why_locked(compile_directory, owner))
        if waited_seconds == TOLD_AFTER_SECONDS:
            print(f"waiting for {owner}, which has locked {compile_directory}", file=sys.stderr, flush=True)
        sleep(0.5)
        waited_seconds += 0.5


def _why_locked(compile_directory: Path, owner: LockOwner) -> str:
    lock = compile_directory / "lock_dir"
    remedy = "end that process"
    if owner.host is not None:
        remedy = f"if it no longer compiles there, delete {lock}"
    return (
        f"Theano's compile directory {compile_directory} is locked by {owner} (the lock is {owner.age_seconds:.0f} s "
        f"old): {remedy}, or name another directory with THEANO_FLAGS=base_compiledir=<directory>."
    )


def release_lock() -> None:
    """Release Theano's lock if held by this process.

    Theano keeps it when a compilation fails, and other processes would wait until this one ends.
    """
    from theano.gof import compilelock

    while getattr(compilelock.get_lock, "n_lock", 0) > 0:
        compilelock.release_lock()


def _lock_owner(compile_directory: Path) -> LockOwner | None:
    """Return the running process, other than this one, named by the lock file (``<pid>_<number>_<host>``)."""
    file = compile_directory / "lock_dir" / "lock"
    try:
        lock = file.read_text()
        pid, _, rest = lock.partition("_")
        host = rest.partition("_")[2].strip()
        age_seconds = max(0.0, time.time() - file.stat().st_mtime)
        if host and host != socket.gethostname():
            return LockOwner(int(pid), host, age_seconds, lock)
        owner = LockOwner(int(pid), None, age_seconds, lock)
        if owner.pid == os.getpid():
            return None
        os.kill(owner.pid, 0)  # signal 0: only checks that the process exists
    except PermissionError:
        return owner  # running, owned by another user
    except (OSError, ValueError):
        return None
    return owner
