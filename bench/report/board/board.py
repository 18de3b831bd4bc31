"""The board as a value: its records, machines and rows, read from folders of runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from bench.advice import make_command
from bench.errors import BenchError, RecordError
from bench.records.moments import moment, order
from bench.report.board.machines import BoardMachine, machines_of
from bench.report.board.record import BoardRecord, read_record
from bench.report.board.rows import BoardRow, rows_of


class LeftOut(NamedTuple):
    """Folder of a record that is not on the board, and the reason."""

    record: str
    reason: str


class Source(NamedTuple):
    """Run folder; ``shown`` is its path as a reader may know it."""

    path: Path
    shown: str
    verified_here: bool


@dataclass(frozen=True)
class Board:
    """Records, oldest first, with those that were left out; ``built`` is the day of which it is."""

    records: list[BoardRecord]
    left_out: list[LeftOut]
    built: date

    @cached_property
    def machines(self) -> list[BoardMachine]:
        return machines_of(self.records)

    @cached_property
    def rows(self) -> list[BoardRow]:
        return rows_of(self.machines)

    def age_text(self, record: BoardRecord) -> str:
        """Return the day of a record with its age, e.g. ``2026-11-24 (2 days before this board)``."""
        started = moment(record.started_at)
        days = 0 if started is None else (self.built - started.date()).days
        return f"{record.day} ({days:,} {'day' if days == 1 else 'days'} before this board)"


def sources(paths: Sequence[Path], folders: Sequence[Path], records_dir: Path) -> list[Source]:
    """Return the run folders in ``paths``, those of the project's committed results first.

    A path is shown relative to the current folder, or else to the one of ``folders`` that it is in: a site does not
    show the folders of the user who built it.
    """
    committed = Path(os.path.realpath(records_dir))
    found = [
        Source(path, _shown(path, folders), Path(os.path.realpath(path)).is_relative_to(committed)) for path in paths
    ]
    return sorted(found, key=lambda source: (not source.verified_here, source.shown))


def _shown(path: Path, folders: Sequence[Path]) -> str:
    if path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    folder = next(folder for folder in folders if path.is_relative_to(folder))
    return (Path(folder.name) / path.relative_to(folder)).as_posix()


def read_board(found: Iterable[Source], built: date) -> Board:
    """Return the board of the runs; a run that is already on it, or cannot be read or re-derived, is left out.

    Raises
    ------
    BenchError
        If no record can enter, or none has a reference run.
    """
    records: dict[str, BoardRecord] = {}
    left_out = []
    for source in found:
        try:
            record = read_record(*source)
        except RecordError as error:
            left_out.append(LeftOut(source.shown, str(error)))
            continue
        if record.run_id in records:
            known = records[record.run_id].source
            left_out.append(LeftOut(source.shown, f"its run id is that of {known}: each run counts once."))
        else:
            records[record.run_id] = record
    if not records:
        first = f", the first because {left_out[0].reason}" if left_out else "."
        raise BenchError(f"no record can enter the board: {len(left_out)} were left out{first}")
    board = Board(sorted(records.values(), key=lambda one: (order(one.started_at), one.run_id)), left_out, built)
    if not board.rows:
        raise BenchError(
            f"there is nothing to rank: none of {len(records)} records has a reference run; "
            f"{make_command('bench')} measures one."
        )
    return board
