"""Output of a gate report: terminal, files, and the summary of a GitHub job."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.document.section import to_markdown, to_terminal
from bench.errors import RecordError
from bench.gate.outputs import sections, to_json, to_junit
from bench.gate.report import GateReport
from bench.records import files
from bench.records.run_folder import as_json, sources_of

OPTIONS = {"--json": "json_path", "--junit": "junit", "--markdown": "markdown"}
READ = ("again", "trace", "baseline")  # options that name what is read
SUMMARY = "GITHUB_STEP_SUMMARY"  # GitHub's name of the file that a job may add Markdown to


def check_targets(options: dict[str, Any]) -> None:
    """Raise RecordError before measuring unless the files that ``options`` name can be written, and are not inputs."""
    read = [Path(options[name]) for name in READ if options.get(name)]
    sources = [source for path in read for source in sources_of(path)]
    files.check({option: options[name] for option, name in OPTIONS.items()}, sources)


def emit(report: GateReport, console: Console, options: dict[str, Any]) -> None:
    """Print the report, and write it to the files named by ``options`` and GITHUB_STEP_SUMMARY."""
    if not any(files.is_stdout(options[name]) for name in OPTIONS.values()):
        to_terminal(report.headline, sections(report), console)
    write(report, options)


def write(report: GateReport, options: dict[str, Any]) -> None:
    """Write the files; a write error is a warning and changes neither the verdict nor the exit code."""
    markdown = to_markdown(report.headline, sections(report))
    texts = {"--json": as_json(to_json(report)), "--junit": to_junit(report), "--markdown": markdown}
    write_each(texts, {option: options[name] for option, name in OPTIONS.items()})
    if summary := os.environ.get(SUMMARY):
        _or_warn(files.append, summary, markdown, f"name another file with {SUMMARY}")


def write_each(texts: Mapping[str, str], targets: Mapping[str, Path | str | None]) -> None:
    """Write the text of each option to its target, if it has one; a write error is a warning."""
    for option, text in texts.items():
        if target := targets[option]:
            _or_warn(files.write, target, text, f"name another file with {option}")


def json_only(target: Path | str | None, content: dict[str, Any]) -> bool:
    """Write ``content`` to the target of --json; return True for stdout, where no other output may follow."""
    if target:
        files.write(target, as_json(content), "name another file with --json")
    return files.is_stdout(target)


def _or_warn(write_one: Callable[[Path | str, str, str], None], target: Path | str, text: str, remedy: str) -> None:
    try:
        write_one(target, text, remedy)
    except RecordError as error:
        click.echo(f"warning: {error}", err=True)
