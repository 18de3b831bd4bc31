"""``python -m bench doctor``: the requirements of the suite on this machine, with remedies."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from bench import cli


@click.command()
@click.option("--data", type=cli.PATH, default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option(
    "--measure",
    is_flag=True,
    help="Also measure how small a slowdown can be seen here, and tuning parameters: half a minute.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON instead.")
@cli.one_sentence
def doctor(data: Path | None, measure: bool, as_json: bool) -> None:
    """Check the requirements of the suite on this machine, and name remedies for missing ones.

    \b
    Examples:
      python -m bench doctor
      python -m bench doctor --data ~/mnist
      python -m bench doctor --measure
      python -m bench doctor --json | jq '.[] | select(.state != "ok")'

    \b
    Exit codes:
      0  all requirements are met
      1  a requirement is missing; the table names the remedy
    """
    from bench.measure.doctor import MISSING, examine

    findings = examine(data)
    if measure and not any(finding.state == MISSING for finding in findings):
        from bench.gate.fitness import check_fitness

        with cli.errors.status("measuring A against A"):
            findings += check_fitness(data)
    if as_json:
        cli.write_json([asdict(finding) for finding in findings])
    else:
        table = Table("", "state", "what was found", "what to do", show_edge=False)
        for finding in findings:
            table.add_row(finding.subject, finding.state, finding.detail, finding.remedy or "")
        cli.console.print(table, markup=False)
    sys.exit(cli.FAILED if any(finding.state == MISSING for finding in findings) else 0)
