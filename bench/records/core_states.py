"""States of the distance between the cores, as processes of a run found it before and after."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

SAME_STATE = 1.5  # distances that differ from their neighbour, in order of size, by a smaller factor are one state
Distance = float | None  # in nanoseconds


class CoreState(NamedTuple):
    """State of the cores while a process ran: the median distance of all processes in it, in nanoseconds.

    None if it is unknown, or ``changed`` while the process ran.
    """

    ns: float | None
    changed: bool = False

    @property
    def key(self) -> str:
        return "" if self.ns is None else f"{self.ns:g} ns"


def core_states(processes: Sequence[tuple[Distance, Distance]]) -> list[CoreState]:
    """Return the state of each process from its distances before and after."""
    center = {ns: median(state) for state in _states(processes) for ns in state}
    found = [{center[ns] for ns in ends if ns is not None} for ends in processes]
    return [CoreState(None, len(ends) > 1) if len(ends) != 1 else CoreState(*ends) for ends in found]


def _states(processes: Sequence[tuple[Distance, Distance]]) -> list[list[float]]:
    """Split all distances, in order of size, at every step of ``SAME_STATE`` or more."""
    states: list[list[float]] = []
    for ns in sorted(ns for ends in processes for ns in ends if ns is not None):
        if states and ns < SAME_STATE * states[-1][-1]:
            states[-1].append(ns)
        else:
            states.append([ns])
    return states
