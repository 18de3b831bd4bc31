"""``python -m bench compare``: several runs, machines or software versions side by side."""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN RUN...")
@click.option("--base", default=None, metavar="RUN", help="The run whose score is 1. Default: the first.")
@click.option(
    *("--price-per-hour", "prices"),
    multiple=True,
    metavar="[RUN=]PRICE",
    help="What an hour of a run's machine costs, or of every machine; repeat for several.",
)
@click.option("--markdown", type=click.Path(path_type=Path), default=None, help="Write the comparison here, too.")
@click.option("--csv", type=click.Path(path_type=Path), default=None, help="Write the ratios here, a row for each.")
@click.option("--json", "json_path", default=None, metavar="FILE|-", help="Write everything here; - prints it instead.")
@click.option("--runs-dir", type=click.Path(path_type=Path), default=cli.RUNS, show_default=True)
@click.option("--records-dir", type=click.Path(path_type=Path), default=cli.RECORDS, show_default=True)
@cli.one_sentence
def compare(
    runs: tuple[str, ...],
    base: str | None,
    prices: tuple[str, ...],
    markdown: Path | None,
    csv: Path | None,
    json_path: str | None,
    runs_dir: Path,
    records_dir: Path,
) -> None:
    """Compare RUNs phase by phase and stack by stack: ratios with intervals, a score, hardware against use, cost.

    A RUN is a run's id or folder, a committed record, or "latest". What differs in dataset, recipe or precision is
    refused; what only some runs measured is listed.

    \b
    Examples:
      python -m bench compare 20260102-030405-0123456 latest
      python -m bench compare results/records/amd-epyc-2-cores/* --markdown comparison.md
      python -m bench compare laptop server --base server --price-per-hour server=0.5
      python -m bench compare laptop server --json - | jq .scores

    Exit codes: 0 compared, 2 bad input, or runs that cannot be compared.
    """
    from bench.compare import comparison, sections, sides, tables
    from bench.files import write_text
    from bench.render import to_markdown, to_terminal

    found = sides.sides(runs, runs_dir, records_dir)
    first = sides.chosen(base, runs, found, "--base") if base is not None else found[0] if found else None
    others = [side for side in found if side is not first]
    compared = comparison.compare(first, others, sides.prices(prices, runs, found))
    parts, details = sections.comparison_sections(compared), sections.detail_sections(compared)
    title = sections.first_line(compared)
    if markdown is not None:
        write_text(markdown, to_markdown(title, [*parts, *details]))
    if csv is not None:
        write_text(csv, tables.to_csv(compared))
    if json_path == "-":
        click.echo(tables.to_json(compared))
        return
    if json_path is not None:
        write_text(Path(json_path), tables.to_json(compared))
    to_terminal(title, parts, cli.console)
