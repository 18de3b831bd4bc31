"""``python -m benchmarks.fleet_disturbance``: does a fleet's worker disturb the suite that it carries?

Side A runs ``bench run`` alone, side B as a fleet does: in a process of a Dask worker, beside a scheduler, its
record streamed.  Nothing of Dask runs during side A.  A block is A, a second A and B, one after another in random
order; the second A is the control.  ``bench.gate.verdict`` judges, as the gate does.

What the worker itself does meanwhile, its CPU time and how often it wakes, is measured as well: that does not depend on
what else the machine does.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import psutil

from bench.errors import BenchError
from bench.gate.verdict import Decision, Metric, ProcessSample, Verdict, decide
from bench.measure.fleet import on_host
from bench.measure.fleet.engine import BOOTSTRAP, own_engine
from bench.measure.fleet.hosts import FleetHost
from bench.measure.process import PROJECT, run_to_end, why_ended
from bench.records.run_folder import RunFolder
from bench.units import format_number, format_percent

RUN = ("-m", "bench", "run")
OPTIONS = ("--harness", "ceilings", "--processes", "1")
METRICS = ("gemm_square", "copy", "page_fault", "random_numbers", "python_call", "train_epoch", "validate_epoch")
LIMIT_SECONDS = 1800.0
ALONE, CONTROL, WORKER = "alone", "control", "worker"

Values = dict[str, float]  # metric -> seconds of the process


def alone(folder: Path, options: Sequence[str]) -> None:
    """Run the suite without Dask."""
    folder.mkdir()
    argv = [sys.executable, *RUN, *options, "--runs-dir", str(folder)]
    ended = run_to_end(argv, dict(os.environ), LIMIT_SECONDS, PROJECT)
    if ended.exit_code not in (0, 1):
        raise BenchError(f"the suite failed: {ended.cut_short or why_ended(ended.exit_code, ended.text)}.")


@dataclass(frozen=True)
class WorkerUse:
    """CPU time of a worker while it carried the suite, and the number of times it woke."""

    wall_seconds: float
    cpu_seconds: float
    num_wakings: int


async def under_worker(folder: Path, options: Sequence[str]) -> WorkerUse:
    """Run the suite under a worker, and return what the worker itself used meanwhile."""
    messages: list[dict] = []
    async with own_engine() as engine:
        address = await engine.start(FleetHost("worker"))
        engine.subscribe(folder.name, messages.append)
        request = on_host.Request(folder.name, "worker", list(RUN), None, str(folder), list(options))
        (worker,) = (one for one in psutil.Process().children() if BOOTSTRAP in one.cmdline())
        start, before = time.perf_counter(), _used(worker)
        await engine.run(on_host.measure, request, address)
        used = [after - earlier for after, earlier in zip(_used(worker), before, strict=True)]
        use = WorkerUse(time.perf_counter() - start, used[0], round(used[1]))
    reasons = [one["reason"] for one in messages if one["kind"] in ("ended", "failed") and one["reason"]]
    if reasons:
        raise BenchError(f"the suite failed under a worker: {reasons[-1]}.")
    return use


def _used(process: psutil.Process) -> tuple[float, float]:
    """Return the CPU seconds and the voluntary context switches of a process, without its children."""
    times = process.cpu_times()
    return times.user + times.system, process.num_ctx_switches().voluntary


def values_of(folder: Path) -> Values:
    """Return the median of each metric over the samples of the run in ``folder``."""
    (path,) = (one.parent for one in folder.glob("*/run.json"))
    found: dict[str, list[float]] = {}
    for replicate in RunFolder.open(path).replicates():
        for one in replicate["measurements"]:
            if one["name"] in METRICS:
                found.setdefault(one["name"], []).extend(one["seconds"])
    return {name: median(seconds) for name, seconds in found.items() if seconds}


def judge(blocks: Sequence[dict[str, Values]]) -> Decision:
    """Judge B against A, with A against A as the control, by the rules of the gate."""
    names = [name for name in METRICS if all(name in values for block in blocks for values in block.values())]
    return decide(
        {name: _samples(blocks, name, WORKER) for name in names},
        {name: _samples(blocks, name, CONTROL) for name in names},
        [Metric(name) for name in names],
    )


def _samples(blocks: Sequence[dict[str, Values]], name: str, other: str) -> list[ProcessSample]:
    return [
        ProcessSample(number, letter, block[side][name])
        for number, block in enumerate(blocks)
        for side, letter in ((ALONE, "A"), (other, "B"))
    ]


def measure(num_blocks: int, options: Sequence[str], seed: int, parent: Path) -> tuple[Decision, list[WorkerUse]]:
    """Measure the blocks, and return the decision on them and what the worker used in each."""
    generator = random.Random(seed)
    blocks, uses = [], []
    for number in range(num_blocks):
        order = generator.sample((ALONE, CONTROL, WORKER), 3)
        block = {}
        for side in order:
            folder = parent / f"{number}-{side}"
            if side == WORKER:
                uses.append(asyncio.run(under_worker(folder, options)))
            else:
                alone(folder, options)
            block[side] = values_of(folder)
        blocks.append(block)
        click.echo(f"block {number + 1} of {num_blocks}: {', '.join(order)}", err=True)
    return judge(blocks), uses


@click.command()
@click.option("--blocks", default=12, show_default=True, help="Blocks of three runs.")
@click.option("--seed", default=1, show_default=True, help="Of the random order in a block.")
@click.option("--json", "as_json", is_flag=True, help="Print the judgements as JSON.")
@click.argument("options", nargs=-1)
def main(blocks: int, seed: int, as_json: bool, options: tuple[str, ...]) -> None:
    """Compare the suite under a worker with the suite alone; OPTIONS are those of bench run (default: its ceilings).

    Exit code 1 if a metric is slower under a worker, 4 if one is undecided.

    \b
    Examples:
      python -m benchmarks.fleet_disturbance
      python -m benchmarks.fleet_disturbance --blocks 8 -- --harness epoch --variant tuned --processes 1
    """
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as scratch:
        decision, uses = measure(blocks, options or OPTIONS, seed, Path(scratch))
    rows = [
        {"metric": one.metric.name, "verdict": str(one.verdict), "ratio": one.ratio, "low": one.low, "high": one.high}
        | {"control_ratio": one.control_ratio, "detectable_effect": one.detectable_effect, "reason": one.reason}
        for one in decision.judgements
    ]
    seconds = math.fsum(use.wall_seconds for use in uses)
    worker = {
        "cpu_fraction": math.fsum(use.cpu_seconds for use in uses) / seconds,
        "wakings_per_second": sum(use.num_wakings for use in uses) / seconds,
    }
    if as_json:
        click.echo(json.dumps({"judgements": rows, "worker": worker}, indent=1))
    else:
        click.echo("\n".join(f"{row['metric']}: {row['reason']}" for row in rows))
        share, rate = format_percent(worker["cpu_fraction"], 2), format_number(worker["wakings_per_second"])
        click.echo(f"the worker itself used {share} of a core and woke {rate} times a second")
    if decision.to_confirm or Verdict.REGRESSED in decision.verdicts():
        sys.exit(1)
    sys.exit(4 if Verdict.UNDECIDED in decision.verdicts() else 0)


if __name__ == "__main__":
    main()
