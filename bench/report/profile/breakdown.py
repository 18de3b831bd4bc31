"""What a profile comes to, as numbers: a step by kind of operation, what of it is not attributed, what profiling costs.

All seconds are per call of a function; those of compilation are of a process.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench.records.profile import KINDS, CompilePhase, Operation, Timing
from bench.stats.estimates import Ratio, paired_ratio

BETWEEN = "between operations"  # ``op`` of the row that holds what is left of the profiled call


def between_seconds(operations: Iterable[Operation]) -> float:
    """What no operation accounts for; negative where operations overlap."""
    return sum(one.seconds for one in operations if _is_between(one))


def seconds_by_kind(operations: Iterable[Operation]) -> dict[str, float]:
    """{kind: seconds} of what is attributed, in the order of ``KINDS``; a kind without an operation is not there."""
    attributed = [one for one in operations if not _is_between(one)]
    kinds = dict.fromkeys([*KINDS, *(one.kind for one in attributed)])
    return {
        kind: sum(one.seconds for one in attributed if one.kind == kind)
        for kind in kinds
        if any(one.kind == kind for one in attributed)
    }


def overhead_ratio(timing: Timing) -> Ratio | None:
    """Profiled / plain over the interleaved rounds; None where none timed both."""
    return paired_ratio(dict(enumerate(timing.profiled_seconds)), dict(enumerate(timing.plain_seconds)))


def compile_seconds(phases: Iterable[CompilePhase]) -> dict[str | None, float]:
    """{state of the cache: seconds of all of compilation}, in the order in which the processes ran."""
    outermost = [phase for phase in phases if phase.parent is None]
    caches = dict.fromkeys(phase.cache for phase in outermost)
    return {cache: sum(phase.seconds for phase in outermost if phase.cache == cache) for cache in caches}


def _is_between(operation: Operation) -> bool:
    return operation.details.get("op") == BETWEEN
