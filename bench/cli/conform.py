"""``python -m bench conform``: the contract suite on one backend, built in or of a plugin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from bench import cli
from bench.cli import candidates
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.measure.conformance.check import StackCheck


@click.command()
@click.argument("name", required=False, shell_complete=candidates.backends)
@click.option("--variant", "variants", multiple=True, help="Variant; repeat.  [default: all that can run]")
@click.option("--device", default="cpu", show_default=True, shell_complete=candidates.devices)
@click.option("--threads", type=int, default=None, help="Threads of each process.  [default: all usable cores]")
@click.option(
    "--limit",
    "limit_seconds",
    type=float,
    default=600,
    show_default=True,
    help="Seconds for one variant, and a quarter of them for one clause.",
)
@click.option("--env", "settings", multiple=True, metavar="NAME=VALUE", help="Environment variable to pass; repeat.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON instead.")
@click.option("--new", "new", type=cli.PATH, default=None, metavar="FOLDER", help="Write a new plugin to fill in.")
@cli.one_sentence
def conform(name: str | None, new: Path | None, as_json: bool, **options: Any) -> None:
    """Check a backend against the contract: NAME is a backend, or the package or distribution that declares it.

    Every clause compares it with a float64 oracle; a violated one is shown with its numbers and the likely cause.

    \b
    Examples:
      python -m bench conform torch --variant eager
      python -m bench conform my-backend --json | jq '.[].conforms'
      python -m bench conform --new my_backend
      python -m bench conform my_backend --device cuda

    \b
    Exit codes:
      0  all clauses hold
      1  a clause is violated or could not be judged
      2  bad input: one sentence on stderr
    """
    if (name is None) == (new is None):
        raise BenchError("give the NAME of a backend, or --new FOLDER for a new one.")
    if new is not None:
        from bench.measure.conformance.template import write_template

        for line in write_template(new):
            cli.console.print(line, markup=False)
        return
    checks = _checks(name, **options)
    if as_json:
        cli.write_json([one.to_json() for one in checks])
    else:
        for one in checks:
            _show(one)
    sys.exit(0 if all(one.conforms for one in checks) else cli.FAILED)


def _checks(
    name: str,
    variants: tuple[str, ...],
    device: str,
    threads: int | None,
    limit_seconds: float,
    settings: tuple[str, ...],
) -> list[StackCheck]:
    from bench.machine.fingerprint import usable_cores
    from bench.measure.conformance.check import check, stacks_to_check
    from bench.measure.environment import check_fit_for_code, planning, read_passed
    from bench.measure.scaling import check_threads
    from mlp.registry import named

    if not limit_seconds > 0 or (threads is not None and threads < 1):
        raise BenchError("--limit and --threads must be greater than 0.")
    check_threads(threads or 1, usable_cores(), "--threads")
    passed = read_passed(settings)
    check_fit_for_code()
    with planning(passed):
        stacks = stacks_to_check(named(name), variants, device)
    found = []
    for stack in stacks:
        with cli.errors.status(f"checking {stack.label}"):
            found.append(check(stack, threads or usable_cores(), passed, limit_seconds))
    return found


def _show(found: StackCheck) -> None:
    verdict = "conforms" if found.conforms else "does not conform"
    cli.console.print(f"{found.stack.label} {verdict}", markup=False)
    table = Table("clause", "state", "numbers", "likely cause", show_edge=False)
    for one in found.results:
        table.add_row(one.title, one.state, one.detail, one.cause or "")
    cli.console.print(table, markup=False)
