"""Pages of the board: the ranking, and the records that were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.document.html import Page
from bench.document.section import Section
from bench.document.table import FRACTION, INTEGER, LINK, NUMBER_TEXT, SECONDS, Cells, Column, Link, table
from bench.report.board.board import Board
from bench.report.board.record import StackResult
from bench.report.board.rows import BoardRow
from bench.report.run.tables import with_interval
from bench.stats.learning import Learning
from bench.units import format_seconds, number_of, short_commit

UNKNOWN = "unknown"
KEY_CHARACTERS = 7
ROWS_PER_PAGE = 1000  # keeps a page below one megabyte
MOST_NAMED = 3  # reasons in a sentence
FILTERS = ("backend", "device", "precision", "canonical", "year")


def ranking_pages(board: Board) -> dict[str, Page]:
    """Return {name: page} of the ranking: ``index.html`` alone, unless it has more than ``ROWS_PER_PAGE`` rows."""
    parts = [board.rows[start : start + ROWS_PER_PAGE] for start in range(0, len(board.rows), ROWS_PER_PAGE)]
    names = ["index.html", *(f"ranking-{number}.html" for number in range(2, len(parts) + 1))]
    return {
        name: Page(
            title="mlp-bench board",
            headline=headline(board),
            sections=[_ranking(board, part, number * ROWS_PER_PAGE, names), _how_to_read(board.rows)],
            facts=age_facts(board),
            warnings=_warnings(board),
            links=board_links(board),
        )
        for number, (name, part) in enumerate(zip(names, parts, strict=True))
    }


def headline(board: Board) -> str:
    """Return the fastest ranked row, or that there is none."""
    ranked = [row for row in board.rows if row.rank.rank is not None]
    if not ranked:
        return f"{number_of(len(board.rows), 'row')} of {number_of(len(board.machines), 'machine')}, none can be ranked"
    first, leaders = ranked[0].runs, sum(row.rank.rank.number == 1 for row in ranked)
    shared = f", which the board cannot distinguish from {number_of(leaders - 1, 'other')}" if leaders > 1 else ""
    unranked = board.rows.index(ranked[0])
    faster = f"; {number_of(unranked, 'row')} without a rank took less time" if unranked else ""
    time = format_seconds(first.total.center)
    return f"Fastest ranked canonical run: {time}, {first.stack.name}, {first.machine.label}{shared}{faster}"


def board_links(board: Board, up: str = "") -> list[tuple[str, str]]:
    """Return the links of every page; ``up`` leads from its folder to the first page's."""
    pages = [("Ranking", "index.html"), ("Side by side", "side-by-side.html")]
    if board.left_out:
        pages.append((f"Left out ({len(board.left_out)})", "left-out.html"))
    return [(text, f"{up}{address}") for text, address in pages]


def age_facts(board: Board) -> list[tuple[str, str]]:
    records = board.records
    return [
        ("Records", f"{len(records):,} of {number_of(len(board.machines), 'machine')}"),
        ("Oldest", board.age_text(records[0])),
        ("Newest", board.age_text(records[-1])),
        ("Built", board.built.isoformat()),
    ]


def _warnings(board: Board) -> list[str]:
    found = []
    if board.left_out:
        found.append(f"{_left_out_text(board)}: see Left out.")
    if all(row.hardware_rank.rank is None for row in board.rows):
        found.append(
            "No hardware is ranked: no two machines ran the same code, as equal comparison keys would show. A "
            "difference between two rows may be one of the software."
        )
    return found


def _left_out_text(board: Board) -> str:
    count = len(board.left_out)
    return f"{number_of(count, 'record')} {'was' if count == 1 else 'were'} left out"


def _ranking(board: Board, rows: Sequence[BoardRow], start: int, names: Sequence[str]) -> Section:
    part = f", rows {start + 1:,} to {start + len(rows):,} of {len(board.rows):,}" if len(names) > 1 else ""
    sentences = ["By the reference clock of the canonical run: 20 epochs, batches of 500, MNIST; fastest first."]
    if part:
        sentences.append(
            f"All rows are on {len(names)} pages ({', '.join(names)}), and in the CSV file; the filters choose among "
            "those of one page."
        )
    columns, cells = table(map(_row, rows))
    files = ["ranking.csv", "ranking.json"]
    return Section(f"Ranking{part}", sentences, columns, cells, filters=FILTERS, files=files)


