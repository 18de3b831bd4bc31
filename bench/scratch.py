"""Temporary folders, removed with their command, or by the next one if it was killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.owner import Life, Owner

PREFIX = "mlp-bench-"
OWNER = "owner.json"
TEMPORARY = "tmp"


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder in ``parent`` (default: the temporary folder) that is removed whatever happens.

    Folders of commands that were killed are removed first.  Raises BenchError if the folder cannot be made.
    """
    try:
        parent = Path(parent or tempfile.gettempdir())
        remove_stale(parent)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        (folder / OWNER).write_text(Owner.current().to_json())
        (folder / TEMPORARY).mkdir()
    except OSError as error:
        where = parent or "the temporary folder"
        raise BenchError(
            f"no scratch folder can be made in {where} ({error.strerror}): free space there, or set TMPDIR to another."
        ) from error
    try:
        yield folder
    finally:
        _remove(folder)


def temporary_files_in(folder: Path) -> dict[str, str]:
    """The variables of a process whose temporary files go with the scratch folder ``folder``.

    What is killed, as compilers are with the process that they work for, removes none of its own.
    """
    return {"TMPDIR": str(folder / TEMPORARY)}


def remove_stale(parent: Path) -> list[Path]:
    """Remove the folders in ``parent`` whose command is gone; returns what was removed."""
    stale = [folder for folder in parent.glob(f"{PREFIX}*") if _is_abandoned(folder)]
    for folder in stale:
        _remove(folder)
    return stale


def _is_abandoned(folder: Path) -> bool:
    """A folder without a readable owner is being made, or another user's: it is left alone."""
    try:
        return Owner.from_json((folder / OWNER).read_text()).life() is Life.GONE
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remove(folder: Path) -> None:
    for _ in range(2):  # a process that was just ended may have written meanwhile
        shutil.rmtree(folder, ignore_errors=True)
