"""``python -m bench gate``: the regression gate."""

from __future__ import annotations

import sys
from typing import Any

import click

from bench import cli


@click.command()
@click.option("--against", metavar="REVISION", help="The base; the working tree is the candidate. [default: main]")
@click.option("--revision-a", metavar="REVISION", help="Base: this revision instead of the working tree.")
@click.option("--revision-b", metavar="REVISION", help="Candidate: likewise.")
@click.option("--python-a", type=cli.PATH, help="Base: this Python or virtual environment.")
@click.option("--python-b", type=cli.PATH, help="Candidate: likewise.")
@click.option("--env-a", multiple=True, metavar="NAME=VALUE", help="Base: with this variable; repeat.")
@click.option("--env-b", multiple=True, metavar="NAME=VALUE", help="Candidate: likewise.")
@click.option("--baseline", metavar="RUN", help="Base: a run or record of this machine instead of a second side.")
@click.option("--backend", default="theano", show_default=True, help="Backend to measure.")
@click.option("--variant", default=None, help="Its variant. [default: tuned for theano on cpu, else the first]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:<index>.")
@click.option(
    "--metric", "metrics", multiple=True, help="Metric to judge, or all; repeat. [default: those decidable in a minute]"
)
@click.option("--budget", default=None, help="Measuring time, e.g. 60s or 5m. [default: pyproject.toml's, or 60s]")
@click.option("--undecided", type=click.Choice(["fail", "pass"]), default=None, help="Exit code 4, or 0, if undecided.")
@click.option("--data", type=cli.PATH, default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="BLAS threads. [default: usable cores]")
@click.option("--inject", type=float, default=1.0, help="Slow B's training steps down, e.g. 1.05: a test of the gate.")
@click.option("--inject-memory", type=float, default=1.0, help="Make B hold more memory, e.g. 1.05.")
@click.option("--calibrate", is_flag=True, help="Measure the gate's error rates here: A/A and injections.")
@click.option("--replay", "trace", type=cli.PATH, help="Replay a noise trace instead of measuring.")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=None,
    help="Gate runs of --replay, or of each row of --calibrate. [default: 2000, 2]",
)
@click.option("--record-noise", type=cli.PATH, help="Record a noise trace of A for --budget.")
@click.option("--again", type=cli.PATH, help="Judge a kept gate run again, without measuring.")
@click.option("--json", "json_path", type=cli.PATH, metavar="FILE", help="Write the verdict as JSON; - is stdout.")
@click.option("--junit", type=cli.PATH, help="Write the verdict as JUnit XML.")
@click.option("--markdown", type=cli.PATH, help="Write the verdict as Markdown.")
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True, help="Folder of the runs.")
@cli.one_sentence
def gate(**options: Any) -> None:
    """Compare two sides on this machine and judge if B, the candidate, is worse than A, the base.

    Each side is the working tree unless you name a revision, run by the backend's Python unless you name another, with
    the variables you set.  Concurrent fresh processes of both sides measure in short turns, together with a null
    control, A against A.  Regressions are confirmed on fresh blocks.  The measurements are kept in --runs-dir.

    \b
    Examples:
      python -m bench gate --against main
      python -m bench gate --revision-a v1.0 --revision-b v1.1 --metric all --budget 5m
      python -m bench gate --python-b .venv-new
      python -m bench gate --env-b MLP_BENCH_TUNED_WITHOUT=update --metric train_epoch
      python -m bench gate --baseline results/records/amd-epyc-2-cores/2026-11-24-7b3b1d4
      python -m bench gate --inject 1.10
      python -m bench gate --calibrate --budget 60s
      python -m bench gate --replay results/noise/quiet.jsonl --inject 1.05 --trials 2000

    \b
    Exit codes: 0 pass, 1 regressed, 2 bad input, 3 nothing could be measured, 4 undecided (0 with --undecided pass),
    130 interrupted.
    """
    from bench.gate import commands
    from bench.gate.processes.launch import SideError

    if options["baseline"]:
        options["baseline"] = cli.run_folder(options["baseline"], options["runs_dir"])
    try:
        code = commands.run(cli.console, **options)
    except SideError as error:
        cli.tell_error(error)
        code = cli.NOTHING_MEASURED
    sys.exit(code)
