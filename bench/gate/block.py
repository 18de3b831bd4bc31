"""Measured blocks of a gate run, and the process samples computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.gate.verdict import ProcessSample, process_values
from bench.gate.verdict.turns import Summary, log_values
from bench.records.json_file import Integer

# Measures that are sums of others: of all but one, as a block has either the warm or the cold compilation.
SUMS = {"end_to_end": ("load", "compile_warm", "compile_cold", "train_epoch", "validate_epoch")}
KINDS = ("comparison", "confirmation")
BISECTION_KINDS = ("bisection", "confirmation of a culprit")  # the roles are the ids of their commits
BASE, CANDIDATE, CONTROL = "A", "B", "C"  # C: the base again, in processes of its own


@dataclass(frozen=True)
class Slot:
    """Process of a block: its role, its seed, and the reason if it failed."""

    role: str
    seed: Integer
    failed: str | None = None


@dataclass(frozen=True)
class SchedulerCounters:
    """Gains of the kernel's counters during a turn; None where the kernel does not count.

    ``wait_seconds`` is the time in which threads of the process were ready and did not run, over all threads, and
    ``longest_wait_seconds`` that of the one that waited longest.  ``cpu_seconds`` is the time in which they ran.
    ``steal_seconds`` (of all cores, taken by the host) and ``pressure_seconds`` (any process waited for a core) are the
    machine's.
    """

    wait_seconds: float | None = None
    longest_wait_seconds: float | None = None
    involuntary_switches: Integer | None = None
    cpu_seconds: float | None = None
    steal_seconds: float | None = None
    pressure_seconds: float | None = None

    def running_seconds(self, seconds: float) -> float | None:
        """Return the ``seconds`` of a turn less those in which its longest-waiting thread waited for a core.

        All of them where the kernel does not count; None if the wait, counted from just before the turn to just after
        it, is as long as the turn.
        """
        waited_seconds = self.longest_wait_seconds or 0.0
        return seconds - waited_seconds if waited_seconds < seconds else None


@dataclass(frozen=True)
class Turn:
    """Measurement of one process (``slot``) in ``round``; ``value`` is in the unit of the measure.

    ``t_start_seconds`` is the start of the turn on the gate's clock, ``core_distance_ns`` the round trip of a cache
    line between the cores, measured every few rounds.  ``scheduler`` counts in turns of the training epoch.
    """

    measure: str
    round: Integer
    slot: Integer
    t_start_seconds: float
    value: float | None
    core_distance_ns: float | None = None
    scheduler: SchedulerCounters | None = None


@dataclass(frozen=True)
class Block:
    """Concurrent processes in the order of their slots, and their turns in chronological order.

    ``kind`` is ``comparison`` (with its null control), ``confirmation``, or one of BISECTION_KINDS.  ``instructions``
    are those of one training step in each process, where the kernel counts them.
    """

    number: Integer
    kind: str
    slots: tuple[Slot, ...]
    turns: tuple[Turn, ...]
    seconds: float
    instructions: tuple[float | None, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind or role, or a turn of an unknown process."""
        if self.kind not in (*KINDS, *BISECTION_KINDS):
            raise ValueError(f"the kind of block {self.number} is {self.kind!r}, not one of {', '.join(KINDS)}")
        unknown = {slot.role for slot in self.slots} - {BASE, CANDIDATE, CONTROL}
        if unknown and self.kind in KINDS:
            raise ValueError(f"block {self.number} has a process of {min(unknown)!r}")
        if any(not 0 <= turn.slot < len(self.slots) for turn in self.turns):
            raise ValueError(f"block {self.number} has a turn of a process that it does not have")

    def values(self, measure: str, slots: Sequence[int], summary: Summary = log_values) -> list[float | None]:
        """Return one value for each of ``slots``, estimated from their common rounds by ``summary``.

        Pass only processes that are compared with each other: their common round effects are divided out.
        """
        if measure in SUMS:
            parts = [self.values(part, slots, summary) for part in SUMS[measure] if self._has(part)]
            if len(parts) < len(SUMS[measure]) - 1:  # all processes failed before a part: the others are no sum
                return [None] * len(slots)
            return [None if None in of_slot else sum(of_slot) for of_slot in zip(*parts, strict=True)]
        return process_values(self.rounds(measure, slots), summary) or [None] * len(slots)

    def rounds(self, measure: str, slots: Sequence[int]) -> list[list[float | None]]:
        """Return the values of the turns of ``slots`` in each round; None where a process has no turn."""
        found: dict[int, list[float | None]] = {}
        for turn in self.turns:
            if turn.measure == measure and turn.slot in slots:
                found.setdefault(turn.round, [None] * len(slots))[slots.index(turn.slot)] = turn.value
        return [found[number] for number in sorted(found)]

    def _has(self, measure: str) -> bool:
        return any(turn.measure == measure for turn in self.turns)


def samples(
    blocks: Iterable[Block], measures: Iterable[str], against: str = CANDIDATE
) -> dict[str, list[ProcessSample]]:
    """Return the process samples of each measure: the base as A, and ``against`` (candidate or control) as B."""
    sides = {BASE: "A", against: "B"}
    found: dict[str, list[ProcessSample]] = {name: [] for name in measures}
    for block in blocks:
        if against not in {slot.role for slot in block.slots}:
            continue
        slots = [number for number, slot in enumerate(block.slots) if slot.role in sides]
        for name, collected in found.items():
            for slot, value in zip(slots, block.values(name, slots), strict=True):
                collected.append(ProcessSample(block.number, sides[block.slots[slot].role], value))
    return found
