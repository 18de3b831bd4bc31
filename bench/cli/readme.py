"""``python -m bench readme``: the README's result table, from the newest committed record."""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli


@click.command()
@click.option("--readme", type=click.Path(path_type=Path), default=Path("README.md"), show_default=True)
@click.option("--records", type=click.Path(path_type=Path), default=Path("results/records"), show_default=True)
@cli.one_sentence
def readme(readme: Path, records: Path) -> None:
    """Write the README's result table anew from the newest committed record."""
    from bench.readme import newest_record, results_block, with_results

    record = newest_record(records)
    readme.write_text(with_results(readme.read_text(), results_block(record)))
    cli.console.print(f"{readme} shows {record}", markup=False, highlight=False)
