"""Finding of a rule, and helpers of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.records.profile import Operation, Profile
from bench.units import format_percent, format_seconds


@dataclass(frozen=True)
class Finding:
    """Finding: ``fact`` has the number; ``seconds`` is the cost per training step (compilation: once), if known.

    All three texts are sentences.
    """

    rule: str
    fact: str
    cause: str
    remedy: str
    seconds: float | None = None

    @property
    def text(self) -> str:
        return f"{self.fact} {self.cause} {self.remedy}"


def step_seconds(profile: Profile) -> float | None:
    """Return the seconds of a profiled training step, the whole of the shares."""
    timing = profile.timings.get("train_step")
    return timing.median_profiled_seconds if timing else None


def total_seconds(operations: Iterable[Operation]) -> float:
    return sum(operation.seconds for operation in operations)


def of_step(seconds: float, profile: Profile) -> str:
    """Format ``1.20 ms of a training step's 8.61 ms (13.9 %)``."""
    whole = step_seconds(profile)
    if not whole:
        return f"{format_seconds(seconds)} of a training step"
    share = format_percent(seconds / whole, 1)
    return f"{format_seconds(seconds)} of a training step's {format_seconds(whole)} ({share})"


def is_on_gpu(profile: Profile) -> bool:
    return profile.stack["device"] != "cpu"
