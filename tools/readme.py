"""``python -m tools.readme``: write the results and pictures of README and docs from the newest committed records.

These are the newest record with reference runs of the canonical stack, and the newest ones on a GPU.
"""

from __future__ import annotations

import io
import json
import math
import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from tabulate import tabulate

from bench.document.section import escape_markdown, to_terminal
from bench.errors import BenchError
from bench.records.header import RunHeader
from bench.records.moments import day
from bench.records.run_folder import RunFolder, started_seconds
from bench.records.stack_key import StackKey, by_stack
from bench.report.load import load_notices
from bench.report.run.analysis import RunAnalysis
from bench.report.run.answer import answer_section
from bench.report.run.ranking import RankedStack, ranking_sections
from bench.report.run.summary import summarize
from bench.report.write import first_line
from bench.stats.estimates import Estimate
from bench.stats.rate import Rate
from bench.units import MISSING, format_interval, format_number, format_percent, format_seconds, short_commit
from mlp import registry
from mlp.recipe import REFERENCE
from tools import conformance
from tools.pictures import CONFORMANCE, FLEET_POWER, analysed, pictures, write_first_screen

README, RESULTS = Path("README.md"), Path("docs/results.md")
BACKENDS, FLEET = Path("docs/backends.md"), Path("docs/fleet.md")
TERMINAL_COLUMNS = 120
FIRST_LOAD, REPEATED_LOAD = ("data", "warm", "first_load"), ("data", None, "load")
WANTED = {  # (harness, cache, measurement) -> label in the README
    FIRST_LOAD: "loading, first of its process",
    REPEATED_LOAD: "loading, repeated",
    ("compile", "cold", "compile"): "compilation, cold cache",
    ("compile", "warm", "compile"): "compilation, warm cache",
    ("epoch", "warm", "train_epoch"): "training epoch",
    ("epoch", "warm", "validate_epoch"): "validation epoch",
}

NAMED = tuple(registry.BUILT_IN)  # packages listed beside the numbers, called as their backends
markdown_table = partial(tabulate, tablefmt="github", disable_numparse=True)


def terminal_block(record: Path) -> str:
    """Return the first line and the ranking, as a terminal shows them."""
    analysis = analysed(record)
    console = Console(file=io.StringIO(), width=TERMINAL_COLUMNS)
    (ranking,) = ranking_sections(analysis.ranking)
    ranking.sentences = []
    to_terminal(first_line(analysis), [ranking], console)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    return "\n".join(["```text", *textwrap.wrap(lines[0], TERMINAL_COLUMNS), *lines[1:], "```"])


def canonical_runs_block(records: list[Path]) -> str:
    """Return a row for each stack with a reference run in these records, fastest reference clock first."""
    rows = []
    for record in records:
        analysis = analysed(record)
        for one in analysis.ranking:
            if (clock := one.reference_clock) is not None:
                rows.append((clock.center, _canonical_row(one, analysis.header)))
    headers = ["stack", "machine", "seeds", "20 epochs", "times as fast as in 2016", "test accuracy"]
    rows.sort(key=lambda row: row[0])
    return markdown_table([row for _, row in rows], headers)


def _canonical_row(one: RankedStack, header: RunHeader) -> list[str]:
    clock = one.reference_clock
    return [
        one.stack.name,
        _cpu(header) if one.stack.device == "cpu" else escape_markdown(header.gpus[0]["name"]),
        str(clock.num_processes),
        format_seconds(clock.center),
        format_number(REFERENCE.total_seconds / clock.center),
        format_percent(one.mean_test_accuracy),
    ]


def results_block(record: Path) -> str:
    """Return Markdown: the answer, the tables, and the path of their record."""
    analysis = analysed(record)
    texts = [
        *load_notices(analysis.header, analysis.frames),
        *(sentence for sentence in answer_section(analysis).sentences if "canonical" in sentence),
        _canonical_table(summarize(analysis)),
    ]
    for ranking in ranking_sections(analysis.ranking):
        texts += [*ranking.sentences, markdown_table(ranking.cells, ranking.headers)]
    return "\n\n".join([*texts, _provenance(analysis, record.as_posix())])


