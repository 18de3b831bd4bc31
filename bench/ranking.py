"""Who is faster than whom, and where a run cannot tell: ranks from interleaved rounds, on plain mappings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from bench.stats import paired_ratio

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Rank:
    """``number`` counts from 1; a ``shared`` one is held by neighbours that the run cannot tell apart."""

    number: int
    shared: bool

    def __str__(self) -> str:
        return f"{self.number}=" if self.shared else str(self.number)


def rank(rounds_by_name: Mapping[Name, Mapping[int, float]]) -> dict[Name, Rank]:
    """The names in the order of their median seconds, fastest first, each with its rank.

    ``rounds_by_name`` maps a name to {interleaved round: seconds}, at least one round each.  Two neighbours share a
    rank unless the interval of their direct ratio excludes 1; with fewer than two common rounds there is no interval,
    and they share it too.  After a shared rank the count goes on as in sports: 1, 2=, 2=, 4.
    """
    order = sorted(rounds_by_name, key=lambda name: median(rounds_by_name[name].values()))
    numbers: list[int] = []
    for place, name in enumerate(order, start=1):
        if numbers and not _told_apart(rounds_by_name[order[place - 2]], rounds_by_name[name]):
            numbers.append(numbers[-1])
        else:
            numbers.append(place)
    return {name: Rank(number, numbers.count(number) > 1) for name, number in zip(order, numbers, strict=True)}


def _told_apart(faster: Mapping[int, float], slower: Mapping[int, float]) -> bool:
    ratio = paired_ratio(slower, faster)
    return ratio is not None and ratio.differs
