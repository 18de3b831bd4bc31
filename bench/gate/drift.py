"""Comparison with an earlier measurement, corrected for the drift of the machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from bench.gate.verdict import Judgement, Metric, Verdict, wording
from bench.stats.estimates import UPPER_TAIL
from bench.units import format_number

ALPHA = 0.05  # chance of a false regression over all metrics together; there is one look


@dataclass(frozen=True)
class BaselineData:
    """Seconds per process, in the record and now, of each metric and of the machine's floor."""

    base: dict[str, list[float]]
    candidate: dict[str, list[float]]
    base_floor: list[float]
    candidate_floor: list[float]

    @property
    def drift_is_known(self) -> bool:
        return min(len(self.base_floor), len(self.candidate_floor)) >= 2

    @property
    def drift_sentence(self) -> str:
        """Sentence on the drift of the machine since the record."""
        if not self.drift_is_known:
            return (
                "The machine's drift is unknown: the products of a step were not measured by two processes both then "
                "and now, so that nothing can be decided."
            )
        drift = math.exp(_mean_log(self.candidate_floor) - _mean_log(self.base_floor))
        return (
            f"The ratio of the products of a training step, now / then, is {format_number(drift)} "
            f"({len(self.base_floor)} and {len(self.candidate_floor)} processes): this drift is divided out."
        )


def judge_against(data: BaselineData, metrics: Sequence[Metric]) -> tuple[Judgement, ...]:
    return tuple(_judge(data, metric, ALPHA / len(metrics)) for metric in metrics)


def _judge(data: BaselineData, metric: Metric, alpha: float) -> Judgement:
    """Judge one metric by Student's t on four means of logarithms, variances unequal (Welch 1947)."""
    base, candidate = data.base.get(metric.name, []), data.candidate.get(metric.name, [])
    groups = (candidate, base, data.candidate_floor, data.base_floor)
    if not base or not candidate:
        where = "in the record" if not base else "now"
        return Judgement(metric, Verdict.NOT_MEASURED, f"it was not measured {where}")
    if any(not (math.isfinite(value) and value > 0) for group in groups for value in group):
        return Judgement(metric, Verdict.UNDECIDED, "a value is not a positive finite number")
    count = len(base) + len(candidate)
    raw = math.exp(_mean_log(candidate) - _mean_log(base))
    if not data.drift_is_known or min(len(base), len(candidate)) < 2:
        why = f"{wording.change(metric, raw)}, but the drift is unknown or one side has fewer than two processes"
        return Judgement(metric, Verdict.UNDECIDED, why, raw, num_processes=count)
    estimate, error, freedom = _contrast(groups)
    low, high = (estimate + sign * special.stdtrit(freedom, UPPER_TAIL) * error for sign in (-1, 1))
    limit, red = math.log1p(metric.effect), -special.stdtrit(freedom, alpha) * error
    smallest = math.expm1(max(red, limit / 2) + special.stdtrit(freedom, 0.95) * error)
    ratio = [math.exp(value) for value in (estimate, low, high)]
    measured = f"{wording.change(metric, *ratio)} with the drift divided out"
    if -limit < low and high < limit:
        verdict = Verdict.UNCHANGED
        why = f"{measured}: {wording.no_change_that_matters(metric, *ratio[1:])}"
    elif estimate > max(red, limit / 2):
        verdict, why = Verdict.REGRESSED, measured
    elif estimate < -max(red, limit / 2):
        verdict, why = Verdict.IMPROVED, measured
    else:
        verdict, why = Verdict.UNDECIDED, f"{measured}: a change is neither shown nor excluded"
    return Judgement(metric, verdict, why, *ratio, num_processes=count, detectable_effect=smallest)


def _contrast(groups: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return log((now / then) of the metric / (now / then) of the floor), its standard error, its degrees of freedom.

    Degrees of freedom by Satterthwaite (1946), at least 1 (all processes may be equal).
    """
    signs = (1, -1, -1, 1)
    variances = [statistics.variance([math.log(v) for v in group]) / len(group) for group in groups]
    estimate = sum(sign * _mean_log(group) for sign, group in zip(signs, groups, strict=True))
    total = sum(variances)
    spread = sum(variance**2 / (len(group) - 1) for variance, group in zip(variances, groups, strict=True))
    return estimate, math.sqrt(total), total**2 / spread if spread else 1.0


def _mean_log(values: Sequence[float]) -> float:
    return statistics.fmean(math.log(value) for value in values)
