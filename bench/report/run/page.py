"""Page of one run, with the facts and warnings at its top."""

from __future__ import annotations

from collections.abc import Mapping

from bench.document.chart import Chart
from bench.document.html.page import Page
from bench.document.section import Section
from bench.records.header import RunHeader
from bench.report.run.context import FAILED
from bench.units import MISSING


def run_page(
    header: RunHeader, dataset: str, headline: str, sections: list[Section], charts: Mapping[str, Chart]
) -> Page:
    """Return the page; ``dataset`` is the line on the data used, ``sections`` are those of report.md."""
    failed = any(section.title == FAILED for section in sections)
    return Page(
        title=f"mlp-bench report, {header.run_id}",
        headline=headline,
        sections=sections,
        charts=charts,
        facts=[*dataset_fact(dataset), *_facts(header)],
        warnings=[f"Something failed or was left out: see the section {FAILED}."] if failed else [],
    )


def dataset_fact(line: str) -> list[tuple[str, str]]:
    name, _, value = line.partition(": ")
    return [(name, value)]


def _facts(header: RunHeader) -> list[tuple[str, str]]:
    machine, commit = header.machine, header.commit
    cores = machine.get("usable_cores")
    cpu = str(machine.get("cpu_model") or MISSING) + (f", {cores} cores" if cores else "")
    gpus = ", ".join(str(gpu.get("name") or MISSING) for gpu in header.gpus) or "none"
    return [
        ("CPU", cpu),
        ("GPU", gpus),
        ("Started", str(header.started_at or MISSING)),
        ("Commit", f"{commit.id or MISSING}{' with uncommitted changes' if commit.dirty else ''}"),
        ("Run", header.run_id),
    ]
