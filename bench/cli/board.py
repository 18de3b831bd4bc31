"""``python -m bench board``: a static site that ranks machines and stacks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from bench import cli
from bench.errors import BenchError


@click.command()
@click.argument("folders", nargs=-1, type=cli.PATH, metavar="[FOLDER]...")
@click.option(
    *("--output", "output"),
    type=cli.PATH,
    default=Path("results/board"),
    show_default=True,
    help="Folder of the site: new, empty, or a board.",
)
@click.option(
    *("--records-dir", "records_dir"),
    type=cli.PATH,
    default=cli.RECORDS,
    show_default=True,
    help="The project's committed results; records elsewhere are marked as not verified here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the ranking as JSON.")
@cli.one_sentence
def board(folders: tuple[Path, ...], output: Path, records_dir: Path, as_json: bool) -> None:
    """Build a static site from all runs in FOLDERs (default: the committed records).

    It ranks machines and stacks by the canonical run, with a page for each machine, any two machines side by side, and
    the data of every view as CSV and JSON. A record enters if its numbers follow from its raw samples; others are
    listed with the reason. Hardware is ranked only where the same code ran.

    \b
    Examples:
      python -m bench board
      python -m bench board results/records ../other-project/results --output site
      python -m bench board --json | jq '.rows[] | select(.rank == 1)'

    \b
    Exit codes:
      0  the site was built; records may have been left out
      2  bad input, or no record can enter
    """
    from bench.report.board.board import read_board, sources
    from bench.report.board.site import check_folder, site_files, write_site
    from bench.report.history import find_runs

    if output == cli.STDOUT:
        raise BenchError("--output names a folder, and - is stdout: --json prints the ranking there.")
    check_folder(output)
    chosen = folders or (records_dir,)
    found = sources(find_runs(chosen), chosen, records_dir)
    made = read_board(cli.progress(found, "reading runs"), datetime.now(UTC).date())
    files = site_files(made)
    write_site(output, files)
    for one in made.left_out[:5]:
        cli.warn(f"left out: {one.record}: {one.reason}")
    if as_json:
        cli.write(files["ranking.json"])
    else:
        text = f"{len(made.rows):,} rows of {len(made.machines):,} machines from {len(made.records):,} records"
        cli.console.print(f"{text}; {len(made.left_out):,} left out: {output / 'index.html'}", markup=False)
