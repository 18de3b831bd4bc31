"""``python -m bench report``: report of an existing run."""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli
from bench.cli.candidates import run_ids
from bench.errors import RecordError


@click.command()
@click.argument("run_id", required=False, shell_complete=run_ids)
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True, help="Folder of the runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead.")
@click.option("--all", "whole", is_flag=True, help="Print every section; without, the answer and the ranking.")
@cli.one_sentence
def report(run_id: str | None, runs_dir: Path, as_json: bool, whole: bool) -> None:
    """Write and print the report of RUN_ID (a run's id or folder, or a committed record; default: the latest run).

    \b
    Examples:
      python -m bench report
      python -m bench report results/records/amd-epyc-2-cores/2026-11-24-7b3b1d4
      python -m bench report --json | jq .reference_runs

    \b
    Exit codes:
      0  the report was written
      2  the run was not found or cannot be read, or the report was shown and cannot be written
    """
    from bench.report.write import analysis_of, print_report, summary_json, write_report

    analysis = analysis_of(cli.run_folder(run_id, runs_dir))
    failure = None
    try:
        written = write_report(analysis)
    except RecordError as error:  # raised below: a record that may only be read is shown, too
        failure = error
    if as_json:
        cli.write(summary_json(analysis) + "\n")
    else:
        print_report(analysis, cli.console, whole)
    if failure:
        raise failure
    if not as_json:
        cli.console.print(f"report: {written}, and report.html beside it", markup=False, highlight=False)
