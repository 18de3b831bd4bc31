"""Where a gate report goes: the terminal, files, and the summary of a GitHub job."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.errors import BenchError
from bench.gate.outputs import sections, to_json, to_junit
from bench.gate.report import GateReport
from bench.record import write_json
from bench.render import to_markdown, to_terminal

STDOUT = "-"


def check_targets(options: dict[str, Any]) -> None:
    """Raise BenchError unless the files that ``options`` name can be written: before a minute is spent on them."""
    for name in ("json", "junit", "markdown"):
        path = options["json_path" if name == "json" else name]
        if path and str(path) != STDOUT and not Path(path).parent.is_dir():
            raise BenchError(f"{Path(path).parent} is no folder: name another file with --{name}.")


def emit(report: GateReport, console: Console, options: dict[str, Any]) -> None:
    """Print the report, and write it wherever ``options`` or GITHUB_STEP_SUMMARY name a file.

    Raises BenchError or RecordError if a file cannot be written.
    """
    if not json_only(options["json_path"], to_json(report)):
        to_terminal(report.headline, sections(report), console)
    if options["junit"]:
        _write(options["junit"], to_junit(report), "w", "--junit")
    markdown = to_markdown(report.headline, sections(report))
    if options["markdown"]:
        _write(options["markdown"], markdown, "w", "--markdown")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary), markdown, "a", "GITHUB_STEP_SUMMARY")


def json_only(target: Path | str | None, content: dict[str, Any]) -> bool:
    """Write ``content`` where --json says; whether that was stdout, where nothing else must follow."""
    if str(target) == STDOUT:
        standard = json.loads(json.dumps(content), parse_constant=lambda name: None)  # JSON has no NaN
        click.echo(json.dumps(standard, indent=1))
    elif target:
        write_json(Path(target), content, "name another file with --json")
    return str(target) == STDOUT


def _write(path: Path, text: str, mode: str, named_by: str) -> None:
    try:
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BenchError(f"cannot write {path} ({error.strerror}): name another file with {named_by}.") from error
