"""``python -m bench run``: measurement and report."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import cli
from bench.advice import make_command
from bench.cli import candidates as completions
from bench.errors import RecordError
from bench.measure.case import EVERY_HARNESS, planned_cases
from mlp.recipe import CANONICAL

if TYPE_CHECKING:
    from bench.measure.begin import Data
    from bench.records.run_folder import RunFolder
    from bench.report.run.analysis import RunAnalysis

BEST = "best"


class ThreadCount(click.ParamType):
    """Number of threads, or ``best``."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        try:
            return value if value == BEST else int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor {BEST}.", param, ctx)


NOT_MEASURED = ("data", "resume", "runs_dir", "as_json")  # options that do not select measurements


@click.command()
@click.option("--quick", is_flag=True, help="Short run: two minutes, with a GPU four. Marked as such.")
@click.option("--data", type=cli.PATH, default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    help="Backend to measure, or all; repeat for several.",
    shell_complete=completions.backends,
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    help="Variant, e.g. scan or jax/scan, or all; repeat.",
    shell_complete=completions.variants,
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="cpu, cuda or cuda:<index>; repeat for several.",
    shell_complete=completions.devices,
)
@click.option(
    "--harness",
    "harnesses",
    multiple=True,
    help=f"One of {', '.join(EVERY_HARNESS)}; repeat. Default: all but copies and devices; with --quick fewer.",
    shell_complete=completions.harnesses,
)
@click.option(
    "--threads",
    type=ThreadCount(),
    default=None,
    help="BLAS threads; best: those that the harness threads found. Default: the usable cores.",
)
@click.option(
    "--counts",
    default=None,
    help="Threads, copies or devices of the harnesses of these names, e.g. 1,2,4. Default: powers of two, and all.",
)
@click.option("--batch-size", type=int, default=CANONICAL.batch_size, show_default=True, help="Examples per minibatch.")
@click.option("--epochs", type=int, default=None, help="Epochs of the reference run, and of copies. Default: 20.")
@click.option(
    "--processes",
    type=int,
    default=None,
    help="Processes of each case of epoch, ablation, ceilings, threads, copies and devices.",
)
@click.option(
    "--seeds",
    default=None,
    help="Seeds of the reference run: a count, or which, e.g. 6-15 or 7,9. Default: 5, with --quick 1. With --resume: "
    "these, too.",
)
@click.option("--env", "settings", multiple=True, metavar="NAME=VALUE", help="Measure with this variable; repeat.")
@click.option(
    "--resume",
    default=None,
    metavar="ID",
    help="Continue an earlier run: its id, or 'latest'.",
    shell_complete=completions.run_ids,
)
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True, help="Folder of the runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON at the end; all else goes to stderr.")
@cli.one_sentence
def run(resume: str | None, runs_dir: Path, as_json: bool, **options: Any) -> None:
    """Measure: every case in fresh processes, interleaved; then write the report.

    By default it measures Theano on the CPU and, on a machine with an NVIDIA GPU, also JAX and PyTorch on both
    devices.

    \b
    Examples:
      python -m bench run --quick
      python -m bench run --quick --backend all
      python -m bench run --backend jax --variant scan --device cuda
      python -m bench run --harness epoch --threads 1
      python -m bench run --resume latest
      python -m bench run --harness reference --variant tuned --seeds 6-15
      python -m bench run --quick --json > summary.json

    \b
    Exit codes:
      0    all cases were measured
      1    a measurement failed (the rest is on record), or a stack learns worse than the canonical one or does not
           conform
      2    bad input; nothing was measured
      3    every process failed
      130  interrupted; the measurements so far are kept and reported
    """
    from bench.measure.begin import RunRequest, begin, reopen
    from bench.measure.process import end_with_parent
    from bench.report.load import REMEDY_AT_START, start_notice
    from bench.report.write import analysis_of, print_report, summary_json, write_report

    end_with_parent()  # the one that started it by ``running``: a worker of a fleet
    if resume:
        more = {name: options[name] for name in ("data", "seeds", "settings")}
        folder, data = reopen(cli.run_folder(resume, runs_dir), **more)
    else:
        given = _options_given(click.get_current_context())
        request = RunRequest(**_resolved(options, runs_dir))
        folder, data = begin(runs_dir, request, given, cli.warn_unknown_commit, tell=cli.errors.print)
    cli.warn_dropped(folder.header.environment)
    console = cli.errors if as_json else cli.console
    console.print(f"run {folder.path.name}", highlight=False)
    if not resume and options["threads"] is None:
        _advise_threads(folder, runs_dir)
    if busy := start_notice(folder.header.machine, folder.header.measures_gpu):
        cli.warn(f"{busy} {REMEDY_AT_START}")
    interrupted = False
    try:
        _measure(folder, data, console)
    except KeyboardInterrupt:
        interrupted = True
        again = make_command("bench", RESUME=folder.path.name)
        cli.errors.print(f"interrupted; what was measured is kept: {again} continues the run")
    analysis = analysis_of(folder.path)
    try:
        written = f"report: {write_report(analysis)}, and report.html beside it"
    except RecordError as error:
        written = f"warning: {error}"
    print_report(analysis, console)
    console.print(written, markup=False, highlight=False)
    if as_json:
        cli.write(summary_json(analysis) + "\n")
    sys.exit(cli.INTERRUPTED if interrupted else _exit_code(analysis))


