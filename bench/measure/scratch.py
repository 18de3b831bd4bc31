"""Temporary folders, removed with their command, or by the next command if it was killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.records.owner import Life, Owner

PREFIX = "mlp-bench-"
OWNER = "owner.json"
TEMPORARY = "tmp"


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Create a folder in ``parent`` (default: the temporary folder) that is removed at the end.

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
    """Return the variables that put a process's temporary files into the scratch folder ``folder``.

    Killed processes, such as compilers of a killed worker, do not remove their files.  A compile cache that is to be
    cold is such a folder: PyTorch's precompiled header, which takes seconds to compile, lies with the temporary files
    and not in TORCHINDUCTOR_CACHE_DIR (_HEADER_DIR in torch/_inductor/codecache.py).
    """
    return {"TMPDIR": str(folder / TEMPORARY)}


def remove_stale(parent: Path) -> list[Path]:
    """Remove the folders in ``parent`` whose command has ended; return the removed folders."""
    stale = [folder for folder in parent.glob(f"{PREFIX}*") if _is_abandoned(folder)]
    for folder in stale:
        _remove(folder)
    return stale


def _is_abandoned(folder: Path) -> bool:
    """Return whether the owner has ended; False without a readable owner, as the folder may be another user's."""
    try:
        return Owner.from_json((folder / OWNER).read_text()).life() is Life.GONE
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remove(folder: Path) -> None:
    for _ in range(2):  # a process that is just ending may write meanwhile
        shutil.rmtree(folder, ignore_errors=True)