def _canonical_table(summary: dict[str, Any]) -> str:
    """Return the canonical stack's table, one row per part."""
    rows = []
    for run in summary["reference_runs"]:
        if StackKey.of(run).is_canonical:
            name = f"canonical run, {run['backend']}/{run['variant']} on {run['device']}"
            rows.append([name, *_cells(run["total_seconds"])])
    measured = {
        (one["harness"], one["cache"], one["measurement"]): one
        for one in summary["measurements"]
        if one["backend"] is None or StackKey.of(one).is_canonical
    }
    if FIRST_LOAD in measured:  # part of the reference clock; older records have only repeated loads
        measured.pop(REPEATED_LOAD, None)
    rows += [[name, *_cells(measured[key])] for key, name in WANTED.items() if key in measured]
    return markdown_table(rows, ["what", "processes", "median", "95 % interval"])


def _cells(estimate: dict[str, Any]) -> list[str]:
    interval = format_interval(estimate["low"], estimate["high"])
    return [str(estimate["num_processes"]), format_seconds(estimate["center"]), interval]


def _provenance(analysis: RunAnalysis, called: str) -> str:
    header, blas = analysis.header, analysis.header.machine["blas"]["name"]
    canonical = [results for stack, results in by_stack(analysis.recorded.results) if stack.is_canonical]
    accuracies = [format_percent(accuracy) for results in canonical for accuracy in results["test_accuracy"].dropna()]
    return (
        f"Test accuracy by seed: {', '.join(accuracies) or MISSING}. Measured on {_cpu(header)}, {blas}, "
        f"{_software(header)}, {_commit(header)}; record: `{called}`."
    )


def _cpu(header: RunHeader) -> str:
    return escape_markdown(f"{header.machine['cpu_model']}, {header.machine['usable_cores']} cores")


def _software(header: RunHeader) -> str:
    """Return the versions of Python and of the backends' packages."""
    packages = [f"{name} {version}" for name, version in header.packages.items() if version and name in NAMED]
    return ", ".join([header.machine["python"], *packages])


def _commit(header: RunHeader) -> str:
    return f"at commit {short_commit(header.commit.id)}, {day(header.started_at) or MISSING}"


def gpu_block(records: list[Path]) -> str:
    """Return Markdown: the canonical workload on this GPU, a table of all stacks, and the records, by their paths."""
    analyses = {record: analysed(record) for record in records}
    header = analyses[records[0]].header
    card = "{name} (driver {driver}, CUDA {cuda_version})".format(**header.gpus[0])
    texts = [f"Measured on {card} beside {_cpu(header)}."]
    for analysis in analyses.values():
        if analysis.answer is not None and analysis.answer.stack.variant == "as_published":
            texts += [text for text in answer_section(analysis).sentences if "canonical workload" in text]
    return "\n\n".join([*texts, _gpu_table(analyses), *_gpu_provenance(analyses)])


def _gpu_table(analyses: dict[Path, RunAnalysis]) -> str:
    """Return a row for each stack of each record, by training epoch; n of each kind of process stands beside it."""
    stacks = [(record, one) for record, analysis in analyses.items() for one in analysis.ranking]
    stacks.sort(key=lambda pair: pair[1].train_epoch.center if pair[1].train_epoch else math.inf)
    rows = [
        [
            one.stack.name,
            *_center_and_count(one.train_epoch),
            *_center_and_count(one.validate_epoch)[:1],
            *_center_and_count(one.reference_clock),
            format_percent(one.mean_test_accuracy),
            record.name,
        ]
        for record, one in stacks
    ]
    headers = ["stack", "training epoch", "processes", "validation epoch", "reference clock", "seeds", "test accuracy"]
    return markdown_table(rows, [*headers, "record"])


