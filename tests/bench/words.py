"""The report without its pictures, which take two thirds of the time: for tests that read words and numbers."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from bench.report import write


def write_words(path: Path) -> str:
    """Write the reports of the run in ``path`` with no picture in them; returns the text of report.md."""
    with mock.patch.multiple(write, draw_plots=lambda *_: ({}, []), draw_charts=lambda *_: ({}, [])):
        return write.write_report(path).read_text(encoding="utf-8")
