"""A block as it was measured, turn by turn; and the process samples that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.gate.verdict import ProcessSample, process_values

# A measure that is the sum of others; of warm and cold compilation a block has one.
SUMS = {"end_to_end": ("load", "compile_warm", "compile_cold", "train_epoch", "validation_epoch")}
KINDS = ("comparison", "confirmation")
BASE, CANDIDATE, CONTROL = "A", "B", "C"  # C: the base again, in processes of its own


@dataclass(frozen=True)
class Seat:
    """One process of a block: whose it is, the seed it trained with, and why it failed if it did."""

    role: str
    seed: int
    failed: str | None = None


@dataclass(frozen=True)
class Turn:
    """What the process of ``seat`` measured in ``round``; ``value`` in the unit of the measure.

    ``t_start_seconds`` is when the turn began, by the clock of the gate.
    """

    measure: str
    round: int
    seat: int
    t_start_seconds: float
    value: float | None


@dataclass(frozen=True)
class Block:
    """Processes that lived side by side, in the order of their seats, and their turns in the order of time.

    ``kind`` is ``comparison`` (with its null control) or ``confirmation``.  ``instructions`` are those of one training
    step in each process, where the kernel counts them.
    """

    number: int
    kind: str
    seats: tuple[Seat, ...]
    turns: tuple[Turn, ...]
    seconds: float
    instructions: tuple[float | None, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __post_init__(self) -> None:
        """Raise ValueError for what no gate measured."""
        if self.kind not in KINDS:
            raise ValueError(f"the kind of block {self.number} is {self.kind!r}, not one of {', '.join(KINDS)}")
        if unknown := {seat.role for seat in self.seats} - {BASE, CANDIDATE, CONTROL}:
            raise ValueError(f"block {self.number} has a process of {min(unknown)!r}")
        if any(not 0 <= turn.seat < len(self.seats) for turn in self.turns):
            raise ValueError(f"block {self.number} has a turn of a process that it does not have")

    def values(self, measure: str, seats: Sequence[int]) -> list[float | None]:
        """One value for each of ``seats``, from the rounds that they shared.

        Only processes that are compared with one another belong in one call: what they have in common is divided out.
        """
        if measure in SUMS:
            parts = [self.values(part, seats) for part in SUMS[measure] if self._has(part)]
            return [None if None in of_seat else sum(of_seat) for of_seat in zip(*parts, strict=True)]
        rounds: dict[int, list[float | None]] = {}
        for turn in self.turns:
            if turn.measure == measure and turn.seat in seats:
                rounds.setdefault(turn.round, [None] * len(seats))[seats.index(turn.seat)] = turn.value
        return process_values([rounds[number] for number in sorted(rounds)]) or [None] * len(seats)

    def _has(self, measure: str) -> bool:
        return any(turn.measure == measure for turn in self.turns)


Samples = dict[str, list[ProcessSample]]


def samples(blocks: Iterable[Block], measures: Iterable[str], against: str = CANDIDATE) -> Samples:
    """The process samples of each measure: the base as A, and ``against`` (candidate or control) as B."""
    sides = {BASE: "A", against: "B"}
    found: Samples = {name: [] for name in measures}
    for block in blocks:
        if against not in {seat.role for seat in block.seats}:
            continue
        seats = [number for number, seat in enumerate(block.seats) if seat.role in sides]
        for name, collected in found.items():
            for order, (seat, value) in enumerate(zip(seats, block.values(name, seats), strict=True)):
                collected.append(ProcessSample(block.number, order, sides[block.seats[seat].role], value))
    return found
