"""Files of a fleet run's folder: report, healthy baseline, comparison and board."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from bench.document.html import to_html
from bench.document.section import Section, to_markdown
from bench.errors import BenchError
from bench.records import files
from bench.records.fleet import FleetFolder, HostState
from bench.records.run_folder import as_json
from bench.report.board.board import read_board, sources
from bench.report.board.site import site_files, write_site
from bench.report.compare import compare, sections, tables
from bench.report.compare.page import comparison_page
from bench.report.compare.runs import comparable_run
from bench.report.fleet.baseline import Baseline
from bench.report.fleet.judge import FleetJudgement, judge
from bench.report.fleet.sections import doctor_section, fleet_sections, headline


@dataclass(frozen=True)
class FleetReport:
    folder: FleetFolder
    judgement: FleetJudgement

    @cached_property
    def first_line(self) -> str:
        return headline(self.folder.header, self.judgement)

    @cached_property
    def sections(self) -> list[Section]:
        return fleet_sections(self.folder.header, self.judgement)

    @property
    def num_measured(self) -> int:
        return len(self.folder.runs())

    @property
    def all_complete(self) -> bool:
        done = (HostState.COMPLETE, HostState.DUPLICATE)
        return all(host.state in done and not host.notes for host in self.folder.header.hosts)

    @property
    def has_outliers(self) -> bool:
        return bool(self.judgement.outliers)

    def to_json(self) -> dict[str, Any]:
        header = self.folder.header
        return {
            "fleet_id": header.fleet_id,
            "hosts": [
                {"name": one.name, "state": str(one.state), "reason": one.reason, "processes": one.num_replicates}
                for one in header.hosts
            ],
            "outliers": [
                {"host": one.host, **one.metric._asdict(), "part": one.part, **asdict(one.deviation)}
                for one in self.judgement.outliers
            ],
            "ranking": [
                {"stack": one.stack, "host": one.host, "rank": str(one.rank) if one.rank else None}
                for one in self.judgement.ranking
            ],
        }


def fleet_report(folder: FleetFolder, baseline: Baseline | None = None) -> FleetReport:
    return FleetReport(folder, judge(folder, baseline))


def write_fleet(report: FleetReport) -> list[str]:
    """Write all files into the folder, and return a sentence for each that the hosts do not allow."""
    path, judgement = report.folder.path, report.judgement
    parts = [*report.sections, doctor_section(report.folder)]
    files.write(path / "fleet.md", to_markdown(report.first_line, parts))
    files.write(path / "outliers.json", as_json(report.to_json()))
    if judgement.baseline is not None:
        files.write(path / "healthy.json", as_json(judgement.baseline.to_json()))
    problems = []
    outputs = {"comparison": _write_comparison} if report.num_measured > 1 else {}
    outputs |= {"board": _write_board} if report.num_measured else {}
    for what, write in outputs.items():
        try:
            write(report.folder)
        except BenchError as error:
            problems.append(f"no {what}: {error}")
    return problems


def _write_comparison(folder: FleetFolder) -> None:
    sides = [comparable_run(path, path.name) for path in folder.runs()]
    prices = {host.name: host.price_per_hour for host in folder.header.hosts if host.price_per_hour is not None}
    compared = compare(sides[0], sides[1:], prices)
    parts = [*sections.comparison_sections(compared), *sections.detail_sections(compared)]
    files.write(folder.path / "comparison.md", to_markdown(sections.first_line(compared), parts))
    files.write(folder.path / "comparison.json", as_json(tables.to_json(compared)))
    files.write(folder.path / "comparison.csv", tables.to_csv(compared))
    files.write(folder.path / "comparison.html", to_html(comparison_page(compared)))


def _write_board(folder: FleetFolder) -> None:
    runs = folder.path / "runs"
    found = sources(folder.runs(), (runs,), folder.path / "committed")
    write_site(folder.path / "board", site_files(read_board(found, datetime.now(UTC).date())))