def _resolved(options: dict[str, Any], runs_dir: Path) -> dict[str, Any]:
    """Return the fields of a ``RunRequest``, with ``--threads best`` as a function that looks the threads up."""
    if options["threads"] != BEST:
        return options
    from bench.machine.fingerprint import fingerprint
    from bench.report.run.thread_advice import best_threads, thread_advice

    advice = thread_advice(runs_dir, fingerprint(), options["batch_size"])
    return {**options, "threads": None, "best_threads": partial(best_threads, advice)}


def _advise_threads(folder: RunFolder, runs_dir: Path) -> None:
    """Warn of measured stacks that an earlier run found to be faster with other threads."""
    from bench.report.run.thread_advice import thread_advice

    header = folder.header
    cases = [entry.case for entry in (*header.plan, *header.candidates)]
    planned = {tuple(case.get(name) for name in ("backend", "variant", "device")) for case in cases}
    batch_size = header.recipe.get("batch_size") or CANONICAL.batch_size
    for stack, advice in thread_advice(runs_dir, header.machine, batch_size).items():
        if stack in planned and advice.sentence is not None:
            cli.warn(advice.sentence)


def _measure(folder: RunFolder, data: Data, console: cli.Console) -> None:
    from bench.measure.progress import RunProgress
    from bench.measure.runner import WorkerPool, execute
    from bench.records import run_lock

    header = folder.header
    plan, quick = planned_cases([*header.plan, *header.candidates]), header.mode == "quick"
    with (
        run_lock.held(folder.path),
        RunProgress(console) as progress,
        WorkerPool(plan, data.directory, quick, cli.warn, data.digest, header.environment.passed) as pool,
    ):
        execute(folder, pool.measure, progress)


def _options_given(context: click.Context) -> dict[str, list[str]]:
    """Return the given options that select measurements, with their values as texts; a switch has none."""
    given = {}
    for option in context.command.params:
        is_given = context.get_parameter_source(option.name) is not click.core.ParameterSource.DEFAULT
        if is_given and option.name not in NOT_MEASURED:
            value = context.params[option.name]
            values = value if isinstance(value, tuple) else () if option.is_flag else (value,)
            given[option.opts[0]] = [str(one) for one in values]
    return given


def _exit_code(analysis: RunAnalysis) -> int:
    from bench.measure.runner import measured, replicate_of

    done = measured(analysis.folder)
    if not done:
        return cli.NOTHING_MEASURED
    failed = any(replicate_of(one) not in done for one in analysis.folder.replicates())  # a resumed run repeats them
    return cli.FAILED if failed or analysis.learns_worse or analysis.violations else 0
