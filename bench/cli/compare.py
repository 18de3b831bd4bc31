"""``python -m bench compare``: several runs, machines or software versions side by side."""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli
from bench.cli.candidates import run_ids
from bench.records import files


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN RUN...", shell_complete=run_ids)
@click.option("--base", default=None, metavar="RUN", help="The run whose score is 1. Default: the first.")
@click.option(
    *("--price-per-hour", "prices"),
    multiple=True,
    metavar="[RUN=]PRICE",
    help="Price of an hour of a run's machine, or of every machine; repeat for several.",
)
@click.option("--markdown", type=cli.PATH, default=None, help="Write the comparison to this file.")
@click.option("--csv", type=cli.PATH, default=None, help="Write the ratios to this file, one per row.")
@click.option(
    *("--json", "json_path"), type=cli.PATH, metavar="FILE|-", help="Write all results to this file; - is stdout."
)
@click.option("--html", type=cli.PATH, default=None, help="Write an HTML page with plots to this file.")
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True, help="Folder of the runs.")
@click.option("--records-dir", type=cli.PATH, default=cli.RECORDS, show_default=True, help="Folder of the records.")
@cli.one_sentence
def compare(
    runs: tuple[str, ...],
    base: str | None,
    prices: tuple[str, ...],
    markdown: Path | None,
    csv: Path | None,
    json_path: Path | None,
    html: Path | None,
    runs_dir: Path,
    records_dir: Path,
) -> None:
    """Compare RUNs phase by phase and stack by stack: ratios with intervals, a score, hardware against use, cost.

    A RUN is a run's id or folder, a committed record, "latest", or a file that mlp-bench export, pytest-benchmark,
    pyperf, hyperfine or asv wrote as JSON, compressed or not. Runs that differ in dataset, recipe or precision are
    refused; measurements of only some runs are listed.

    \b
    Examples:
      python -m bench compare 20260102-030405-0123456 latest
      python -m bench compare results/records/amd-epyc-2-cores/* --markdown comparison.md
      python -m bench compare laptop server --base server --price-per-hour server=0.5
      python -m bench compare laptop server --json - | jq .scores

    \b
    Exit codes:
      0  the runs were compared
      2  bad input, or runs that cannot be compared, with the reason
    """
    from bench.document.section import to_markdown, to_terminal
    from bench.records.find import find
    from bench.records.run_folder import as_json, sources_of
    from bench.report.compare import comparison, sections, sides, tables

    sources = [source for run in runs for source in sources_of(find(run, runs_dir, records_dir))]
    quiet = files.check({"--markdown": markdown, "--csv": csv, "--json": json_path, "--html": html}, sources)
    found = sides.sides(runs, runs_dir, records_dir)
    first = sides.chosen(base, runs, found, "--base") if base is not None else found[0] if found else None
    others = [side for side in found if side is not first]
    compared = comparison.compare(first, others, sides.prices(prices, runs, found))
    parts, details = sections.comparison_sections(compared), sections.detail_sections(compared)
    title = sections.first_line(compared)
    if markdown is not None:
        files.write(markdown, to_markdown(title, [*parts, *details]))
    if csv is not None:
        files.write(csv, tables.to_csv(compared))
    if html is not None:
        from bench.document.html import to_html
        from bench.report.compare.page import comparison_page

        files.write(html, to_html(comparison_page(compared)))
    if json_path is not None:
        files.write(json_path, as_json(tables.to_json(compared)))
    if not quiet:
        to_terminal(title, parts, cli.console)
