"""Ceilings: best times of a machine's work, from which its peak rates follow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.records.json_file import Integer, Positive
from bench.units import format_number

MOST_DISAGREEMENT = 1.5  # ratio of the fastest samples of two processes


@dataclass(frozen=True)
class Ceiling:
    """Best time of one kind of work: ``seconds`` of one call with ``flop`` operations and ``bytes`` of traffic.

    ``seconds`` is the fastest sample of all processes, ``slowest_seconds`` the fastest sample of the slowest process,
    and ``rounds`` maps an interleaved round to the fastest sample of its process.
    """

    name: str
    engine: str
    seconds: Positive
    slowest_seconds: Positive | None = None
    num_processes: Integer = 1
    flop: float | None = None
    bytes: float | None = None
    rounds: dict[int, float] | None = None

    @property
    def disagreement(self) -> float:
        """Ratio of the slowest to the fastest process; 1 if only one is known."""
        return 1.0 if self.slowest_seconds is None else self.slowest_seconds / self.seconds

    @property
    def flop_per_second(self) -> float | None:
        return None if self.flop is None else self.flop / self.seconds

    @property
    def bytes_per_second(self) -> float | None:
        return None if self.bytes is None else self.bytes / self.seconds


@dataclass(frozen=True)
class Ceilings:
    """Ceilings of one device.  ``measured`` has those of all engines; ``best(name)`` is the effective one."""

    device: str
    threads: Integer | None
    measured: tuple[Ceiling, ...]

    def best(self, name: str) -> Ceiling | None:
        """Return the fastest engine's ceiling; None if not measured, or if its processes disagree."""
        found = self._fastest(name)
        return None if found is None or found.disagreement > MOST_DISAGREEMENT else found

    def _fastest(self, name: str) -> Ceiling | None:
        return min((one for one in self.measured if one.name == name), key=_seconds_for_its_work, default=None)

    @property
    def notice(self) -> str | None:
        """Return a sentence if processes disagree on a ceiling, else None."""
        by_name = {name: self._fastest(name).disagreement for name in self.names}
        unclear = {name: ratio for name, ratio in by_name.items() if ratio > MOST_DISAGREEMENT}
        if not unclear:
            return None
        return (
            f"The processes of this run disagree on what {self.device} can do at best, by up to "
            f"{format_number(max(unclear.values()))} times ({', '.join(unclear)}): something else was computing. "
            "Nothing is judged by these ceilings; measure again on a quiet machine."
        )

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(ceiling.name for ceiling in self.measured))

    def in_round(self, number: int) -> Ceilings | None:
        """Return the ceilings of one round, by the engines that are best over all rounds.

        None if that round lacks a ceiling, or if processes disagree.
        """
        best = [self.best(name) for name in self.names]
        if any(ceiling is None or number not in (ceiling.rounds or {}) for ceiling in best):
            return None
        return replace(self, measured=tuple(replace(ceiling, seconds=ceiling.rounds[number]) for ceiling in best))

    @property
    def round_numbers(self) -> list[int]:
        return sorted({number for ceiling in self.measured for number in ceiling.rounds or {}})

    def without_rounds(self) -> Ceilings:
        return replace(self, measured=tuple(replace(ceiling, rounds=None) for ceiling in self.measured))

    def to_json(self) -> dict[str, Any]:
        measured = [{name: value for name, value in asdict(one).items() if name != "rounds"} for one in self.measured]
        return {"device": self.device, "threads": self.threads, "measured": measured}


def _seconds_for_its_work(ceiling: Ceiling) -> float:
    """Return seconds per unit of work, because amounts differ between engines."""
    return ceiling.seconds / (ceiling.flop or ceiling.bytes or 1)
