"""``python -m bench``: the commands.  Each one reads as: find out what is wanted, do it, say how it ended.

Exit codes: 0 fine; 1 something failed while measuring (the rest is on record), or a stack learns worse than the
canonical one; 2 bad input; 3 nothing was measured; 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.case import FULL, HARNESSES, QUICK, Effort, Planned, make_plan
from bench.errors import BenchError
from mlp.errors import MlpError
from mlp.recipe import CANONICAL

FAILED, BAD_INPUT, NOTHING_MEASURED, INTERRUPTED = 1, 2, 3, 130
RUNS = Path("results/runs")

WIDE = 160  # columns where nobody's terminal sets a limit: logs and pipes scroll
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True, soft_wrap=True)


def one_sentence(command: Any) -> Any:
    """Turn an error made for the user into its sentence on stderr and exit code 2: never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (MlpError, BenchError) as error:
            errors.print(f"error: {error}", markup=False, highlight=False)
            sys.exit(BAD_INPUT)
        except KeyboardInterrupt:
            errors.print("interrupted", markup=False)
            sys.exit(INTERRUPTED)

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure neural-network training on one fully understood workload, and compare it with a 2016 reference."""


@main.command()
@click.option("--quick", is_flag=True, help="About three minutes: fewer rounds and epochs, marked as such.")
@click.option("--data", default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--backend", "backends", multiple=True, help="Backend to measure, or all; repeat for several.")
@click.option("--variant", "variants", multiple=True, help="Variant, e.g. scan or jax/scan, or all; repeat.")
@click.option("--device", "devices", multiple=True, help="cpu, cuda or cuda:<index>; repeat for several.")
@click.option("--harness", "harnesses", multiple=True, help=f"One of {', '.join(HARNESSES)}; repeat. Default: all.")
@click.option("--threads", type=int, default=None, help="BLAS threads. Default: the usable cores.")
@click.option("--batch-size", type=int, default=CANONICAL.batch_size, show_default=True)
@click.option("--epochs", type=int, default=None, help="Epochs of the reference run. Default: 20, with --quick 2.")
@click.option("--processes", type=int, default=None, help="Processes of each case of the harnesses epoch and ablation.")
@click.option("--resume", default=None, metavar="ID", help="Go on with an earlier run: its id, or 'latest'.")
@click.option("--runs-dir", type=click.Path(path_type=Path), default=RUNS, show_default=True)
@one_sentence
def run(resume: str | None, runs_dir: Path, **options: Any) -> None:
    """Measure: every case in fresh processes, interleaved; then write the report.

    Unless you choose, it measures what is there: Theano on the CPU, and on a machine with an NVIDIA GPU also JAX and
    PyTorch, on both devices.

    \b
    Examples:
      python -m bench run --quick
      python -m bench run --quick --backend all
      python -m bench run --backend jax --variant scan --device cuda
      python -m bench run --harness epoch --threads 1
      python -m bench run --resume latest
    """
    from bench.report import print_report, write_report

    folder, data_directory = _reopen(runs_dir, resume, options) if resume else _begin(runs_dir, **options)
    console.print(f"run {folder.path.name}", highlight=False)
    interrupted = False
    try:
        _measure(folder, data_directory)
    except KeyboardInterrupt:
        interrupted = True
        errors.print(f"interrupted; what was measured is kept: make bench RESUME={folder.path.name} goes on")
    report = write_report(folder.path)
    print_report(folder.path, console)
    console.print(f"report: {report}", markup=False, highlight=False)
    sys.exit(INTERRUPTED if interrupted else _exit_code(folder))


def _measure(folder: Any, data_directory: Path) -> None:
    from bench.progress import RunProgress
    from bench.runner import WorkerPool, execute, interleave, measured_counts

    plan = [Planned.from_json(entry) for entry in folder.header["plan"]]
    steps = list(interleave(plan, measured_counts(folder)))
    quick = folder.header["mode"] == "quick"
    warn = lambda text: errors.print(f"warning: {text}", markup=False)  # noqa: E731
    with RunProgress(steps, console) as progress, WorkerPool(plan, data_directory, quick, warn) as pool:
        execute(folder, pool.measure, progress)


def _begin(
    runs_dir: Path,
    *,
    quick: bool,
    data: str | None,
    backends: tuple[str, ...],
    variants: tuple[str, ...],
    devices: tuple[str, ...],
    harnesses: tuple[str, ...],
    threads: int | None,
    batch_size: int,
    epochs: int | None,
    processes: int | None,
) -> tuple[Any, Path]:
    """Check everything that can be checked before the first minute is spent, then open the record."""
    from bench import machine
    from bench.record import SCHEMA_VERSION, RunFolder
    from bench.runner import new_run_id, now
    from bench.stacks import choose
    from bench.worker import PROJECT
    from mlp.dataset import VALIDATION_EXAMPLES, identify, locate

    for harness in harnesses:
        if harness not in HARNESSES:
            raise BenchError(f"unknown harness {harness!r}: choose from {', '.join(HARNESSES)}.")
    _check_at_least_1(threads=threads, processes=processes)
    effort = _effort(quick, processes)
    num_epochs = effort.reference_epochs if epochs is None else epochs
    recipe = replace(CANONICAL, batch_size=batch_size, num_epochs=num_epochs)
    recipe.check_batch_fits(VALIDATION_EXAMPLES, "validation set")
    choice = choose(backends, variants, devices)

    source = locate(data)
    identity = identify(source.directory)
    plan = make_plan(
        effort,
        harnesses=harnesses or HARNESSES,
        stacks=tuple(choice.stacks),
        threads=threads or machine.usable_cores(),
        dataset=identity.name,
        levers=_usable_levers(),
        batch_size=batch_size,
        num_epochs=num_epochs,
    )
    _check_planned(harnesses, plan)
    commit = machine.commit(PROJECT)
    header = {
        "schema_version": SCHEMA_VERSION,
        "run_id": new_run_id(commit["id"]),
        "started_at": now(),
        "finished_at": None,
        "status": "running",
        "mode": "quick" if quick else "full",
        "dataset": {"identity": identity.name, "origin": source.origin, "sha256": identity.sha256},
        "recipe": asdict(recipe),
        "commit": commit,
        "machine": machine.fingerprint() | {"blas": _blas()},
        "plan": [planned.to_json() for planned in plan],
        "chosen": {"backends": backends, "variants": variants, "devices": devices, "processes": processes},
        "skipped": [asdict(skipped) for skipped in choice.skipped],
    }
    return RunFolder.create(runs_dir, header), source.directory


def _effort(quick: bool, processes: int | None) -> Effort:
    effort = QUICK if quick else FULL
    return effort if processes is None else effort.with_processes(processes)


def _check_at_least_1(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise BenchError(f"--{name} must be at least 1, got {count}.")


def _usable_levers() -> tuple[str, ...]:
    """What theano/tuned uses on this machine, whatever the caller's shell leaves out."""
    from mlp.backends.theano_tuned.levers import lever_states

    return tuple(state.lever.name for state in lever_states(without="") if state.active)


