"""Sections of a report as Markdown and as terminal text; ``bench.document.html`` renders them as HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich import table as rich
from rich.console import Console
from rich.markup import escape
from tabulate import tabulate

from bench.document.table import Column
from bench.units import MISSING

COLUMN_GAP = "  "
MAX_TEXT = 600  # characters; limits hostile names


@dataclass(frozen=True)
class Plot:
    """Picture beside the report: its path relative to report.md, and its text alternative."""

    path: str
    alt: str


@dataclass
class Section:
    """Heading with sentences, plots, and a table if ``columns`` are given; a column that is a text holds texts.

    ``rows`` hold values by the kinds of their columns, None for a missing one; ``cells`` are their texts.  All of it is
    plain text, escaped when rendered.  ``notices`` are warnings, shown first.  ``plots`` are names: each
    output draws those that it has, and a terminal none.  ``folded`` marks sections that a page may show folded.
    A page lets its reader choose rows by the columns named in ``filters``, and links to ``files``: the table's data,
    relative to the page.
    """

    title: str
    sentences: list[str] = field(default_factory=list)
    columns: list[Column | str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    plots: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    folded: bool = False
    filters: Sequence[str] = ()
    files: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.columns = [Column(one) if isinstance(one, str) else one for one in self.columns]

    @property
    def headers(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def cells(self) -> list[list[str]]:
        return [[column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]


def with_plots(sections: list[Section], drawn: Collection[str]) -> Iterator[tuple[Section, list[str]]]:
    """Yield each section with the names of its plots among ``drawn``; a plot is shown at its first mention.

    Rows and columns of dashes are dropped from tables.  A section with only a title is left out.
    """
    left = set(drawn)
    for section in map(without_dashes, sections):
        names = [name for name in section.plots if name in left]
        left -= set(names)
        if names or section.notices or section.sentences or section.columns:
            yield section, names


def without_dashes(section: Section) -> Section:
    """Drop the rows and then the columns that hold only dashes, apart from a row's name.

    A table of two columns keeps such rows: there a dash is information.
    """
    rows = [
        row
        for row, cells in zip(section.rows, section.cells, strict=True)
        if sum(cell not in (MISSING, "") for cell in cells) > 1 or len(row) < 3
    ]
    return without_columns_of(replace(section, rows=rows), MISSING)


def without_columns_of(section: Section, nothing: str) -> Section:
    """Drop the columns whose cells are all ``nothing``."""
    cells = section.cells
    used = [index for index in range(len(section.columns)) if any(row[index] != nothing for row in cells)]
    return replace(
        section,
        columns=[section.columns[index] for index in used],
        rows=[[row[index] for index in used] for row in section.rows],
    )


def to_markdown(first_line: str, sections: list[Section], plots: Mapping[str, Plot] | None = None) -> str:
    plots = plots or {}
    parts = [_paragraph(first_line)]
    for section, names in with_plots(sections, plots):
        parts.append(f"## {escape_markdown(section.title)}")
        parts += [_paragraph(sentence) for sentence in (*section.notices, *section.sentences)]
        parts += [f"![{escape_markdown(plots[name].alt)}]({plots[name].path})" for name in names]
        if section.columns:
            headers, *rows = [[escape_markdown(cell) for cell in row] for row in (section.headers, *section.cells)]
            parts.append(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    return "\n\n".join(parts) + "\n"


def to_terminal(first_line: str, sections: list[Section], console: Console) -> None:
    console.print(clean(first_line), markup=False, highlight=False, style="bold", soft_wrap=True)
    for section, _ in with_plots(sections, ()):
        console.print(f"\n[bold]{escape(clean(section.title))}[/bold]", highlight=False)
        for sentence in (*section.notices, *section.sentences):
            console.print(clean(sentence), markup=False, highlight=False)
        if section.columns:
            console.print(_table(section, console.width), highlight=False)


def _table(section: Section, width: int) -> rich.Table:
    """Return a table whose cells wrap, between words if every column has room for its longest word.

    Nothing is cut, as shortened names may be ambiguous.
    """
    headers, *rows = [[clean(cell) for cell in row] for row in (section.headers, *section.cells)]
    longest = [
        max(len(word) for cell in column for word in cell.split() or [""])
        for column in zip(headers, *rows, strict=True)
    ]
    fits = sum(longest) + len(COLUMN_GAP) * len(longest) <= width
    columns = [
        rich.Column(escape(header), overflow="fold", min_width=words if fits else None)
        for header, words in zip(headers, longest, strict=True)
    ]
    table = rich.Table(*columns, show_edge=False, box=None, padding=(0, len(COLUMN_GAP), 0, 0))
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def named(names: Sequence[str], most: int = 3) -> str:
    """Join a few names, or count many with the first and the last: ``a, b``, ``47 runs (a to z)``."""
    return ", ".join(names) if len(names) <= most else f"{len(names)} runs ({names[0]} to {names[-1]})"


def clean(text: str, max_length: int = MAX_TEXT) -> str:
    """Return one line without control characters, cut to ``max_length`` with a mark."""
    shown = text[: 2 * max_length]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else " " for char in shown)
    shown = " ".join(shown.split())
    if len(text) <= 2 * max_length and len(shown) <= max_length:
        return shown
    return f"{shown[:max_length]}… (cut: {len(text):,} characters in all)"


# Active characters of Markdown (CommonMark and GitHub's); an underscore within a word is not active.
ACTIVE = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
ACTIVE_AT_THE_START = re.compile(r"[#+=-]|\d+(?=[.)]( |$))")  # of a paragraph: headings, lists, rules


def escape_markdown(text: str) -> str:
    """Escape ``text`` to one literal line: no name becomes a link, a picture or bold."""
    return html.escape(ACTIVE.sub(r"\\\g<0>", clean(text)), quote=False)


def _paragraph(text: str) -> str:
    escaped = escape_markdown(text)
    start = ACTIVE_AT_THE_START.match(escaped)
    if start is None:
        return escaped
    number = start[0] if start[0].isdecimal() else ""
    return f"{number}\\{escaped[len(number) :]}"
