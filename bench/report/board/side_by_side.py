"""Any two machines side by side: one page for all pairs, which its address names and JavaScript fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from bench.document.html import Page
from bench.document.section import Section, clean
from bench.records.moments import order
from bench.report.board.board import Board
from bench.report.board.changes import FACT_CHARACTERS
from bench.report.board.machines import BoardMachine
from bench.report.board.pages import age_facts, board_links
from bench.report.board.rows import BoardRow
from bench.report.compare.facts import flat
from bench.units import format_interval, format_seconds, short_commit

FACTS = 60  # of a machine; its page has all


def side_by_side_page(board: Board, rows: Mapping[str, Sequence[BoardRow]]) -> Page:
    """Return the page; ``rows`` are those of each machine by its address."""
    explanation = Section(
        "How to read",
        [
            "Times as fast: the second machine against the first, by the medians of the canonical run, with a 95 % "
            "interval within the two runs. It is shown for equal comparison keys, where a difference is one of the "
            "hardware; of other rows it would be one of the code or the libraries, too.",
            "The command above compares the newest record of each with all phases, ceilings and differences. Without "
            "JavaScript, the page of each machine has the same numbers.",
        ],
        ["machine", "newest record"],
        [[machine.label, machine.newest.source] for machine in board.machines],
        files=["machines.json", "machines.csv"],
        folded=True,
    )
    return Page(
        title="mlp-bench board, side by side",
        headline="Two machines side by side",
        sections=[explanation],
        facts=age_facts(board),
        links=board_links(board),
        script=files("bench.report.board").joinpath("side_by_side.js").read_text(encoding="utf-8"),
        data=[_machine(machine, rows[machine.address]) for machine in board.machines],
    )


def _machine(machine: BoardMachine, rows: Sequence[BoardRow]) -> dict[str, Any]:
    facts = [*flat(machine.newest.machine).items()][:FACTS]
    newest_first = sorted(rows, key=lambda row: order(row.runs.record.started_at), reverse=True)
    return {
        "address": machine.address,
        "label": machine.label,
        "record": machine.newest.source,
        "facts": {clean(name.replace("_", " "), FACT_CHARACTERS): clean(text, FACT_CHARACTERS) for name, text in facts},
        "rows": [_row(row) for row in newest_first if row.runs.result.not_canonical_because is None],
    }


def _row(row: BoardRow) -> dict[str, Any]:
    runs, total = row.runs, row.runs.total
    stack = runs.stack
    return {
        "stack": clean(f"{stack.backend}/{stack.variant} on {stack.device_kind} ({stack.precision})", FACT_CHARACTERS),
        "key": runs.result.comparison_key.value,
        "commit": short_commit(runs.record.commit),
        "seconds": [total.low, total.center, total.high],
        "time": format_seconds(total.center),
        "interval": format_interval(total.low, total.high),
        "measured": runs.measured,
    }
