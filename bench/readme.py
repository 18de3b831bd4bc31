"""The README's result table, generated from a committed record: never typed by hand."""

from __future__ import annotations

from pathlib import Path

from tabulate import tabulate

from bench.errors import BenchError
from bench.frames import load_runs
from bench.record import RunFolder
from bench.report import sections, summarize
from bench.units import MISSING, format_interval, format_percent, format_seconds

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
WANTED = {  # (harness, cache, measurement) -> what the README calls it
    ("data", None, "load"): "loading",
    ("compile", "cold", "compile"): "compilation, cold cache",
    ("compile", "warm", "compile"): "compilation, warm cache",
    ("epoch", "warm", "train_epoch"): "training epoch",
    ("epoch", "warm", "validate_epoch"): "validation epoch",
}


def results_block(record: Path) -> str:
    """Markdown: the answer in a sentence, the table, and where it comes from."""
    folder = RunFolder.open(record)
    frames = load_runs(record)
    summary = summarize(folder, frames)
    machine, commit = folder.header["machine"], folder.header["commit"]["id"]
    rows = []
    for run in summary["reference_runs"]:
        total = run["total_seconds"]
        rows.append(
            [
                f"canonical run, {run['backend']}/{run['variant']} on {run['device']}",
                str(total["num_processes"]),
                format_seconds(total["center"]),
                format_interval(total["low"], total["high"]),
            ]
        )
    for measured in summary["measurements"]:
        name = WANTED.get((measured["harness"], measured["cache"], measured["measurement"]))
        if name:
            interval = format_interval(measured["low"], measured["high"])
            rows.append([name, str(measured["num_processes"]), format_seconds(measured["center"]), interval])
    accuracies = [format_percent(accuracy) for accuracy in frames.results["test_accuracy"].dropna()]
    answer = [text for text in sections(folder, frames)[0].sentences if "canonical" in text]
    lines = [
        *answer,
        "",
        tabulate(rows, ["what", "processes", "median", "95 % interval"], tablefmt="github", disable_numparse=True),
        "",
        f"Test accuracy by seed: {', '.join(accuracies) or MISSING}. Measured on {machine['cpu_model']}, "
        f"{machine['usable_cores']} cores, {machine['blas']['name']}, {machine['python']}, "
        f"NumPy {machine['packages']['numpy']}, at commit {commit[:7] if commit else MISSING}, "
        f"{folder.header['started_at'][:10]}; record: `{record.as_posix()}`.",
    ]
    return "\n".join(lines)


def with_results(readme: str, block: str) -> str:
    """``readme`` with ``block`` between its two marks; raises BenchError if they are not there."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"the README has no {BEGIN} ... {END}: put the two marks where the table belongs.")
    return f"{head}{BEGIN}\n{block}\n{END}{tail}"


def newest_record(records: Path) -> Path:
    """The committed record that was measured last."""
    found = sorted(records.glob("*/*/run.json"), key=lambda path: RunFolder.open(path.parent).header["started_at"])
    if not found:
        raise BenchError(
            f"{records} holds no records: copy a finished run there, as {records}/<machine>/<date>-<commit>."
        )
    return found[-1].parent
