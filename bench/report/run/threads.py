"""Strong scaling of a training with its threads: speed-up, laws, limits, and the fastest number of threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.records.core_states import CoreState
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.select import PairKey, estimate_of, paired_rounds
from bench.records.stack_key import StackKey, by_stack, or_none
from bench.report.run.tables import rows_with
from bench.stats import estimates
from bench.stats.scaling import ScalingLaws, fit_laws

HARNESS = "threads"
NUM_VALIDATION_EXAMPLES = 10_000
OWN_ENGINES = ("jax", "torch")  # backends with their own matrix products
Rounds = Mapping[int, Mapping[PairKey, float]]  # threads -> {interleaved round: seconds of a training epoch}


@dataclass(frozen=True)
class ThreadPoint:
    """One number of threads; None where unknown."""

    threads: int
    epoch: estimates.Estimate
    speedup: estimates.Ratio | None  # one-thread epoch over this one, of the same interleaved rounds
    products_seconds: float | None  # of the epoch's matrix products alone, with these threads
    copy_bytes_per_second: float | None  # of a copy in memory, reading and writing counted
    clock_mhz: float | None
    cpus: str | None
    physical_cores: int | None
    numa_nodes: int | None
    core_kinds: int | None
    validation_accuracy: float | None
    learns_worse: bool

    @property
    def efficiency(self) -> float | None:
        """Speed-up for each thread; 1 is ideal."""
        return None if self.speedup is None else self.speedup.center / self.threads

    @property
    def has_equal_cores(self) -> bool:
        """True if every thread has a physical core of one kind, as the laws of scaling assume."""
        return self.physical_cores == self.threads and self.core_kinds == 1


@dataclass(frozen=True)
class ThreadScaling:
    """Scaling of one stack, whose ``threads`` is None.

    ``gain`` is the ratio of the epoch with ``default_threads`` to that with the fastest number; None if they are the
    same, or not both measured.
    """

    stack: StackKey
    points: tuple[ThreadPoint, ...]  # ascending
    laws: ScalingLaws | None  # of the points with equal cores; None if they are too few
    default_threads: int | None  # of a run without ``--threads`` on this machine
    gain: estimates.Ratio | None

    @property
    def fastest(self) -> ThreadPoint:
        """The point of the shortest median epoch among those that learn as the one-thread run does."""
        fit = [point for point in self.points if not point.learns_worse] or self.points
        return min(fit, key=lambda point: point.epoch.center)

    @property
    def best_threads(self) -> int:
        """Number of threads to take here: the fastest one, unless it is not shown to be faster than the default."""
        return self.advised_threads or (self.fastest.threads if self.gain is None else self.default_threads)

    @property
    def advised_threads(self) -> int | None:
        """Number of threads that is shown to be faster than the default; None if none is."""
        faster = self.gain is not None and self.gain.differs and self.gain.center > 1
        return self.fastest.threads if faster else None


def thread_scalings(header: RunHeader, frames: Frames, states: Mapping[int, CoreState]) -> list[ThreadScaling]:
    """Return the scaling of each stack that the harness measured with at least one thread count."""
    samples = frames.samples[frames.samples["harness"] == HARNESS]
    is_stack = samples["variant"].notna() & (samples["measurement"] == "train_epoch")
    by_threads: dict[StackKey, dict[int, pd.DataFrame]] = {}
    for stack, rows in by_stack(samples[is_stack].dropna(subset=["round", "threads"])):
        by_threads.setdefault(stack._replace(threads=None), {})[stack.threads] = rows
    engines, placements = samples[~samples["variant"].notna()], frames.scaling[frames.scaling["harness"] == HARNESS]
    default = header.machine.get("usable_cores")
    return [_scaling(stack, rows, engines, placements, states, default) for stack, rows in by_threads.items()]


def _scaling(
    stack: StackKey,
    by_threads: Mapping[int, pd.DataFrame],
    engines: pd.DataFrame,
    placements: pd.DataFrame,
    states: Mapping[int, CoreState],
    default: int | None,
) -> ThreadScaling:
    rounds: Rounds = paired_rounds(by_threads, states)
    of_engine = rows_with(engines, {"backend": stack.backend if stack.backend in OWN_ENGINES else None})
    own = rows_with(placements, {name: getattr(stack, name) for name in ("backend", "variant", "device")})
    alone = or_none(own[own["threads"] == 1]["validation_accuracy"].median())
    points = tuple(
        _point(threads, by_threads[threads], rounds, of_engine, own, alone) for threads in sorted(by_threads)
    )
    found = ThreadScaling(stack, points, _laws(points, rounds), default, None)
    fastest = found.fastest.threads
    if default not in rounds or default == fastest:
        return found
    return replace(found, gain=estimates.paired_ratio(rounds[default], rounds[fastest]))


def _point(
    threads: int,
    epochs: pd.DataFrame,
    rounds: Rounds,
    engines: pd.DataFrame,
    placements: pd.DataFrame,
    accuracy_alone: float | None,
) -> ThreadPoint:
    own, engine = placements[placements["threads"] == threads], engines[engines["threads"] == threads]
    accuracy = or_none(own["validation_accuracy"].median())
    return ThreadPoint(
        threads=threads,
        epoch=estimate_of(epochs),
        speedup=estimates.paired_ratio(rounds.get(1, {}), rounds[threads]),
        products_seconds=_products_seconds(engine[engine["measurement"] == "eight_products"], epochs),
        copy_bytes_per_second=_copy_rate(engine[engine["measurement"] == "copy"]),
        clock_mhz=or_none(own["clock_mhz"].median()),
        **{name: _only(own, name) for name in ("cpus", "physical_cores", "numa_nodes", "core_kinds")},
        validation_accuracy=accuracy,
        learns_worse=learns_worse(accuracy, accuracy_alone),
    )


def _only(rows: pd.DataFrame, column: str):
    """Return the value that all rows share; None if there is none, or several."""
    values = rows[column].dropna().unique()
    return or_none(values[0]) if len(values) == 1 else None


def _products_seconds(products: pd.DataFrame, epochs: pd.DataFrame) -> float | None:
    examples, batch_size = or_none(epochs["examples"].iloc[0]), or_none(epochs["batch_size"].iloc[0])
    if products.empty or not examples or not batch_size:
        return None
    return estimate_of(products).center * examples / batch_size


def _copy_rate(copies: pd.DataFrame) -> float | None:
    num_bytes = None if copies.empty else or_none(copies["bytes"].iloc[0])
    return None if num_bytes is None else num_bytes / estimate_of(copies).center


def learns_worse(accuracy: float | None, alone: float | None) -> bool:
    """Return True if an accuracy is below the 95 % interval of that of one thread, or of a training alone.

    The interval is by the sampling of the images.  False if an accuracy is unknown.
    """
    if accuracy is None or alone is None:
        return False
    return accuracy < estimates.binomial_interval(alone, NUM_VALIDATION_EXAMPLES)[0]


def _laws(points: Sequence[ThreadPoint], rounds: Rounds) -> ScalingLaws | None:
    counts = [point.threads for point in points if point.has_equal_cores]
    if not counts:
        return None
    common = sorted(set.intersection(*(set(rounds[count]) for count in counts)))
    return fit_laws(counts, [[rounds[count][key] for count in counts] for key in common])
