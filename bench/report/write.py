"""Report of one run: report.md, report.html, summary.json, CSV files, plots and a terminal summary.

Each module here is a group of sections.  The computed values become both the tables of the report and the numbers of
``summary.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from bench.document.html import to_html
from bench.document.section import Section, to_markdown, to_terminal
from bench.records import files
from bench.records.csv_cells import shielded
from bench.records.datasets import dataset_identity, dataset_line
from bench.records.frames import Frames, frames_of, trustworthy
from bench.records.run_folder import RunFolder
from bench.report.charts import draw_charts
from bench.report.run.ablation import ablation_sections
from bench.report.run.answer import answer_section, headline
from bench.report.run.batch_size import all_stacks_sections, stack_sections
from bench.report.run.comparisons import comparison_sections
from bench.report.run.context import failures_sections, machine_section, reproduce_section, skipped_sections
from bench.report.run.harnesses import both_epochs_sections, compile_sections, epoch_sections, loading_sections
from bench.report.run.learning import convergence_sections, learns_worse, time_to_accuracy_sections
from bench.report.run.lower_bound import light_sections
from bench.report.run.page import run_page
from bench.report.run.plots import draw_plots
from bench.report.run.profiles import Explained, explained, profile_details, profile_sections
from bench.report.run.projection import projection_sections, projections
from bench.report.run.ranking import RANKING, cost_sections, ranking, ranking_sections
from bench.report.run.rates import TRAINING_FLOP_PER_EXAMPLE
from bench.report.run.reference_runs import reference_sections
from bench.report.run.summary import summarize

__all__ = [
    "TRAINING_FLOP_PER_EXAMPLE",
    "first_line",
    "learns_worse",
    "print_report",
    "sections",
    "summarize",
    "write_report",
]


def write_report(path: Path) -> Path:
    """Write the report of the run in ``path`` beside its record; return the path of report.md.

    report.html has the same contents, with interactive plots.

    Raises
    ------
    RecordError
        If the run cannot be read, or the files cannot be written.
    """
    folder = RunFolder.open(path)
    frames = frames_of([folder])
    header, drawn = folder.header, trustworthy(frames)[0]
    profiled, left_out = explained(folder)
    plots, no_plots = draw_plots(folder.path, drawn)
    charts, no_charts = draw_charts(header, drawn, [one.step for one in profiled])
    found = sections(folder, frames, [*left_out, *no_plots, *no_charts], profiled)
    page = to_html(run_page(header, _dataset_line(header), headline(header, drawn), found, charts))
    for name in ("samples", "phases", "epochs", "results", "timeline", "processes", "failures"):
        _write(folder.path / f"{name}.csv", shielded(getattr(frames, name)).to_csv(index=False))
    _write(folder.path / "summary.json", json.dumps(summarize(folder, frames, profiled), indent=1, allow_nan=False))
    report = folder.path / "report.md"
    _write(report, to_markdown(first_line(header, drawn), found, plots))
    _write(folder.path / "report.html", page)
    return report


def _write(path: Path, text: str) -> None:
    files.write(path, text, "the record itself is kept: make room, then run make report")


def print_report(path: Path, console: Console) -> None:
    """Print the report: of one stack completely, of several stacks without the details."""
    folder = RunFolder.open(path)
    profiled, left_out = explained(folder)
    frames = frames_of([folder])
    parts = _parts(folder, frames, left_out, profiled)
    several = any(section.title == RANKING for section in parts.findings)
    shown = [*parts.findings, *([] if several else parts.details), *parts.circumstances]
    to_terminal(first_line(folder.header, trustworthy(frames)[0]), shown, console)


def first_line(header: dict[str, Any], frames: Frames) -> str:
    """Return the headline, preceded by the dataset unless it is MNIST."""
    line = headline(header, frames)
    return line if dataset_identity(header) == "mnist" else f"{_dataset_line(header)}. {line}"


def _dataset_line(header: dict[str, Any]) -> str:
    identity = dataset_identity(header)
    known = dataset_line(identity)
    return known if identity == "mnist" else f"{known}; its accuracy is not compared with the reference"


class Parts(NamedTuple):
    """Parts of the report, in order."""

    findings: list[Section]  # the answer and the comparison of the stacks
    details: list[Section]  # each stack and harness separately, and the machine
    circumstances: list[Section]  # failures, skipped stacks, reproduction


def sections(
    folder: RunFolder, frames: Frames, problems: Sequence[str] = (), profiled: Sequence[Explained] = ()
) -> list[Section]:
    """Return all sections; ``problems`` are sentences about errors while the report was made."""
    return [section for part in _parts(folder, frames, problems, profiled) for section in part]


def _parts(folder: RunFolder, frames: Frames, problems: Sequence[str], profiled: Sequence[Explained]) -> Parts:
    header = folder.header
    frames, left_out = trustworthy(frames)
    ranked = ranking(header, frames)
    failed = [*learns_worse(frames, header), *folder.problems, *left_out, *problems]
    return Parts(
        findings=[
            answer_section(header, frames, ranked),
            *ranking_sections(ranked),
            *comparison_sections(frames, ranked),
            *ablation_sections(header, frames),
            *light_sections(header, frames),
            *profile_sections(profiled),
            *all_stacks_sections(frames),
            *cost_sections(frames),
            *convergence_sections(header, frames),
            *time_to_accuracy_sections(frames),
            *projection_sections(projections(header, frames)),
        ],
        details=[
            *reference_sections(frames),
            Section("Memory over the reference run", plots=["memory"]),
            *loading_sections(frames),
            *compile_sections(frames),
            *epoch_sections(frames),
            *both_epochs_sections(frames),
            *stack_sections(frames),
            *profile_details(profiled),
            machine_section(header),
        ],
        circumstances=[
            *failures_sections(frames, failed),
            *skipped_sections(header),
            reproduce_section(header),
        ],
    )