def _check_planned(harnesses: tuple[str, ...], plan: list[Planned]) -> None:
    """Whoever names the ablation must hear why it is not measured before a minute is spent on the rest."""
    if "ablation" in harnesses and not any(planned.case.harness == "ablation" for planned in plan):
        raise BenchError(
            "the ablation cannot be planned: it compares theano/tuned with theano/as_published on cpu, so both must be "
            "among the chosen stacks, and with --quick it needs --processes."
        )


def _reopen(runs_dir: Path, resume: str, options: dict[str, Any]) -> tuple[Any, Path]:
    """An earlier run, after checking that going on would not mix what cannot be compared."""
    from bench import machine
    from bench.record import RunFolder, latest_run
    from bench.worker import PROJECT
    from mlp.dataset import identify, locate

    folder = RunFolder.open(latest_run(runs_dir) if resume == "latest" else runs_dir / resume)
    source = locate(options["data"])
    identity = identify(source.directory)
    header, here = folder.header, machine.fingerprint()
    reasons = []
    if header["dataset"]["sha256"] != identity.sha256:
        reasons.append(f"its dataset is {header['dataset']['identity']}, here is {identity.name}")
    reasons += [
        f"its {name} is {header['machine'].get(name)}, here is {here[name]}"
        for name in ("cpu_model", "usable_cores", "python", "packages")
        if header["machine"].get(name) != here[name]
    ]
    commit = machine.commit(PROJECT)
    if header["commit"]["id"] != commit["id"]:
        reasons.append(f"it was measured at commit {header['commit']['id']}, this is {commit['id']}")
    if reasons:
        raise BenchError(f"run {folder.path.name} cannot be resumed: {'; '.join(reasons)}. Start a new run instead.")
    return folder, source.directory


def _blas() -> dict[str, Any]:
    from mlp.theano_compat.blas import choose_blas

    blas = choose_blas()
    return {"name": blas.name, "note": blas.note}


def _exit_code(folder: Any) -> int:
    from bench.frames import load_runs
    from bench.report import learns_worse

    states = [entry["status"] for entry in folder.replicates()]
    if "ok" not in states:
        return NOTHING_MEASURED
    failed = "failed" in states or learns_worse(load_runs(folder.path), folder.header)
    return FAILED if failed else 0


@main.command()
@click.argument("run_id", required=False)
@click.option("--runs-dir", type=click.Path(path_type=Path), default=RUNS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead.")
@one_sentence
def report(run_id: str | None, runs_dir: Path, as_json: bool) -> None:
    """Write and print the report of RUN_ID (a run's id or folder; default: the latest run)."""
    from bench.record import latest_run
    from bench.report import print_report, write_report

    if run_id is None:
        path = latest_run(runs_dir)
    else:
        path = Path(run_id) if Path(run_id).is_dir() else runs_dir / run_id
    written = write_report(path)
    if as_json:
        click.echo((path / "summary.json").read_text())
        return
    print_report(path, console)
    console.print(f"report: {written}", markup=False, highlight=False)


@main.command()
@click.option("--readme", type=click.Path(path_type=Path), default=Path("README.md"), show_default=True)
@click.option("--records", type=click.Path(path_type=Path), default=Path("results/records"), show_default=True)
@one_sentence
def readme(readme: Path, records: Path) -> None:
    """Write the README's result table anew from the newest committed record."""
    from bench.readme import newest_record, results_block, with_results

    record = newest_record(records)
    readme.write_text(with_results(readme.read_text(), results_block(record)))
    console.print(f"{readme} shows {record}", markup=False, highlight=False)


@main.command()
@click.option("--data", default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON instead.")
@one_sentence
def doctor(data: str | None, as_json: bool) -> None:
    """Say what this machine has for the suite, what is missing, and what to do about it."""
    from bench.doctor import MISSING, examine

    findings = examine(data)
    if as_json:
        click.echo(json.dumps([finding.to_json() for finding in findings], indent=2))
    else:
        table = Table("", "state", "what was found", "what to do", show_edge=False)
        for finding in findings:
            table.add_row(finding.subject, finding.state, finding.detail, finding.remedy or "")
        console.print(table, markup=False)
    sys.exit(FAILED if any(finding.state == MISSING for finding in findings) else 0)
