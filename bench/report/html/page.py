"""Sections and charts -> the text of an HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.render import Section, clean, with_plots
from bench.report.html.chart import Chart
from bench.report.html.library import plotly_gzip_base64
from bench.units import MISSING

NUMBER = re.compile(r"(< ?|[+\N{MINUS SIGN}-])?\d")  # how a cell begins that is a number with its unit
MAX_MIN_WIDTH_CH = 20  # characters: as wide as "theano/as_published"
INSTRUCTIONS = (
    "Point at a plot for exact values, drag over it to look closer, double-click to go back. A click on an entry of a "
    "legend hides it."
)


@dataclass(frozen=True)
class Page:
    """What an HTML file says; all text is plain, and escaped when rendered.

    ``headline`` is the sentence a person came for.  ``facts`` are (name, value) pairs that say what this is about,
    ``warnings`` sentences that belong on the first screen.  The first section stands there, too.
    """

    title: str
    headline: str
    sections: list[Section]
    charts: Mapping[str, Chart] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Column:
    """How a column of a table is set: ``number`` to the right, ``text`` to the left, and how narrow it may get."""

    kind: str
    min_width_ch: int


@dataclass(frozen=True)
class Block:
    """A section as the template lays it out: its plots found, and its columns known."""

    anchor: str
    section: Section
    charts: list[Chart]
    columns: list[Column]


def to_html(page: Page) -> str:
    blocks = [
        Block(f"section-{number}", section, [page.charts[name] for name in names], columns_of(section))
        for number, (section, names) in enumerate(with_plots(page.sections, page.charts), start=1)
    ]
    drawn = any(block.charts for block in blocks)
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            blocks=blocks,
            instructions=INSTRUCTIONS if drawn else "",
            style=_asset("style.css"),
            script=_asset("page.js"),
            plotly=Markup(plotly_gzip_base64()) if drawn else "",
        )
    )


def columns_of(section: Section) -> list[Column]:
    """``number`` where all that is there is a number with its unit; text may wrap, but not to a letter a line."""
    columns = zip(*section.rows, strict=True) if section.rows else [()] * len(section.headers)
    return [
        Column("number", 0)
        if _is_numeric(cells)
        else Column("text", min(MAX_MIN_WIDTH_CH, max((len(cell) for cell in cells), default=0)))
        for cells in columns
    ]


def _is_numeric(cells: Sequence[str]) -> bool:
    there = [cell for cell in cells if cell not in ("", MISSING)]
    return bool(there) and all(NUMBER.match(cell) for cell in there)


def _printed(value: Any) -> Any:
    """What the template prints: cleaned and cut like the other looks' text, unless the page made it itself."""
    return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bench.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["trusted"] = Markup  # for what the page itself made, and no record
    return environment


def _asset(name: str) -> Markup:
    return Markup(files("bench.report.html").joinpath("templates", name).read_text(encoding="utf-8"))
