"""Proportions with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass

from bench.stats.estimates import binomial_interval
from bench.units import format_percent


@dataclass(frozen=True)
class Rate:
    """Proportion ``count`` / ``trials`` with Wilson's interval at 95 %.

    Raises ValueError if there are no trials or more successes than trials.
    """

    count: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.trials or self.trials < 1:
            raise ValueError(f"{self.count} of {self.trials} trials is not a rate")

    @property
    def fraction(self) -> float:
        return self.count / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        return binomial_interval(self.fraction, self.trials)

    def __str__(self) -> str:
        low, high = (format_percent(bound, 1) for bound in self.interval)
        return f"{format_percent(self.fraction, 1)} ({low} to {high})"

    def to_json(self) -> dict[str, float]:
        low, high = self.interval
        return {"count": self.count, "trials": self.trials, "fraction": self.fraction, "low": low, "high": high}
