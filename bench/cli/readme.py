"""``python -m bench readme``: the README's result table, from the newest committed record that has reference runs."""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli
from bench.errors import BenchError
from bench.records import files


@click.command()
@click.option("--readme", type=cli.PATH, default=Path("README.md"), show_default=True)
@click.option("--records", type=cli.PATH, default=Path("results/records"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON instead.")
@cli.one_sentence
def readme(readme: Path, records: Path, as_json: bool) -> None:
    """Write the README's result table anew from the newest committed record that has reference runs.

    \b
    Examples:
      python -m bench readme
      python -m bench readme --records results/records --json

    \b
    Exit codes:
      0  the table was written
      2  there is no record, or the README has no place for the table
    """
    from bench.report.readme import newest_record, results_block, with_results

    record = newest_record(records)
    beside = record.is_relative_to(readme.parent)  # the README is read in many checkouts
    called = (record.relative_to(readme.parent) if beside else record).as_posix()
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{readme} cannot be read ({error.strerror}): name the README with --readme.") from error
    files.write(readme, with_results(text, results_block(record, called)), "name the README with --readme")
    if as_json:
        cli.write_json({"readme": str(readme), "record": record.as_posix()})
        return
    cli.console.print(f"{readme} shows {called}", markup=False, highlight=False)
