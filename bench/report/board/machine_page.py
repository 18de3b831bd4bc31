"""Page of one machine: its stacks, phases, runs with what changed between them, ceilings and fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench.document.html import Page
from bench.document.section import Section
from bench.document.table import INTEGER, SECONDS, Column
from bench.report.board.board import Board
from bench.report.board.changes import changes_of
from bench.report.board.machines import BoardMachine
from bench.report.board.pages import KEY_CHARACTERS, RANKING_COLUMNS, UNKNOWN, age_facts, board_links, row_cells
from bench.report.board.rows import BoardRow, StackRuns
from bench.report.history.sections import sparkline, verdict
from bench.report.run.copies import HARNESS as COPIES
from bench.report.run.copies import copies_sections
from bench.report.run.devices import HARNESS as DEVICES
from bench.report.run.devices import devices_sections
from bench.report.run.lower_bound import CEILING_COLUMNS, ceiling_rows
from bench.report.run.threads import HARNESS as THREADS
from bench.report.run.threads_sections import threads_sections
from bench.roofline.ceilings import HARNESS as CEILINGS
from bench.units import format_seconds, short_commit

UP = "../../"
MOST_CHANGES = 6  # named in a cell; the data have all


def machine_page(board: Board, machine: BoardMachine, rows: Sequence[BoardRow]) -> Page:
    """Return the page of ``machine``, whose rows of the ranking are ``rows``."""
    return Page(
        title=f"mlp-bench board, {machine.label}",
        headline=_headline(machine, rows),
        sections=[
            _stacks(rows),
            *_phases(rows),
            _runs(machine),
            *_history(rows),
            *_ceilings(machine),
            *_scaling(machine),
            Section(
                "Fingerprint",
                [f"Of the newest record, {machine.newest.source}."],
                ["property", "value"],
                machine.newest.fingerprint,
                files=["machine.json"],
            ),
        ],
        facts=[
            ("Machine", machine.label),
            ("Records", f"{len(machine.records):,}"),
            ("Oldest", board.age_text(machine.records[0])),
            ("Newest", board.age_text(machine.newest)),
            *age_facts(board)[-1:],
        ],
        links=[*board_links(board, UP), ("Compare", f"{UP}side-by-side.html?a={machine.address}")],
    )


def _headline(machine: BoardMachine, rows: Sequence[BoardRow]) -> str:
    fit = [row for row in rows if row.runs.unfit_because is None]
    if not fit:
        return f"{machine.label}: no canonical run"
    first = fit[0]
    return f"{machine.label}: canonical run in {format_seconds(first.runs.total.center)} with {first.runs.stack.name}"


def _stacks(rows: Sequence[BoardRow]) -> Section:
    columns = [RANKING_COLUMNS[0], *RANKING_COLUMNS[2:]]
    cells = [[row.rank.rank, *row_cells(row)] for row in rows]
    sentences = ["Ranks are among all rows of the board."] if rows else ["No record has a reference run."]
    return Section("Canonical run", sentences, columns if rows else [], cells, files=["stacks.csv", "machine.json"])


def _phases(rows: Sequence[BoardRow]) -> list[Section]:
    if not rows:
        return []
    medians = [(row.runs, row.runs.result.phases) for row in rows]
    names = list(dict.fromkeys(name for _, phases in medians for name in phases.seconds_by_phase))
    cells = [
        [
            *_names(runs),
            phases.total_seconds,
            *(phases.seconds_by_phase.get(name) for name in names),
            phases.rest_seconds,
            phases.import_seconds,
        ]
        for runs, phases in medians
    ]
    outside = ["rest", "import (outside the clock)"]
    columns = [*NAMES, *(Column(name, SECONDS) for name in ("reference clock", *names, *outside))]
    sentences = ["Medians of the processes of the newest run of each stack."]
    return [Section("Phases", sentences, columns, cells, files=["phases.csv", "machine.json"])]


NAMES = ["stack", Column("threads", INTEGER), "run"]


def _names(runs: StackRuns) -> list[Any]:
    return [runs.stack.name, runs.stack.threads, runs.record.run_id]


def _runs(machine: BoardMachine) -> Section:
    changes = changes_of([record.facts for record in machine.records])
    cells = [
        [
            record.day,
            record.run_id,
            short_commit(record.commit),
            record.mode,
            record.fitness.value or UNKNOWN,
            len(record.results),
            _changed([str(change) for change in changed]),
            "; ".join([*([] if record.verified_here else ["not verified here"]), *record.notes]),
        ]
        for record, changed in zip(machine.records, changes, strict=True)
    ]
    columns = ["started", "run", "commit", "mode", "fitness", Column("reference runs of stacks", INTEGER)]
    columns += ["changed since the run before", "remarks"]
    sentences = ["Oldest first. A fact that a record lacks has not changed."]
    return Section("Runs", sentences, columns, cells, files=["runs.csv", "machine.json"])


def _changed(changes: Sequence[str]) -> str:
    more = len(changes) - MOST_CHANGES
    return "; ".join([*changes[:MOST_CHANGES], *([f"{more} more"] if more > 0 else [])])


def _history(rows: Sequence[BoardRow]) -> list[Section]:
    several = [(row.runs, row.runs.series) for row in rows if len(row.runs.runs) > 1]
    if not several:
        return []
    cells = [
        [
            runs.stack.name,
            runs.stack.threads,
            UNKNOWN if runs.result.comparison_key.value is None else runs.result.comparison_key.value[:KEY_CHARACTERS],
            len(series.points),
            sparkline([point.center for point in series.points]),
            series.points[0].center,
            series.points[-1].center,
            verdict(series),
        ]
        for runs, series in several
    ]
    columns = [*NAMES[:2], "code", Column("runs", INTEGER), "trend", Column("oldest", SECONDS)]
    columns += [Column("newest", SECONDS), "change"]
    sentences = ["The reference clock over the runs of a stack with the same code, oldest first."]
    return [Section("History", sentences, columns, cells, files=["history.csv", "machine.json"])]


def _scaling(machine: BoardMachine) -> Iterator[Section]:
    """Yield the scaling with threads and devices and the rates of copies, each of the newest run that measured it."""
    for harness, sections in (
        (THREADS, threads_sections(machine.thread_scalings)),
        (COPIES, copies_sections(machine.copy_scalings)),
        (DEVICES, devices_sections(machine.device_points)),
    ):
        for section in sections:
            files = [f"{harness}.csv", "machine.json"]
            yield replace(section, sentences=[_origin(machine, harness), *section.sentences], plots=[], files=files)


def _origin(machine: BoardMachine, harness: str) -> str:
    record = machine.newest_with(harness)
    return f"Of {record.run_id}, the newest run that measured this{'' if record.mode == 'quick' else ' in full'}."


def _ceilings(machine: BoardMachine) -> list[Section]:
    if not machine.ceilings:
        return [Section("Ceilings", ["No record of this machine measured its ceilings."])]
    return [
        Section(
            f"Ceilings of {device}",
            [_origin(machine, CEILINGS)],
            CEILING_COLUMNS,
            ceiling_rows(ceilings),
            notices=[ceilings.notice] if ceilings.notice else [],
            files=["ceilings.csv", "machine.json"],
        )
        for device, ceilings in machine.ceilings.items()
    ]
