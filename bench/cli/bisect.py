"""``python -m bench bisect``: the commit that made a metric worse."""

from __future__ import annotations

import sys
from typing import Any

import click

from bench import cli

GIT_ABORT = 128  # stops git bisect run, which would take the exit code of bad input, 2, for a bad commit


@click.command()
@click.argument("good", required=False)
@click.argument("bad", required=False)
@click.option("--metric", default=None, help="Metric that became worse. [default: train_epoch]")
@click.option("--effect", type=float, default=None, help="Change that matters, e.g. 0.02. [default: the gate's]")
@click.option("--budget", default=None, help="Time for building and measuring. [default: 15m]")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.99,
    show_default=True,
    help="Probability at which the search stops.",
)
@click.option("--resume", type=cli.PATH, metavar="FILE", help="Continue the bisection that this file keeps.")
@click.option("--from-history", is_flag=True, help="Search the latest step to slower of bench history.")
@click.option("--git-bisect-run", is_flag=True, help="Judge HEAD: exit code 0 good, 1 bad, 125 skip, 128 abort.")
@click.option("--repository", type=cli.PATH, default=None, help="Repository of the commits. [default: this checkout]")
@click.option("--backend", default="theano", show_default=True, help="Backend to measure.")
@click.option("--variant", default=None, help="Its variant. [default: tuned for theano on cpu, else the first]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:<index>.")
@click.option("--data", type=cli.PATH, default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="BLAS threads. [default: usable cores]")
@click.option("--json", "json_path", type=cli.PATH, metavar="FILE", help="Write the result as JSON; - is stdout.")
@click.option("--markdown", type=cli.PATH, help="Write the result as Markdown.")
@click.option("--log", type=cli.PATH, help="Write a log for git bisect replay.")
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True, help="Folder of the runs.")
@cli.one_sentence
def bisect(git_bisect_run: bool, **options: Any) -> None:
    """Find the commit between GOOD and BAD, along first parents, that made a metric worse.

    Both ends are measured beside the commits between them, in turns, as in the gate.  The next block is the one with
    the most expected information per second.  A culprit is stated at the --confidence, and confirmed against its
    parent on fresh blocks.  Commits that do not build are left out and named.  The measurements are kept in --runs-dir.

    \b
    Examples:
      python -m bench bisect v1.0 main
      python -m bench bisect v1.0 main --metric peak_memory --budget 30m --markdown culprit.md
      python -m bench bisect --from-history
      python -m bench bisect --resume results/runs/20261126-101500-3f2a91c-bisect.json
      git bisect run /path/to/mlp-bench/.venv/bin/python -P -m bench bisect --git-bisect-run --repository . v1.0 main

    \b
    Exit codes: 0 culprit found and confirmed (or two steps), 1 the ends do not differ, 2 bad input, 3 an end cannot be
    measured, 4 undecided, 130 interrupted.
    """
    from bench.errors import BenchError
    from bench.gate.bisect import commands
    from bench.gate.processes.launch import SideError
    from mlp.errors import MlpError

    try:
        if git_bisect_run:
            sys.exit(commands.step_of_git_bisect(**options))
        sys.exit(commands.run(cli.console, **options))
    except (BenchError, MlpError) as error:
        if not (git_bisect_run or isinstance(error, SideError)):
            raise
        cli.tell_error(error)
        sys.exit(GIT_ABORT if git_bisect_run else cli.NOTHING_MEASURED)
