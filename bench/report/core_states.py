"""Notice about cores that were at several distances from each other while they were measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.records.core_states import CoreState
from bench.units import format_seconds


def states_notice(states: Sequence[CoreState], units: str = "processes") -> str | None:
    """Return a notice if the processes of a run, or the turns of the gate, found more than one state of the cores."""
    counts = Counter(state.ns for state in states if state.ns is not None)
    num_changed = sum(state.changed for state in states)
    if len(counts) < 2 and not num_changed:
        return None
    parts = [f"{format_distance(ns)} in {count} of {len(states)} {units}" for ns, count in counts.most_common()]
    parts += [f"it changed during {num_changed}"] if num_changed else []
    return f"Measured at several distances between the cores (round trip of a cache line): {', '.join(parts)}."


def format_distance(ns: float) -> str:
    return format_seconds(ns * 1e-9)
