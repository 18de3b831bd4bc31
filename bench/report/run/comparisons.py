"""GPU against CPU, and backend against backend on one device: ratios of interleaved pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from bench.document.section import Section
from bench.document.table import NUMBER, SECONDS, Cells, Column, table
from bench.records.stack_key import StackKey
from bench.report.run.ranking import EpochRounds, RankedStack
from bench.report.run.tables import with_interval
from bench.stats import estimates
from bench.stats.ranking import rank


def comparable_rounds(rounds: EpochRounds, ranked: list[RankedStack]) -> EpochRounds:
    """Return the rounds of all stacks except those that are unfit."""
    unfit = {one.stack for one in ranked if one.is_unfit}
    return {stack: seconds for stack, seconds in rounds.items() if stack not in unfit}


@dataclass(frozen=True)
class DevicePair:
    """Pair of a CPU and a GPU stack to compare; ``basis`` states the common property."""

    basis: str
    cpu: StackKey
    gpu: StackKey


def device_pairs(seconds: Mapping[StackKey, float]) -> list[DevicePair]:
    """Return the CPU/GPU pairs among stacks, from each stack's seconds for the same work.

    For each backend: every variant that both devices measured in the same precision, and the fastest of each device
    if that is another pair; then the fastest of all backends.  The fastest is chosen in float32 only, so that lower
    precision is no advantage.
    """
    pairs = []
    for backend in dict.fromkeys(stack.backend for stack in seconds):
        own = {stack: value for stack, value in seconds.items() if stack.backend == backend}
        for cpu in _on(own, "cpu"):
            pairs += [
                DevicePair(f"same variant, {cpu.backend}/{cpu.variant}", cpu, gpu)
                for gpu in _on(own, "cuda")
                if gpu.variant == cpu.variant and gpu.precision == cpu.precision
            ]
        pairs += _fastest_of_each(own, f"fastest of {backend}", pairs)
    return pairs + _fastest_of_each(seconds, "fastest of all", pairs)


def _fastest_of_each(seconds: Mapping[StackKey, float], basis: str, known: list[DevicePair]) -> list[DevicePair]:
    """Return the pair of the fastest CPU and GPU stack; empty without one or if it is among ``known``."""
    fair = {stack: value for stack, value in seconds.items() if stack.has_canonical_precision}
    cpus, gpus = _on(fair, "cpu"), _on(fair, "cuda")
    if not cpus or not gpus:
        return []
    pair = DevicePair(basis, min(cpus, key=cpus.get), min(gpus, key=gpus.get))
    return [] if any((one.cpu, one.gpu) == (pair.cpu, pair.gpu) for one in known) else [pair]


def _on(seconds: Mapping[StackKey, float], kind: str) -> dict[StackKey, float]:
    return {stack: value for stack, value in seconds.items() if stack.device_kind == kind}


def _medians(rounds: EpochRounds) -> dict[StackKey, float]:
    return {stack: median(values.values()) for stack, values in rounds.items()}


@dataclass(frozen=True)
class DeviceRatio:
    """Speed ratio of a training epoch on the GPU of a pair to the CPU; None if no round measured both."""

    pair: DevicePair
    cpu_seconds: float
    gpu_seconds: float
    speed_ratio: estimates.Ratio | None


def device_ratios(rounds: EpochRounds) -> list[DeviceRatio]:
    seconds = _medians(rounds)
    return [
        DeviceRatio(
            pair, seconds[pair.cpu], seconds[pair.gpu], estimates.paired_ratio(rounds[pair.cpu], rounds[pair.gpu])
        )
        for pair in device_pairs(seconds)
    ]


@dataclass(frozen=True)
class AgainstFastest:
    """Ratio of a training epoch's duration to that of the fastest stack on the same device."""

    stack: StackKey
    fastest: StackKey
    seconds: float
    time_ratio: estimates.Ratio | None


def against_fastest(rounds: EpochRounds) -> list[AgainstFastest]:
    """Return every stack on devices with several stacks, device by device, by rank."""
    seconds = _medians(rounds)
    found = []
    for device in dict.fromkeys(stack.device for stack in rounds):
        own = list(rank({stack: values for stack, values in rounds.items() if stack.device == device}))
        if len(own) > 1:
            found += [
                AgainstFastest(stack, own[0], seconds[stack], estimates.paired_ratio(rounds[stack], rounds[own[0]]))
                for stack in own
            ]
    return found


def comparison_sections(ratios: list[DeviceRatio], compared: list[AgainstFastest]) -> list[Section]:
    return [*_gpu_sections(ratios), *_backend_sections(compared)]


def _gpu_sections(ratios: list[DeviceRatio]) -> list[Section]:
    rows = [
        [
            ("pair", one.pair.basis),
            ("CPU", one.pair.cpu.name),
            (Column("CPU's training epoch", SECONDS), one.cpu_seconds),
            ("GPU", one.pair.gpu.name),
            (Column("GPU's training epoch", SECONDS), one.gpu_seconds),
            *with_interval(Column("GPU times as fast", NUMBER), one.speed_ratio),
        ]
        for one in ratios
    ]
    return [Section("GPU against CPU", [], *table(rows))] if rows else []


def _backend_sections(compared: list[AgainstFastest]) -> list[Section]:
    """Return one table for each device."""
    rows_by_device: dict[str, list[Cells]] = {}
    for one in compared:
        ratio = None if one.stack == one.fastest else one.time_ratio
        row = [
            ("stack", one.stack.name),
            (Column("training epoch", SECONDS), one.seconds),
            *with_interval(Column("times as long as the fastest", NUMBER), ratio),
        ]
        rows_by_device.setdefault(one.stack.device, []).append(row)
    return [Section(f"Backend against backend on {device}", [], *table(own)) for device, own in rows_by_device.items()]
