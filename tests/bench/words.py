"""The report without its pictures, which take two thirds of the time: for tests that read words and numbers."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from bench.report import write


def write_words(path: Path) -> str:
    """Write the reports of the run in ``path`` with no picture in them; returns the text of report.md."""
    with mock.patch.multiple(write, draw_plots=lambda *_: ({}, []), draw_charts=lambda *_: ({}, [])):
        return write.write_report(path).read_text(encoding="utf-8")


def section(text, title):
    """Return the section of a report in Markdown whose title starts with ``title``."""
    (found,) = [part for part in text.split("## ") if part.startswith(title)]
    return found


def titles(text):
    """Return the titles of all sections."""
    return [line[3:] for line in text.splitlines() if line.startswith("## ")]


def row(text, *starts):
    """Return the cells of the one table row whose first cells are ``starts``."""
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    (found,) = [cells for cells in tables if cells[: len(starts)] == list(starts)]
    return found