def _center_and_count(estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return [MISSING, MISSING]
    return [format_seconds(estimate.center), str(estimate.num_processes)]


def _gpu_provenance(analyses: dict[Path, RunAnalysis]) -> list[str]:
    headers = [analysis.header for analysis in analyses.values()]
    partial = [record.name for record, one in analyses.items() if one.header.status != "complete"]
    notes = ["Rows of one record were measured side by side, rows of different records were not."]
    if all(header.mode == "quick" for header in headers):
        notes.insert(0, "Quick runs, for a first look and not for a claim: where n is 1 there is no interval.")
    if partial:
        notes.append(f"Ended before their plan was complete: {', '.join(partial)}.")
    folder = next(iter(analyses)).parent.as_posix()
    software = f"{_software(headers[0])} (Theano on cuda: the environment of `make theano-gpu`)"
    return [*notes, f"{software}, {_commit(headers[0])}; records: `{folder}`."]


def fleet_power_block() -> str:
    """Return Markdown: how often simulated fleets of each size name the sick host, and a healthy one."""
    found = json.loads(FLEET_POWER.read_text(encoding="utf-8"))
    rows: dict[float, list[str]] = {}
    for what in ("named", "false_alarms"):
        for row in found["rows"]:
            rows.setdefault(row["factor"], []).append(str(Rate(row[what], row["fleets"])))
    fleets = {row["hosts"]: row["fleets"] for row in found["rows"]}
    headers = [
        "slower by",
        *(f"{what}, {size} hosts" for what in ("sick host named", "healthy host named") for size in fleets),
    ]
    cells = [[format_percent(factor - 1, 0), *rates] for factor, rates in rows.items()]
    table = tabulate(cells, headers, tablefmt="github", disable_numparse=True)
    counts = " and ".join(f"{number} fleets of {size} hosts" for size, number in fleets.items())
    sentence = (
        f"Simulated, in {counts} with {found['num_metrics']} metrics: `{found['command']}` at commit "
        f"{short_commit(found['commit'])}, kept in `{FLEET_POWER}`. Intervals are Wilson's, 95 %."
    )
    return f"{sentence}\n\n{table}"


def with_block(text: str, name: str, block: str) -> str:
    """Replace the block between the two marks of ``name``; raise BenchError if they are missing."""
    first, last = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise BenchError(f"the page has no {first} ... {last}: put the two marks where the block belongs.")
    return f"{head}{first}\n{block}\n{last}{tail}"


def newest_record(records: Path) -> Path:
    """Return the newest committed record with reference runs of the canonical stack.

    Raises BenchError if there is none.
    """
    found = [path for path, header in _headers(records).items() if _has_reference_runs(header)]
    if not found:
        raise BenchError(
            f"{records} holds no records of the reference run: copy a finished run there, as "
            f"{records}/<machine>/<date>-<commit>."
        )
    return max(found, key=started_seconds)


def gpu_records(records: Path) -> list[Path]:
    """Return the newest committed record on a GPU and all others of its machine and commit, in order of time.

    Raises BenchError if there is none.
    """
    headers = {path: header for path, header in _headers(records).items() if header.measures_gpu}
    if not headers:
        raise BenchError(f"{records} holds no record of a run on a GPU: copy one there.")
    newest = max(headers, key=started_seconds)
    found = [
        path
        for path, header in headers.items()
        if path.parent == newest.parent and header.commit == headers[newest].commit
    ]
    return sorted(found, key=started_seconds)


def _headers(records: Path) -> dict[Path, RunHeader]:
    return {path.parent: RunFolder.open(path.parent).header for path in records.glob("*/*/run.json")}


def _has_reference_runs(header: RunHeader) -> bool:
    own = (StackKey.of(entry.case) for entry in header.plan if entry.case.get("harness") == "reference")
    return any(stack.is_canonical for stack in own)


def generated(records: Path) -> dict[Path, str]:
    """Return the text of every page and picture that shows the newest records in ``records``, by its path."""
    cpu, gpu = newest_record(records), gpu_records(records)
    blocks = {
        README: {"terminal": terminal_block(cpu), "results": canonical_runs_block([cpu, *gpu])},
        BACKENDS: {"conformance": conformance.table_of(conformance.newest_record(CONFORMANCE))},
        RESULTS: {"cpu": results_block(cpu), "gpu": gpu_block(gpu)},
        FLEET: {"power": fleet_power_block()},
    }
    return {**{path: _with_blocks(path, names) for path, names in blocks.items()}, **pictures(cpu, records)}


def _with_blocks(path: Path, blocks: Mapping[str, str]) -> str:
    text = path.read_text(encoding="utf-8")
    for name, block in blocks.items():
        text = with_block(text, name, block)
    return text


if __name__ == "__main__":
    RECORDS = Path("results/records")
    for path, text in generated(RECORDS).items():
        path.write_text(text, encoding="utf-8")
        print(path)
    print(*write_first_screen(newest_record(RECORDS)), sep="\n")
