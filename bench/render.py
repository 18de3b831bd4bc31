"""Sections of a report as Markdown and as a terminal summary: one content, two looks."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from tabulate import tabulate

MAX_TEXT = 600  # characters; a hostile machine name does not make the report unreadable


@dataclass(frozen=True)
class Plot:
    """A picture beside the report: its path relative to report.md, and what it shows for who cannot see it."""

    path: str
    alt: str


@dataclass
class Section:
    """A heading, sentences, plots, and a table if ``headers`` are given.

    All of it is plain text, escaped when rendered.  A terminal shows no plots.
    """

    title: str
    sentences: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)


def to_markdown(first_line: str, sections: list[Section]) -> str:
    parts = [_escape_markdown(first_line)]
    for section in sections:
        parts.append(f"## {_escape_markdown(section.title)}")
        parts += [_escape_markdown(sentence) for sentence in section.sentences]
        parts += [f"![{_escape_alt(plot.alt)}]({plot.path})" for plot in section.plots]
        if section.headers:
            rows = [[_escape_markdown(cell) for cell in row] for row in section.rows]
            parts.append(tabulate(rows, section.headers, tablefmt="github", disable_numparse=True))
    return "\n\n".join(parts) + "\n"


def to_terminal(first_line: str, sections: list[Section], console: Console) -> None:
    console.print(first_line, markup=False, highlight=False, style="bold")
    for section in sections:
        console.print(f"\n[bold]{escape(section.title)}[/bold]", highlight=False)
        for sentence in section.sentences:
            console.print(_clean(sentence), markup=False, highlight=False)
        if section.headers:
            # A cell too wide for the terminal goes on in the next line: a name cut short may be another's, too.
            columns = [Column(escape(header), overflow="fold") for header in section.headers]
            table = Table(*columns, show_edge=False, box=None, padding=(0, 2, 0, 0))
            for row in section.rows:
                table.add_row(*[escape(_clean(cell)) for cell in row])
            console.print(table, highlight=False)


def _clean(text: str) -> str:
    """One line without control characters, cut where it no longer helps."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def _escape_markdown(text: str) -> str:
    return html.escape(_clean(text), quote=False).replace("|", "\\|")


def _escape_alt(text: str) -> str:
    return _escape_markdown(text).replace("[", "\\[").replace("]", "\\]")