def _how_to_read(rows: Sequence[BoardRow]) -> Section:
    sentences = [
        "A rank with = is shared: none of its rows is significantly slower than the first of them, where the 95 % "
        "interval of their ratio, as compare gives it, would exclude 1.",
        "A row is one stack on one machine with one comparison key, which identifies the code and the libraries that "
        "ran. Hardware rank: the same among the machines that ran the same key, where a difference is one of the "
        "hardware. With three runs or more, time and interval are over runs, else over the processes of the newest "
        "run, and then do not contain differences between runs.",
        "As published: the mean test accuracy agrees with the published one. Learning: the verdict against the "
        "canonical stack of the same run. These, fitness, commit and remarks are those of the newest run.",
        "Not verified here: the record is not among the project's committed results; its numbers were computed here "
        "from its samples like all others.",
        *_missing(rows),
    ]
    return Section("How to read", sentences, folded=True)


def _missing(rows: Sequence[BoardRow]) -> list[str]:
    """Return a sentence with the reasons for unknown keys and grades."""
    unknown = {
        "code": Counter(row.runs.result.comparison_key.missing_because for row in rows),
        "fitness": Counter(row.runs.record.fitness.missing_because for row in rows),
    }
    return [f"Unknown {what}: {_reasons(reasons)}." for what, reasons in unknown.items() if any(reasons)]


def _reasons(reasons: Counter[str | None]) -> str:
    known = [(reason, count) for reason, count in reasons.most_common() if reason is not None]
    texts = [f"{reason} ({number_of(count, 'row')})" for reason, count in known[:MOST_NAMED]]
    return "; ".join([*texts, *(["other reasons"] if len(known) > MOST_NAMED else [])])


def _row(row: BoardRow) -> Cells:
    rank, *rest = row_cells(row)
    machine = row.runs.machine
    return [rank, (Column("machine", LINK), Link(machine.label, f"machines/{machine.address}/index.html")), *rest]


def row_cells(row: BoardRow) -> Cells:
    """Return a row of the ranking, without its machine."""
    runs = row.runs
    record, result, stack = runs.record, runs.result, runs.stack
    return [
        (Column("rank", NUMBER_TEXT), row.rank.rank),
        ("backend", stack.backend),
        ("variant", stack.variant),
        ("device", stack.device),
        *with_interval(Column("canonical run", SECONDS), runs.total),
        (Column("test accuracy", FRACTION), result.mean_test_accuracy),
        ("as published", None if result.agrees is None else "yes" if result.agrees else "NO"),
        ("learning", _learning(result)),
        (Column("hardware rank", NUMBER_TEXT), row.hardware_rank.rank),
        ("fitness", record.fitness.value or UNKNOWN),
        ("measured", runs.measured),
        (Column("threads", INTEGER), stack.threads),
        ("precision", stack.precision),
        ("year", record.year),
        ("commit", short_commit(record.commit)),
        ("code", short_key(result)),
        ("canonical", "yes" if result.not_canonical_because is None else "no"),
        ("remarks", "; ".join(row.remarks)),
    ]


def short_key(result: StackResult) -> str:
    key = result.comparison_key.value
    return UNKNOWN if key is None else key[:KEY_CHARACTERS]


def _learning(result: StackResult) -> str | None:
    """Return the verdict against the canonical stack, which has none itself."""
    if result.stack.is_canonical:
        return "canonical"
    return None if result.learning in (None, Learning.NOT_MEASURED) else result.learning.value


def left_out_page(board: Board) -> Page:
    section = Section(
        "Left out",
        ["A record enters the board if it can be read completely, and its numbers follow from its raw samples."],
        ["record", "reason"],
        [[one.record, one.reason] for one in board.left_out],
        files=["left-out.csv", "left-out.json"],
    )
    return Page(
        "mlp-bench board, left out", _left_out_text(board), [section], facts=age_facts(board), links=board_links(board)
    )
