"""Rendering of sections and charts as an HTML file."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.document.chart import Chart
from bench.document.section import Section, clean, with_plots
from bench.document.table import Link

BEFORE_UNIT = re.compile(
    r"(?<=\d) (?=(?:%|[nµm]?s|min|h|[KMGT]i?B|B|k?J|k?W|°C|[MG]Hz|[kMGT]?FLOP|points|examples|times)(?![^\W_]))"
)
MAX_MIN_WIDTH_CH = 20  # characters: as wide as "theano/as_published"
INSTRUCTIONS = (
    "Point at a plot for exact values, drag to zoom in, double-click to zoom out. Click an entry of a legend to hide "
    "it."
)


@dataclass(frozen=True)
class Page:
    """Contents of an HTML file; all text is plain, and escaped when rendered.

    ``headline`` is the main result.  ``facts`` are (name, value) pairs about the run, ``warnings`` sentences for the
    top of the page, where the first section is, too.  A page of a site has ``links`` to others, (text, address)
    pairs, and may have a ``script``, which shows the JSON-ready ``data`` in the element ``#view``.
    """

    title: str
    headline: str
    sections: list[Section]
    charts: Mapping[str, Chart] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()
    script: str = ""
    data: Any = None


@dataclass(frozen=True)
class PageSection:
    """Section as the template lays it out, with its plots and the texts of its cells.

    ``classes`` are the attributes of the cells of each column: numbers are right-aligned, texts left-aligned with a
    minimum width.  Thousands of cells without a class make a smaller page.
    """

    anchor: str
    section: Section
    charts: list[Chart]
    classes: list[Markup]
    min_widths_ch: list[int]
    cells: list[list[str]]


def to_html(page: Page) -> str:
    blocks = [
        PageSection(
            f"section-{number}",
            section,
            [page.charts[name] for name in names],
            [Markup(' class="number"' if column.kind.is_number else "") for column in section.columns],
            _min_widths_ch(section),
            _cells(section),
        )
        for number, (section, names) in enumerate(with_plots(page.sections, page.charts), start=1)
    ]
    drawn = any(block.charts for block in blocks)
    template = _environment().get_template("page.html")
    return template.render(
        page=page,
        blocks=blocks,
        instructions=INSTRUCTIONS if drawn else "",
        style=_asset("style.css"),
        script=_asset("page.js"),
        own_script=Markup(page.script),
        plotly=Markup(_plotly_gzip_base64()) if drawn else "",
    )


def _cells(section: Section) -> list[list[str]]:
    """Return the texts of a section's cells, those of links as markup."""
    return [
        [
            Markup('<a href="{}">{}</a>').format(value.address, _printed(text)) if isinstance(value, Link) else text
            for value, text in zip(row, texts, strict=True)
        ]
        for row, texts in zip(section.rows, section.cells, strict=True)
    ]


def _min_widths_ch(section: Section) -> list[int]:
    longest = [max(map(len, texts)) for texts in zip(*section.cells, strict=True)]
    return [
        0 if column.kind.is_number else min(MAX_MIN_WIDTH_CH, length)
        for column, length in zip(section.columns, longest, strict=True)
    ]


def _printed(value: Any) -> Any:
    """Clean and cut text for the template like the other outputs, except the page's own markup."""
    return _unbroken(clean(value)) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _unbroken(text: str) -> str:
    """Put a no-break space between each number and its unit, which no line may part."""
    return BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bench.document.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["trusted"] = Markup  # for markup made by the page, never for a record's text
    return environment


@cache
def _plotly_gzip_base64() -> str:
    """Return Plotly's JavaScript, as the installed package has it, gzipped from 5 MB to 2 MB, as Base64; deterministic.

    Browsers since 2023 decompress it natively (``DecompressionStream``).
    """
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 4, mtime=0)).decode("ascii")


def _asset(name: str) -> Markup:
    return Markup(files("bench.document.html").joinpath("templates", name).read_text(encoding="utf-8"))
