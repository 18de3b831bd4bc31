"""``python -m bench ceilings``: what this machine can do at best, alone."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench import cli
from bench.cli.candidates import run_ids
from bench.errors import BenchError
from bench.measure.scratch import scratch_folder
from mlp.recipe import CANONICAL

PROCESSES = 3


@click.command()
@click.argument("run_id", required=False, shell_complete=run_ids)
@click.option("--backend", "backends", multiple=True, help="Also through this framework's libraries; repeat.")
@click.option("--device", "devices", multiple=True, help="cpu, cuda or cuda:<index>; repeat for several.")
@click.option("--threads", type=int, default=None, help="Threads on the CPU. Default: the usable cores.")
@click.option("--batch-size", type=int, default=CANONICAL.batch_size, show_default=True)
@click.option("--processes", type=int, default=PROCESSES, show_default=True, help="Fresh processes of each engine.")
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON instead.")
@cli.one_sentence
def ceilings(
    run_id: str | None,
    backends: tuple[str, ...],
    devices: tuple[str, ...],
    threads: int | None,
    batch_size: int,
    processes: int,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Measure what this machine can do at best, and what a step, an epoch and a run would take at that.

    With RUN_ID (a run's id or folder, a committed record, or latest) nothing is measured: that run's ceilings are
    printed.

    \b
    Examples:
      python -m bench ceilings
      python -m bench ceilings --backend jax --backend torch --json
      python -m bench ceilings latest

    \b
    Exit codes:
      0  they are printed
      1  a process failed: the rest is printed
      2  bad input, or a run without ceilings
      3  every process failed
    """
    if run_id is not None:
        _print(cli.run_folder(run_id, runs_dir), as_json)
        return
    if processes < 1 or (threads is not None and threads < 1):
        raise BenchError("--processes and --threads must be at least 1.")
    with scratch_folder() as scratch:
        folder = _measure(scratch, backends, devices, threads, batch_size, processes)
        failed = [entry["reason"] for entry in folder.replicates() if entry["status"] != "ok"]
        for reason in failed:
            cli.errors.print(f"failed: {reason}", markup=False, highlight=False)
        if len(failed) == len(folder.replicates()):
            sys.exit(cli.NOTHING_MEASURED)
        _print(folder.path, as_json)
        sys.exit(cli.FAILED if failed else 0)


def _measure(
    scratch: Path,
    backends: tuple[str, ...],
    devices: tuple[str, ...],
    threads: int | None,
    batch_size: int,
    processes: int,
):
    """A run of this harness alone, in ``scratch``: nobody keeps it, and no data set is needed."""
    from dataclasses import asdict, replace

    from bench.machine.fingerprint import fingerprint, usable_cores
    from bench.measure.case import QUICK, make_plan
    from bench.measure.choose import choose
    from bench.measure.environment import dropped, planning
    from bench.measure.progress import RunProgress
    from bench.measure.runner import WorkerPool, execute, new_run_id, now
    from bench.records.run_folder import SCHEMA_VERSION, RunFolder

    with planning():
        choice, here = choose(backends, (), devices), fingerprint()
    plan = make_plan(
        QUICK.with_processes(processes).with_framework_ceilings(),
        harnesses=("ceilings",),
        stacks=tuple(choice.stacks),
        threads=threads or usable_cores(),
        dataset="none",
        levers=(),
        batch_size=batch_size,
    )
    header = {
        "schema_version": SCHEMA_VERSION,
        "run_id": new_run_id(None),
        "started_at": now(),
        "status": "running",
        "mode": "quick",
        "recipe": asdict(replace(CANONICAL, batch_size=batch_size)),
        "machine": here,
        "plan": [planned.to_json() for planned in plan],
    }
    folder = RunFolder.create(scratch, header)
    cli.tell_environment({"dropped": dropped()})
    with RunProgress(cli.errors) as progress, WorkerPool(plan, scratch, True, cli.warn) as pool:
        execute(folder, pool.measure, progress)
    return folder


def _print(path: Path, as_json: bool) -> None:
    from bench.document.section import to_terminal
    from bench.records.frames import load_runs, trustworthy
    from bench.records.run_folder import RunFolder
    from bench.report.run.lower_bound import light, light_sections
    from bench.report.run.summary import light_summary

    header = RunFolder.open(path).header
    frames, left_out = trustworthy(load_runs(path))
    for sentence in left_out:
        cli.warn(sentence)
    found = light(header, frames)
    if not found:
        raise BenchError(
            f"{path.name} measured no ceilings (they came with schema version 4): measure them with "
            "python -m bench ceilings."
        )
    if as_json:
        cli.write_json([light_summary(one) for one in found])
        return
    cpu = (header.get("machine") or {}).get("cpu_model") or "unknown CPU"
    to_terminal(f"Ceilings of this machine: {cpu}", light_sections(header, frames), cli.console)
