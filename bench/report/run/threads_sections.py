"""Section of the strong scaling with threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.document.section import Section
from bench.document.table import FRACTION, INTEGER, NUMBER, SECONDS, SHARE, Cells, Column, table
from bench.report.run.tables import drop_constant_column, interval_sentences, speedup_row, with_interval
from bench.report.run.threads import ThreadPoint, ThreadScaling
from bench.stats.scaling import FIT_FROM, Bounds, ScalingLaw
from bench.units import format_number, format_number_with_range, format_percent, format_range, format_seconds, number_of


def threads_sections(scalings: list[ThreadScaling]) -> list[Section]:
    """Return one table of all stacks, with the laws, the limits and the fastest number of threads in sentences."""
    if not scalings:
        return []
    rows = [[("stack", one.stack.name), *_cells(point, one.points[0])] for one in scalings for point in one.points]
    measured = [[point.epoch for point in one.points] + [point.speedup for point in one.points] for one in scalings]
    sentences = [
        "One training, pinned to as many logical cores as it has threads: physical cores first, SMT siblings last. "
        "Speed-up: one-thread epoch of the same stack and interleaved round over this epoch; efficiency: speed-up for "
        "each thread. Products: the eight matrix products of a step alone, with these threads.",
        *(sentence for one in scalings for sentence in (_advice(one), *_limits(one), *law_sentences(one))),
        *_without_laws(scalings),
        *interval_sentences(*measured),
    ]
    section = Section("Threads: scaling of one training", sentences, *table(rows), ["threads"])
    section.notices = [
        f"{one.stack.name} with {number_of(point.threads, 'thread')} learns worse than with one: it is not advised."
        for one in scalings
        for point in one.points
        if point.learns_worse
    ]
    return [drop_constant_column(section)]


def _without_laws(scalings: list[ThreadScaling]) -> Iterator[str]:
    """State why stacks have no laws, and what a share of products above 1 means, each once."""
    without = {one.stack.name: sum(point.has_equal_cores for point in one.points) for one in scalings if not one.laws}
    if few := [count for count in without.values() if count < FIT_FROM]:
        yield (
            f"No law of scaling is fitted to fewer than {FIT_FROM} numbers of threads on equal physical cores; here "
            f"{'is' if max(few) == 1 else 'are'} {max(few)}."
        )
    if unfitted := [name for name, count in without.items() if count >= FIT_FROM]:
        yield f"No law of scaling fits {', '.join(unfitted)}."
    if any((point.products_seconds or 0) > point.epoch.center for one in scalings for point in one.points):
        yield "Where products take longer than the epoch, the stack skips zeros, or they were disturbed."


def _cells(point: ThreadPoint, first: ThreadPoint) -> Cells:
    share = None if point.products_seconds is None else point.products_seconds / point.epoch.center
    return [
        (Column("threads", INTEGER), point.threads),
        ("cores", _placement(point)),
        *with_interval(Column("training epoch", SECONDS), point.epoch, "epoch"),
        *with_interval(Column("speed-up", NUMBER), point.speedup, "speed-up"),
        (Column("efficiency", SHARE), point.efficiency),
        (Column("products / epoch", SHARE), share),
        (Column("products' speed-up", NUMBER), _ratio(first.products_seconds, point.products_seconds)),
        (Column("copy's speed-up", NUMBER), _ratio(point.copy_bytes_per_second, first.copy_bytes_per_second)),
        (Column("clock, MHz", NUMBER), point.clock_mhz),
        (Column("validation accuracy", FRACTION), point.validation_accuracy),
    ]


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return None if not numerator or not denominator else numerator / denominator


def _placement(point: ThreadPoint) -> str | None:
    if point.cpus is None:
        return None
    notes = []
    if point.physical_cores is not None and point.physical_cores < point.threads:
        notes.append(f"SMT: {point.physical_cores} physical")
    if (point.numa_nodes or 1) > 1:
        notes.append(f"{point.numa_nodes} NUMA nodes")
    if (point.core_kinds or 1) > 1:
        notes.append(f"{point.core_kinds} kinds")
    return f"{point.cpus} ({', '.join(notes)})" if notes else point.cpus


def _advice(scaling: ThreadScaling) -> str:
    name, fastest, default = scaling.stack.name, scaling.fastest.threads, scaling.default_threads
    threads = number_of(fastest, "thread")
    if len(scaling.points) == 1:
        return f"{name} was measured with {threads} only: nothing is compared."
    if scaling.advised_threads is not None:
        gain = scaling.gain
        return (
            f"{name} is {format_number(gain.center)} times as fast with {threads} as with the "
            f"default of {default} (95 % interval {format_range(gain.low, gain.high)}): --threads best takes that "
            "number."
        )
    if default == fastest:
        return f"{name} is fastest with {threads}, the default here."
    if scaling.gain is None:
        return f"{name} is fastest with {threads} of those measured."
    return (
        f"{name}: no number of threads is shown to be faster than the default of {default}; the shortest median is "
        f"that of {threads}."
    )


def _limits(scaling: ThreadScaling) -> list[str]:
    """Say where the time that the last threads do not save goes: products or the rest, memory and clock beside it."""
    first, last = scaling.points[0], scaling.points[-1]
    if first.threads != 1 or last.threads == 1:
        return []
    count = last.threads
    lost = last.epoch.center - first.epoch.center / count
    text = f"{scaling.stack.name} with {number_of(count, 'thread')}: {format_seconds(abs(lost))} "
    text += f"{'more' if lost > 0 else 'less'} than 1/{count} of the one-thread epoch"
    dense = [point.products_seconds for point in (first, last)]
    if None not in dense and dense[0] <= first.epoch.center and dense[1] <= last.epoch.center:
        in_products = dense[1] - dense[0] / count
        parts = (("the matrix products", in_products), ("all other work and synchronisation", lost - in_products))
        text += ", of it " + " and ".join(f"{_signed(seconds)} in {where}" for where, seconds in parts)
    beside = []
    if copy := _ratio(last.copy_bytes_per_second, first.copy_bytes_per_second):
        beside.append(f"memory copies are {format_number(copy)} times as fast")
    if clock := _ratio(last.clock_mhz, first.clock_mhz):
        beside.append(f"the clock is {format_number(clock)} times that of one thread")
    return [f"{text}; {', '.join(beside)}." if beside else f"{text}."]


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else ''}{format_seconds(abs(seconds))}"


def law_sentences(scaling: ThreadScaling) -> list[str]:
    """Return the fitted laws with their predicted maximum; empty without them."""
    if scaling.laws is None:
        return []
    amdahl, usl, name = scaling.laws.amdahl, scaling.laws.usl, scaling.stack.name
    serial, contention = (_with_interval(law.sigma, law.sigma_bounds) for law in (amdahl, usl))
    coherency = _with_interval(usl.kappa, usl.kappa_bounds)
    return [
        f"{name} by Amdahl's law: a serial share of {serial}{_maximum(amdahl)}.",
        f"{name} by the universal scalability law: contention {contention}, coherency {coherency}{_maximum(usl)}.",
    ]


def _with_interval(value: float, bounds: Bounds) -> str:
    return format_number_with_range(value, *(bounds or (None, None)))


def _maximum(law: ScalingLaw) -> str:
    """Return the predicted maximum, or that the law does not hold."""
    if not law.holds:
        return f"; it misses a median by {format_percent(law.worst_residual, 0)}, so it does not hold here"
    if law.best_speedup is None:
        return "; no limit is predicted"
    text = f"; at most {_with_interval(law.best_speedup, law.best_speedup_bounds)} times as fast is predicted"
    if law.best_count is not None:
        text += f", with {_with_interval(law.best_count, law.best_count_bounds)} threads"
    return text


def thread_rows(scalings: list[ThreadScaling]) -> list[dict[str, Any]]:
    """Return the points as flat rows, for CSV and JSON; None where unknown."""
    return [
        {
            "stack": scaling.stack.name,
            "threads": point.threads,
            "cpus": point.cpus,
            "physical_cores": point.physical_cores,
            "epoch_seconds": point.epoch.center,
            **speedup_row(point.speedup),
            "efficiency": point.efficiency,
            "clock_mhz": point.clock_mhz,
            "validation_accuracy": point.validation_accuracy,
        }
        for scaling in scalings
        for point in scaling.points
    ]
