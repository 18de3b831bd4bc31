"""Lock of a run, which keeps two processes from measuring it at the same time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import RecordError
from bench.records.owner import Life, Owner
from bench.units import format_seconds

NAME = "lock.json"


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold the lock of the run in the folder ``run``; the lock of an ended process is taken over.

    Raises RecordError if another process measures it, possibly on another host, or the folder cannot be written.
    """
    path = run / NAME
    mine = Owner.current().to_json()
    try:
        while not _taken(path, mine):
            _refuse_or_remove(path)
    except OSError as error:
        raise RecordError(f"cannot write {path} ({error.strerror}): free space, or copy the run elsewhere.") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _taken(path: Path, mine: str) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(mine)
    return True


def _refuse_or_remove(path: Path) -> None:
    """Remove the lock of an ended owner; raise RecordError if the owner may be alive."""
    try:
        text, age_seconds = path.read_text(errors="replace"), max(0.0, time.time() - path.stat().st_mtime)
        owner = Owner.from_json(text)
    except FileNotFoundError:
        return  # released meanwhile
    except ValueError:
        raise RecordError(
            f"run {path.parent.name} has an unreadable lock: if no process measures it, delete {path}."
        ) from None
    life = owner.life()
    if life is Life.ALIVE:
        raise RecordError(
            f"run {path.parent.name} is being measured by process {owner.pid}, which began "
            f"{format_seconds(age_seconds)} ago: wait for it, or end it first."
        )
    if life is Life.ELSEWHERE:
        raise RecordError(
            f"run {path.parent.name} is being measured on another host, or in another container, since "
            f"{format_seconds(age_seconds)}: wait for it or, if it has ended there, delete {path}."
        )
    aside = path.with_name(f"{NAME}.{os.getpid()}")
    path.rename(aside)
    if aside.read_text(errors="replace") != text:  # another process has just taken it over
        os.link(aside, path)
    aside.unlink()
