"""``python -m bench report``: the report of a run, again."""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli


@click.command()
@click.argument("run_id", required=False)
@click.option("--runs-dir", type=click.Path(path_type=Path), default=cli.RUNS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead.")
@cli.one_sentence
def report(run_id: str | None, runs_dir: Path, as_json: bool) -> None:
    """Write and print the report of RUN_ID (a run's id or folder; default: the latest run)."""
    from bench.record import latest_run
    from bench.report import print_report, write_report

    if run_id is None:
        path = latest_run(runs_dir)
    else:
        path = Path(run_id) if Path(run_id).is_dir() else runs_dir / run_id
    written = write_report(path)
    if as_json:
        click.echo((path / "summary.json").read_text())
        return
    print_report(path, cli.console)
    cli.console.print(f"report: {written}, and report.html beside it", markup=False, highlight=False)
