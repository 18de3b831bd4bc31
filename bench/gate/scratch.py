"""The gate's temporary folder: compile caches and checkouts; gone with the gate, or with the next if it was killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.errors import BenchError

PREFIX = "mlp-bench-gate-"
OWNER = "owner.json"
CHECKOUT = "checkout-"
BIRTH_TOLERANCE_SECONDS = 60.0  # a system whose clock is being set tells the birth of one process differently


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder in ``parent`` (default: the temporary folder) that is removed whatever happens.

    What gates that were killed left there is removed first.  Raises BenchError if the folder cannot be made.
    """
    parent = Path(parent or tempfile.gettempdir())
    remove_stale(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        (folder / OWNER).write_text(json.dumps(_owner(psutil.Process())))
    except OSError as error:
        raise BenchError(
            f"no scratch folder can be made in {parent} ({error.strerror}): free space there, or set TMPDIR to another."
        ) from error
    try:
        yield folder
    finally:
        _remove(folder)


def remove_stale(parent: Path) -> list[Path]:
    """Remove the folders in ``parent`` whose gate is gone, with their checkouts; returns what was removed."""
    stale = [folder for folder in parent.glob(f"{PREFIX}*") if _is_abandoned(folder)]
    for folder in stale:
        _remove(folder)
    return stale


def add_checkout(repository: Path, commit: str, folder: Path, name: str) -> Path:
    """The files of ``commit`` in a git worktree below ``folder``; raises BenchError if git cannot make one."""
    path = folder / f"{CHECKOUT}{name}"
    git(repository, "worktree", "add", "--quiet", "--detach", str(path), commit)
    return path


def git(directory: Path, *arguments: str) -> str:
    """What git prints; raises BenchError with its last words if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"git cannot be run ({error}): install it, or compare sides that need no revision.") from error
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchError(f"git {' '.join(arguments[:2])} failed in {directory}: {words}")
    return done.stdout.strip()


def _owner(process: psutil.Process) -> dict[str, float]:
    """A process by what no later one can have: number and time of birth."""
    return {"pid": process.pid, "created_seconds": process.create_time()}


def _is_abandoned(folder: Path) -> bool:
    """A folder without a readable owner is being made, or another user's: it is left alone."""
    try:
        owner = json.loads((folder / OWNER).read_text())
        found = _owner(psutil.Process(owner["pid"]))
        return abs(found["created_seconds"] - owner["created_seconds"]) > BIRTH_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False


def _remove(folder: Path) -> None:
    for checkout in folder.glob(f"{CHECKOUT}*"):
        try:  # asked from inside the checkout, git finds the repository that it belongs to, whichever that is
            git(checkout, "worktree", "remove", "--force", str(checkout))
        except BenchError:
            continue  # half made: its folder goes below, and git forgets it by itself
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and os.access(folder, os.W_OK):
        shutil.rmtree(folder, ignore_errors=True)  # a process that was just ended may have written meanwhile
