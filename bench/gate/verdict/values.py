"""Value types of a gate run: metrics, process samples, judgements, decisions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Unit = Literal["seconds", "bytes", "loss", "accuracy"]
SideName = Literal["A", "B"]

DEFAULT_EFFECT = 0.05
# A metric that leaves out the time in which threads waited for a core, and the metric of all the time: on a busy
# machine the part shows a change that waiting hides in the whole (decide.py).
PART_OF = {"train_epoch_running": "train_epoch"}


def with_wholes(names: Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` and the metrics of which some are a part, without duplicates."""
    return tuple(dict.fromkeys(one for name in names for one in (name, PART_OF.get(name, name))))


class Verdict(StrEnum):
    """Verdict on one metric of the candidate, compared with the base."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    REGRESSED = "regressed"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True)
class Metric:
    """Judged quantity.

    ``effect`` is the change that matters: a fraction of the base (0.05 is 5 %), or for accuracy a difference of two
    fractions (0.002 is 0.2 points).  Seconds, bytes and loss are judged on the ratio candidate / base, lower is
    better.  Accuracy is judged on the difference candidate - base, higher is better: a ratio of two numbers near 1
    hides how many errors were added.

    Raises ValueError if the unit is unknown, or the effect is not a positive finite number (a fraction below 1 for
    accuracy).
    """

    name: str
    unit: Unit = "seconds"
    effect: float = DEFAULT_EFFECT

    def __post_init__(self) -> None:
        if self.unit not in ("seconds", "bytes", "loss", "accuracy"):
            raise ValueError(f"metric {self.name!r} has the unit {self.unit!r}: use seconds, bytes, loss or accuracy")
        if not (math.isfinite(self.effect) and self.effect > 0) or (self.unit == "accuracy" and self.effect >= 1):
            raise ValueError(f"metric {self.name!r} has the effect {self.effect!r}: use a positive fraction, as 0.05")

    @property
    def is_ratio(self) -> bool:
        """True if candidate / base is judged (neutral value 1), False for candidate - base (neutral value 0)."""
        return self.unit != "accuracy"


@dataclass(frozen=True)
class ProcessSample:
    """Summary of one metric in one fresh process, e.g. the median of its turns: the unit of statistics.

    ``side`` is A for the base and B for the candidate.  A ``block`` is a set of concurrent processes with randomly
    assigned sides.  ``value`` is in the unit of the metric; None if the process failed to measure it.
    """

    block: int
    side: SideName
    value: float | None


@dataclass(frozen=True)
class Judgement:
    """Verdict on one metric with its numbers; None if there was no data.

    ``ratio``, ``low`` and ``high`` are candidate / base with its interval at 95 %, valid for any number of looks; for
    accuracy they are the difference candidate - base as a fraction.  ``detectable_effect`` is the smallest worsening
    that this run would have detected with 95 % power: 0.04 is 4 % (0.04 of accuracy is 4 points).
    ``control_*`` are the same of base against base, and ``fresh_ratio`` that of the confirming blocks alone.
    ``num_processes`` counts both sides of the comparison.
    """

    metric: Metric
    verdict: Verdict
    reason: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    num_processes: int = 0
    num_blocks: int = 0
    detectable_effect: float | None = None
    control_ratio: float | None = None
    control_low: float | None = None
    control_high: float | None = None
    fresh_ratio: float | None = None
    num_fresh_blocks: int = 0


@dataclass(frozen=True)
class Decision:
    """Judgements of a gate run after the blocks measured so far.

    ``control_failure`` is a sentence with numbers if the base differs from itself: then nothing is decided.
    ``to_confirm`` names the apparent regressions, clearest first: their verdict is ``undecided`` until ``confirm``
    confirms them on fresh blocks.  ``more_blocks_may_help`` is True if more blocks can decide an undecided metric.
    """

    judgements: tuple[Judgement, ...]
    control_failure: str | None
    to_confirm: tuple[str, ...]
    more_blocks_may_help: bool

    def verdicts(self) -> set[Verdict]:
        return {judgement.verdict for judgement in self.judgements}
