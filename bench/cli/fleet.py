"""``python -m bench fleet``: the suite on many machines at once."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import cli
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.records.fleet import FleetFolder
    from bench.report.fleet.baseline import Baseline
    from bench.report.fleet.write import FleetReport

RUN_OPTIONS = "run_options"
REFUSED = ("--data", "--resume", "--runs-dir", "--json", "--help")
FLEETS = Path("results/fleet")


class FleetCommand(click.Command):
    """Command whose arguments after ``--`` are options of ``bench run``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = args.index("--") if "--" in args else len(args)
        ctx.meta[RUN_OPTIONS] = args[place + 1 :]
        return super().parse_args(ctx, args[:place])


@click.command(cls=FleetCommand, options_metavar="[OPTIONS] [-- OPTIONS OF BENCH RUN]")
@click.argument("hosts_file", type=cli.PATH, required=False, metavar="[HOSTS.TOML]")
@click.option("--local", type=int, default=None, help="Worker processes on this machine, for trying.")
@click.option("--scheduler", metavar="ADDRESS", default=None, help="Dask scheduler that runs already, e.g. tls://...")
@click.option("--resume", type=cli.PATH, metavar="FOLDER", default=None, help="Ask the hosts for what is missing.")
@click.option("--data", type=cli.PATH, default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--baseline", type=cli.PATH, metavar="FILE", default=None, help="healthy.json of an earlier fleet.")
@click.option("--output", type=cli.PATH, default=FLEETS, show_default=True, help="Folder of the fleet runs.")
@click.option("--json", "as_json", is_flag=True, help="Print hosts, ranking and outliers as JSON.")
@cli.one_sentence
def fleet(**options: Any) -> None:
    """Measure the suite once on each host, alone on it; then compare the hosts and say which is an outlier.

    HOSTS.TOML has a table [[host]] for each: address (as ssh takes it), checkout or python, name, data, labels,
    price_per_hour. Every host must have the same code and data; data that a host lacks is sent to it.

    \b
    Examples:
      python -m bench fleet hosts.toml -- --quick
      python -m bench fleet hosts.toml --baseline results/fleet/20260102-030405/healthy.json
      python -m bench fleet --scheduler tls://head:8786 -- --harness ceilings --harness epoch
      python -m bench fleet --resume results/fleet/20260102-030405 hosts.toml
      python -m bench fleet --local 3 -- --quick

    \b
    Exit codes:
      0    every host was measured
      1    a host was not, or in part only (the rest is on record), or a host is an outlier
      2    bad input; nothing was measured
      3    no host was measured
      130  interrupted; the measurements so far are kept
    """
    from bench.measure.fleet.session import is_open, measure_fleet, open_fleet, source_of
    from bench.report.fleet.baseline import read_baseline

    run_options = click.get_current_context().meta[RUN_OPTIONS]
    _check_run_options(run_options)
    baseline = read_baseline(options["baseline"])
    source = source_of(options["hosts_file"], options["local"], options["scheduler"])
    if is_open(options["scheduler"]):
        cli.warn("a scheduler at tcp:// runs code of all that reach it: let Dask use TLS, and name it by tls://")
    folder, data = open_fleet(source, options["resume"], options["data"], options["output"], run_options, baseline)
    console = cli.errors if options["as_json"] else cli.console
    show = partial(console.print, markup=False, highlight=False)
    show(f"fleet {folder.path}")
    interrupted = False
    try:
        measure_fleet(folder, source, data, lambda host, text: show(f"{host}: {text}"))
    except KeyboardInterrupt:
        interrupted = True
        cli.errors.print(f"interrupted; what was measured is kept: --resume {folder.path} continues it", markup=False)
    _finish(folder, baseline, options["as_json"], console, interrupted)


def _check_run_options(run_options: list[str]) -> None:
    """Refuse options that ``bench run`` does not have, or that the fleet itself gives."""
    from bench.cli.run import run

    for word in run_options:
        if word.partition("=")[0] in REFUSED:
            raise BenchError(f"{word} cannot be given to the hosts: the fleet decides on it.")
    run.make_context("run", list(run_options))


def _finish(
    folder: FleetFolder, baseline: Baseline | None, as_json: bool, console: cli.Console, interrupted: bool
) -> None:
    from bench.document.section import to_terminal
    from bench.report.fleet.write import fleet_report, write_fleet

    report = fleet_report(folder, baseline)
    for problem in write_fleet(report):
        cli.warn(problem)
    to_terminal(report.first_line, report.sections, console)
    console.print(f"report: {folder.path / 'fleet.md'}", markup=False, highlight=False)
    if as_json:
        cli.write_json(report.to_json())
    sys.exit(cli.INTERRUPTED if interrupted else _exit_code(report))


def _exit_code(report: FleetReport) -> int:
    if not report.num_measured:
        return cli.NOTHING_MEASURED
    return 0 if report.all_complete and not report.has_outliers else cli.FAILED
