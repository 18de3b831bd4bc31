"""``python -m tools.readme``: write the README's result table from the newest committed record of reference runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.document.section import Section, escape_markdown
from bench.errors import BenchError
from bench.records.frames import Frames
from bench.records.moments import day
from bench.records.run_folder import RunFolder, started_seconds
from bench.records.stack_key import StackKey, by_stack
from bench.report.load import load_notices
from bench.report.run.analysis import RunAnalysis
from bench.report.run.answer import answer_section
from bench.report.run.ranking import ranking_sections
from bench.report.run.summary import summarize
from bench.units import MISSING, format_interval, format_percent, format_seconds, short_commit

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
FIRST_LOAD, REPEATED_LOAD = ("data", "warm", "first_load"), ("data", None, "load")
WANTED = {  # (harness, cache, measurement) -> label in the README
    FIRST_LOAD: "loading, first of its process",
    REPEATED_LOAD: "loading, repeated",
    ("compile", "cold", "compile"): "compilation, cold cache",
    ("compile", "warm", "compile"): "compilation, warm cache",
    ("epoch", "warm", "train_epoch"): "training epoch",
    ("epoch", "warm", "validate_epoch"): "validation epoch",
}

NAMED = ("numpy", "theano", "pytensor", "jax", "torch")  # packages listed beside the numbers


def results_block(record: Path, called: str | None = None) -> str:
    """Return Markdown: the answer, the tables, and their record, under its path or ``called``."""
    folder = RunFolder.open(record)
    analysis = RunAnalysis(folder)
    summary, frames = summarize(analysis), analysis.recorded
    lines = [
        *(text for notice in load_notices(folder.header, analysis.frames) for text in (notice, "")),
        *(sentence for text in answer_section(analysis).sentences if "canonical" in text for sentence in (text, "")),
        *_canonical_table(summary),
        "",
        *(line for section in ranking_sections(analysis.ranking) for line in _ranking_table(section)),
        _provenance(folder, frames, called or record.as_posix()),
    ]
    return "\n".join(lines)


def _canonical_table(summary: dict[str, Any]) -> list[str]:
    """Return the canonical stack's table, one row per part."""
    rows = []
    for run in summary["reference_runs"]:
        if _is_canonical(run):
            name = f"canonical run, {run['backend']}/{run['variant']} on {run['device']}"
            rows.append([name, *_cells(run["total_seconds"])])
    measured = {
        (one["harness"], one["cache"], one["measurement"]): one
        for one in summary["measurements"]
        if one["backend"] is None or _is_canonical(one)
    }
    if FIRST_LOAD in measured:  # part of the reference clock; older records have only repeated loads
        measured.pop(REPEATED_LOAD, None)
    rows += [[name, *_cells(measured[key])] for key, name in WANTED.items() if key in measured]
    headers = ["what", "processes", "median", "95 % interval"]
    return [tabulate(rows, headers, tablefmt="github", disable_numparse=True)]


def _is_canonical(keys: dict[str, Any]) -> bool:
    return StackKey(**{name: keys.get(name) for name in StackKey._fields}).is_canonical


def _cells(estimate: dict[str, Any]) -> list[str]:
    interval = format_interval(estimate["low"], estimate["high"])
    return [str(estimate["num_processes"]), format_seconds(estimate["center"]), interval]


def _ranking_table(section: Section) -> list[str]:
    """Return the ranking of all stacks of the run, with the report's sentences."""
    table = tabulate(section.cells, section.headers, tablefmt="github", disable_numparse=True)
    return [line for text in (*section.sentences, table) for line in (text, "")]


def _provenance(folder: RunFolder, frames: Frames, called: str) -> str:
    machine, commit = folder.header["machine"], folder.header["commit"]["id"]
    canonical = [results for stack, results in by_stack(frames.results) if stack.is_canonical]
    accuracies = [format_percent(accuracy) for results in canonical for accuracy in results["test_accuracy"].dropna()]
    packages = [f"{name} {version}" for name, version in machine["packages"].items() if version and name in NAMED]
    cpu = escape_markdown(machine["cpu_model"])
    return (
        f"Test accuracy by seed: {', '.join(accuracies) or MISSING}. Measured on {cpu}, "
        f"{machine['usable_cores']} cores, {machine['blas']['name']}, {machine['python']}, {', '.join(packages)}, at "
        f"commit {short_commit(commit)}, {day(folder.header.get('started_at')) or MISSING}; record: `{called}`."
    )


def with_results(readme: str, block: str) -> str:
    """Replace the block between the two marks of ``readme``; raise BenchError if they are missing."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"the README has no {BEGIN} ... {END}: put the two marks where the table belongs.")
    return f"{head}{BEGIN}\n{block}\n{END}{tail}"


def newest_record(records: Path) -> Path:
    """Return the newest committed record with reference runs of the canonical stack.

    Raises BenchError if there is none.
    """
    headers = {path.parent: RunFolder.open(path.parent).header for path in records.glob("*/*/run.json")}
    found = [path for path, header in headers.items() if _has_reference_runs(header)]
    if not found:
        raise BenchError(
            f"{records} holds no records of the reference run: copy a finished run there, as "
            f"{records}/<machine>/<date>-<commit>."
        )
    return max(found, key=started_seconds)


def _has_reference_runs(header: dict[str, Any]) -> bool:
    cases = [planned["case"] for planned in header["plan"]]
    return any(case["harness"] == "reference" and _is_canonical(case) for case in cases)


if __name__ == "__main__":
    readme, record = Path("README.md"), newest_record(Path("results/records"))
    readme.write_text(with_results(readme.read_text(encoding="utf-8"), results_block(record)), encoding="utf-8")
    print(f"{readme} shows {record}")
