"""``python -m bench history``: changes over many runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from bench import cli
from bench.errors import BenchError
from bench.records import files


@click.command()
@click.argument("folders", nargs=-1, type=cli.PATH, metavar="[FOLDER]...")
@click.option("--stack", default=None, help="Only stacks whose name contains this, e.g. theano/tuned.")
@click.option("--measurement", default=None, help="Only this measurement, e.g. train_step; or all.")
@click.option("--all", "everything", is_flag=True, help="List unchanged series, too, run by run.")
@click.option("--svg", type=cli.PATH, default=None, help="Draw the trends to this file.")
@click.option("--markdown", type=cli.PATH, default=None, help="Write the history to this file.")
@click.option("--csv", type=cli.PATH, default=None, help="Write one row per run and metric to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print all results as JSON.")
@cli.one_sentence
def history(
    folders: tuple[Path, ...],
    stack: str | None,
    measurement: str | None,
    everything: bool,
    svg: Path | None,
    markdown: Path | None,
    csv: Path | None,
    as_json: bool,
) -> None:
    """Show the changes over the runs in FOLDERs (default: all local runs and committed records).

    Series are kept apart by machine, dataset and recipe. CSV and JSON hold every measurement, the rest the main ones
    that changed.

    \b
    Examples:
      python -m bench history
      python -m bench history results/records --stack theano/tuned --svg trends.svg
      python -m bench history --measurement all --all --markdown history.md
      python -m bench history --json | jq '.series[] | select(.shape == "steps")'

    \b
    Exit codes:
      0  the history was shown, with or without changes
      2  bad input, or no run can be read
    """
    from bench.document.section import to_markdown, to_terminal
    from bench.records.run_folder import sources_of
    from bench.report import history as runs_over_time
    from bench.report.history import plot, sections, tables

    paths = runs_over_time.find_runs(folders or (cli.RUNS, cli.RECORDS))
    targets = {"--svg": svg, "--markdown": markdown, "--csv": csv, "--json": cli.STDOUT if as_json else None}
    quiet = files.check(targets, (source for path in paths for source in sources_of(path)))
    found = runs_over_time.history(cli.progress(paths, "reading runs"))

    def wanted(metric) -> bool:
        named = sections.is_headline(metric) if measurement is None else measurement in ("all", metric.measurement)
        return named and (stack is None or stack in metric.stack)

    metrics = [series.metric for series in found.series]
    of_stack = [metric for metric in metrics if stack is None or stack in metric.stack]
    if stack is not None and not of_stack:
        raise _no_run(stack, (metric.stack for metric in metrics))
    if measurement not in (None, "all") and not any(map(wanted, metrics)):
        raise _no_run(measurement, (metric.measurement for metric in of_stack))

    parts = sections.history_sections(found, wanted, everything)
    title = f"Runs: {found.num_runs}; conditions: {len(found.conditions)}; series: {len(found.series)}"
    if svg is not None:
        files.write(svg, plot.trend_svg([series for series in found.series if wanted(series.metric)]))
    if markdown is not None:
        files.write(markdown, to_markdown(title, parts))
    if csv is not None:
        files.write(csv, tables.to_csv(found))
    if as_json:
        cli.write_json(tables.to_json(found))
    if not quiet:
        to_terminal(title, parts, cli.console)


def _no_run(wanted: str, measured: Iterable[str]) -> BenchError:
    known = ", ".join(filter(None, dict.fromkeys(measured)))  # loading has no stack
    return BenchError(f"no run measured {wanted!r}; measured were {known or 'none'}.")
