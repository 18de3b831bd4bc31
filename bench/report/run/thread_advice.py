"""Number of threads that earlier runs on this machine found to be the fastest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.advice import bench_command
from bench.errors import BenchError, RecordError
from bench.records.comparability import contradictions, identity
from bench.records.run_folder import RunFolder
from bench.report.run.analysis import RunAnalysis
from bench.report.run.threads import HARNESS, ThreadScaling
from bench.stats.estimates import INTERVAL_FROM
from bench.units import format_number, number_of

MOST_RUNS = 5
MEASURE = bench_command("run --harness threads")
StackName = tuple[str, str, str]  # backend, variant, device


@dataclass(frozen=True)
class ThreadAdvice:
    """Scaling of a stack with its threads in the run ``run_id``."""

    run_id: str
    scaling: ThreadScaling

    @property
    def sentence(self) -> str | None:
        """State the faster number of threads; None if none is shown to be faster than the default."""
        one = self.scaling
        if one.advised_threads is None:
            return None
        return (
            f"{one.stack.name} was {format_number(one.gain.center)} times as fast with "
            f"{number_of(one.advised_threads, 'thread')} as with {one.default_threads} in run {self.run_id}: "
            "--threads best takes the fastest number"
        )


def thread_advice(runs_dir: Path, machine: Mapping[str, Any], batch_size: int) -> dict[StackName, ThreadAdvice]:
    """Return the latest scaling of each stack on the ``machine`` of this fingerprint, from the runs in ``runs_dir``.

    Left out are runs with another batch size or with variables of --env, which are other work, and those with too few
    processes to show a difference, as a quick run has.  Only the latest ``MOST_RUNS`` of the others are read, which
    takes a fraction of a second for each.
    """
    found: dict[StackName, ThreadAdvice] = {}
    for folder in islice(_sweeps(runs_dir, machine, batch_size), MOST_RUNS):
        for one in RunAnalysis(folder).thread_scalings:
            name = (one.stack.backend, one.stack.variant, one.stack.device)
            found.setdefault(name, ThreadAdvice(folder.header.run_id, one))
    return found


def _sweeps(runs_dir: Path, machine: Mapping[str, Any], batch_size: int) -> Iterator[RunFolder]:
    """Yield the runs of the harness on this machine, latest first."""
    for path in sorted(runs_dir.glob("*/run.json"), reverse=True):
        try:
            folder = RunFolder.open(path.parent)
        except RecordError:
            continue
        header = folder.header
        own = [entry for entry in header.plan if entry.case.get("harness") == HARNESS]
        measured = any(entry.replicates >= INTERVAL_FROM for entry in own)
        same_work = header.recipe.get("batch_size") == batch_size and not header.environment.passed
        if measured and same_work and not contradictions(identity(header.machine), identity(machine)):
            yield folder


def best_threads(advice: Mapping[StackName, ThreadAdvice], stacks: list[StackName]) -> dict[StackName, int]:
    """Return the fastest number of threads of each of ``stacks``.

    Raises
    ------
    BenchError
        If one was not measured on this machine.
    """
    missing = ["/".join(stack[:2]) for stack in stacks if stack not in advice]
    if missing:
        raise BenchError(
            f"--threads best: no run here measured {', '.join(missing)} with several numbers of threads on this "
            f"machine, each in {INTERVAL_FROM} processes or more. Measure them first: {MEASURE}."
        )
    return {stack: advice[stack].scaling.best_threads for stack in stacks}
