"""Report of one run: report.md, report.html, summary.json, CSV files, plots and a terminal summary.

Each module here is a group of sections.  The computed values become both the tables of the report and the numbers of
``summary.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench.advice import make_command
from bench.document.chart import Chart
from bench.document.html import Page, to_html
from bench.document.section import Section, to_markdown, to_terminal, with_plots
from bench.records import files
from bench.records.csv_cells import shielded
from bench.records.datasets import NO_DATASET, dataset_line
from bench.records.header import RunHeader
from bench.records.run_folder import RunFolder
from bench.report.charts import draw_charts, draw_plots
from bench.report.run.ablation import ablation_sections
from bench.report.run.analysis import RunAnalysis
from bench.report.run.answer import answer_section, headline
from bench.report.run.batch_size import all_stacks_sections, stack_sections
from bench.report.run.comparisons import comparison_sections
from bench.report.run.context import (
    FAILED,
    code_section,
    failures_sections,
    machine_section,
    page_facts,
    reproduce_section,
    skipped_sections,
)
from bench.report.run.copies import copies_sections
from bench.report.run.devices import devices_sections
from bench.report.run.harnesses import both_epochs_sections, compile_sections, epoch_sections, loading_sections
from bench.report.run.learning import convergence_sections, time_to_accuracy_sections
from bench.report.run.lower_bound import lower_bound_sections
from bench.report.run.profiles import profile_details, profile_sections
from bench.report.run.projection import projection_sections
from bench.report.run.ranking import cost_sections, ranking_details, ranking_sections
from bench.report.run.reference_runs import reference_sections
from bench.report.run.summary import summarize
from bench.report.run.threads_sections import threads_sections

COMMON = ("mnist", NO_DATASET)  # other data is named in the first line


def analysis_of(run: Path | RunAnalysis) -> RunAnalysis:
    """Return the analysis of a run, read from its folder unless it was made already."""
    return run if isinstance(run, RunAnalysis) else RunAnalysis(RunFolder.open(run))


def write_report(run: Path | RunAnalysis) -> Path:
    """Write the report of a run beside its record; return the path of report.md.

    report.html has the same contents, with interactive plots.

    Raises
    ------
    RecordError
        If the run cannot be read, or the files cannot be written.
    """
    analysis = analysis_of(run)
    folder = analysis.folder
    for name in ("samples", "phases", "epochs", "results", "timeline", "scaling", "processes", "failures"):
        _write(folder.path / f"{name}.csv", shielded(getattr(analysis.recorded, name)).to_csv(index=False))
    _write(folder.path / "summary.json", summary_json(analysis))
    charts, no_charts = draw_charts(analysis)  # after the quick files, so that a folder that is full says so at once
    plots, no_plots = draw_plots(folder.path, charts)
    found = sections(analysis, [*no_plots, *no_charts])
    page = to_html(page_of(analysis, found, charts))
    report = folder.path / "report.md"
    _write(report, to_markdown(first_line(analysis), found, plots))
    _write(folder.path / "report.html", page)
    return report


def summary_json(analysis: RunAnalysis) -> str:
    """Return the text of summary.json."""
    return json.dumps(summarize(analysis), indent=1, allow_nan=False)


def page_of(analysis: RunAnalysis, found: list[Section], charts: Mapping[str, Chart]) -> Page:
    """Return the page of a run with the sections ``found``, which are those of report.md."""
    header = analysis.header
    data, _, dataset = _dataset_line(header).partition(": ")
    failed = any(section.title == FAILED for section in found)
    return Page(
        title=f"mlp-bench report, {header.run_id}",
        headline=headline(analysis),
        sections=found,
        charts=charts,
        facts=[(data, dataset), *page_facts(header)],
        warnings=[f"Something failed or was left out: see the section {FAILED}."] if failed else [],
    )


def _write(path: Path, text: str) -> None:
    remedy = f"make room, or copy its folder to where you may write, then run {make_command('report')}"
    files.write(path, text, f"the record itself is kept: {remedy}")


def print_report(run: Path | RunAnalysis, console: Console, whole: bool = False) -> None:
    """Print the answer, the ranking, and what is missing or failed; name the report's other sections.

    Prints every section if ``whole``, or if there is no ranking.
    """
    analysis = analysis_of(run)
    every = sections(analysis)
    if whole or len(analysis.ranking) < 2:
        to_terminal(first_line(analysis), every, console)
        return
    shown = [
        answer_section(analysis),
        *ranking_sections(analysis.ranking),
        *comparison_sections(analysis.device_ratios, []),
        *projection_sections(analysis.projections),
        *_missing(analysis),
    ]
    to_terminal(first_line(analysis), shown, console)
    titles = {section.title for section in shown}
    rest = [section.title.partition(":")[0] for section, _ in with_plots(every, ()) if section.title not in titles]
    console.print(f"\nOnly in the report: {'; '.join(dict.fromkeys(rest))}.", markup=False, highlight=False)


def first_line(analysis: RunAnalysis) -> str:
    """Return the headline, preceded by the dataset unless it is MNIST or none is needed."""
    line, header = headline(analysis), analysis.header
    return line if header.dataset_identity in COMMON else f"{_dataset_line(header)}. {line}"


def _dataset_line(header: RunHeader) -> str:
    identity = header.dataset_identity
    known = dataset_line(identity)
    return known if identity in COMMON else f"{known}; its accuracy is not compared with the reference"


def sections(analysis: RunAnalysis, problems: Sequence[str] = ()) -> list[Section]:
    """Return the whole report; ``problems`` are sentences about what failed while it was made."""
    ending = [*_missing(analysis, problems), reproduce_section(analysis.header)]
    return [*_findings(analysis), *_details(analysis), *ending]


def _findings(analysis: RunAnalysis) -> list[Section]:
    """Return the answer and the comparison of the stacks."""
    return [
        answer_section(analysis),
        *ranking_sections(analysis.ranking),
        *comparison_sections(analysis.device_ratios, analysis.against_fastest),
        *ablation_sections(analysis.ablation),
        *lower_bound_sections(analysis.lower_bounds, analysis.header),
        *profile_sections(analysis.profiles),
        *all_stacks_sections(analysis.step_curves, analysis.crossovers),
        *threads_sections(analysis.thread_scalings),
        *copies_sections(analysis.copy_scalings),
        *devices_sections(analysis.device_points),
        *cost_sections(analysis.frames),
        *convergence_sections(analysis.accuracies, analysis.verdicts),
        *time_to_accuracy_sections(analysis.times_to_accuracy),
        *projection_sections(analysis.projections),
    ]


def _details(analysis: RunAnalysis) -> list[Section]:
    """Return each stack and harness separately, and the machine."""
    return [
        *ranking_details(analysis.ranking),
        *reference_sections(analysis.frames, analysis.phase_medians),
        Section("Memory over the reference run", plots=["memory"]),
        *loading_sections(analysis.frames),
        *compile_sections(analysis.frames),
        *epoch_sections(analysis.frames),
        *both_epochs_sections(analysis.frames),
        *stack_sections(analysis.step_estimates, analysis.scalings),
        *profile_details(analysis.profiles),
        machine_section(analysis.header, analysis.fitness),
        code_section(analysis.keys),
    ]


def _missing(analysis: RunAnalysis, problems: Sequence[str] = ()) -> list[Section]:
    """Return failures and skipped stacks."""
    failed = [*analysis.learns_worse, *analysis.violations, *analysis.folder.problems, *analysis.left_out]
    failed += analysis.profiles_left_out
    return [*failures_sections(analysis.frames, [*failed, *problems]), *skipped_sections(analysis.header)]
