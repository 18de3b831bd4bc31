"""Page of one machine: its stacks, phases, runs with what changed between them, ceilings and fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.document.html import Page
from bench.document.section import Section
from bench.document.table import INTEGER, SECONDS, Cells, Column, table
from bench.records.stack_key import StackKey
from bench.report.board.board import Board
from bench.report.board.changes import changes_of
from bench.report.board.machines import BoardMachine
from bench.report.board.pages import UNKNOWN, age_facts, board_links, row_cells, short_key
from bench.report.board.rows import BoardRow
from bench.report.history.sections import sparkline, verdict
from bench.report.run.copies import HARNESS as COPIES
from bench.report.run.copies import copies_sections
from bench.report.run.devices import HARNESS as DEVICES
from bench.report.run.devices import devices_sections
from bench.report.run.lower_bound import ceiling_table
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
    sentences = ["Ranks are among all rows of the board."] if rows else ["No record has a reference run."]
    return Section("Canonical run", sentences, *table(map(row_cells, rows)), files=["stacks.csv", "machine.json"])


def _phases(rows: Sequence[BoardRow]) -> list[Section]:
    if not rows:
        return []
    medians = [(row.runs, row.runs.result.phases) for row in rows]
    names = list(dict.fromkeys(name for _, phases in medians for name in phases.seconds_by_phase))
    cells = [
        [
            *_stack_cells(runs.stack),
            ("run", runs.record.run_id),
            (Column("reference clock", SECONDS), phases.total_seconds),
            *((Column(name, SECONDS), phases.seconds_by_phase.get(name)) for name in names),
            (Column("rest", SECONDS), phases.rest_seconds),
            (Column("import (outside the clock)", SECONDS), phases.import_seconds),
        ]
        for runs, phases in medians
    ]
    sentences = ["Medians of the processes of the newest run of each stack."]
    return [Section("Phases", sentences, *table(cells), files=["phases.csv", "machine.json"])]


def _stack_cells(stack: StackKey) -> Cells:
    return [("stack", stack.name), (Column("threads", INTEGER), stack.threads)]


def _runs(machine: BoardMachine) -> Section:
    changes = changes_of([record.facts for record in machine.records])
    cells = [
        [
            ("started", record.day),
            ("run", record.run_id),
            ("commit", short_commit(record.commit)),
            ("mode", record.mode),
            ("fitness", record.fitness.value or UNKNOWN),
            (Column("reference runs of stacks", INTEGER), len(record.results)),
            ("changed since the run before", _changed(changed)),
            ("remarks", "; ".join([*([] if record.verified_here else ["not verified here"]), *record.notes])),
        ]
        for record, changed in zip(machine.records, changes, strict=True)
    ]
    sentences = ["Oldest first. A fact that a record lacks has not changed."]
    return Section("Runs", sentences, *table(cells), files=["runs.csv", "machine.json"])


def _changed(changes: Sequence[str]) -> str:
    more = len(changes) - MOST_CHANGES
    return "; ".join([*changes[:MOST_CHANGES], *([f"{more} more"] if more > 0 else [])])


def _history(rows: Sequence[BoardRow]) -> list[Section]:
    several = [(row.runs, row.runs.series) for row in rows if len(row.runs.runs) > 1]
    if not several:
        return []
    cells = [
        [
            *_stack_cells(runs.stack),
            ("code", short_key(runs.result)),
            (Column("runs", INTEGER), len(series.points)),
            ("trend", sparkline([point.center for point in series.points])),
            (Column("oldest", SECONDS), series.points[0].center),
            (Column("newest", SECONDS), series.points[-1].center),
            ("change", verdict(series)),
        ]
        for runs, series in several
    ]
    sentences = ["The reference clock over the runs of a stack with the same code, oldest first."]
    return [Section("History", sentences, *table(cells), files=["history.csv", "machine.json"])]


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
            *ceiling_table(ceilings),
            notices=[ceilings.notice] if ceilings.notice else [],
            files=["ceilings.csv", "machine.json"],
        )
        for device, ceilings in machine.ceilings.items()
    ]
