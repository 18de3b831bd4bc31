"""Totals of a profile: seconds by kind of operation, unattributed time, and profiling overhead.

All seconds are per call of a function; those of compilation are per process.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench.records.profile import BETWEEN, KINDS, CompilePhase, Operation, Timing
from bench.stats.estimates import Ratio, paired_ratio


def between_seconds(operations: Iterable[Operation]) -> float:
    """Return the unattributed seconds; negative if operations overlap."""
    return sum(one.seconds for one in operations if _is_between(one))


def seconds_by_kind(operations: Iterable[Operation]) -> dict[str, float]:
    """Return {kind: seconds} of attributed time, in the order of ``KINDS``, without absent kinds."""
    attributed = [one for one in operations if not _is_between(one)]
    kinds = dict.fromkeys([*KINDS, *(one.kind for one in attributed)])
    return {
        kind: sum(one.seconds for one in attributed if one.kind == kind)
        for kind in kinds
        if any(one.kind == kind for one in attributed)
    }


def overhead_ratio(timing: Timing) -> Ratio | None:
    """Return profiled / plain over the interleaved rounds; None if no round timed both."""
    return paired_ratio(dict(enumerate(timing.profiled_seconds)), dict(enumerate(timing.plain_seconds)))


def compile_seconds(phases: Iterable[CompilePhase]) -> dict[str | None, float]:
    """Return {state of the cache: seconds of all compilation}, in the order of the processes."""
    outermost = [phase for phase in phases if phase.parent is None]
    caches = dict.fromkeys(phase.cache for phase in outermost)
    return {cache: sum(phase.seconds for phase in outermost if phase.cache == cache) for cache in caches}


def _is_between(operation: Operation) -> bool:
    return operation.details.get("op") == BETWEEN
