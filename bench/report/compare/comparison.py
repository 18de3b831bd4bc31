"""Compare several sides with one base: ratios, scores, hardware and use, costs; values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import BenchError
from bench.report.compare.comparable import REFERENCE_CLOCK, TRAIN_EPOCH, Comparable, StackMeasurement
from bench.report.compare.explanations import Explanation, explanations, other_code
from bench.report.compare.hardware import HardwareShare, hardware_shares
from bench.report.compare.metric_ratios import MetricRatio, metric_ratios, too_short
from bench.report.compare.refusal import common_metrics, precision_reasons, reasons_against, same_number_of_epochs
from bench.stats import estimates
from bench.stats.unpaired import SpeedRatio, mean_speed_ratio

ALL_IN_COMMON = "everything in common"


@dataclass(frozen=True)
class Score:
    """Geometric mean of ``measurement``'s ratios over ``stacks``; the base's own score is 1 by definition."""

    run: str
    measurement: str
    stacks: tuple[str, ...]
    speed: SpeedRatio


@dataclass(frozen=True)
class Cost:
    """Cost of one canonical run; ``price`` is in the currency of ``price_per_hour``.  None where unknown."""

    run: str
    stack: str
    seconds: estimates.Estimate
    price_per_hour: float | None
    energy_joules: float | None

    @property
    def price(self) -> float | None:
        return None if self.price_per_hour is None else self.price_per_hour * self.seconds.center / 3600


@dataclass(frozen=True)
class NotCompared:
    """Part ``what`` of ``run`` that was left out of the comparison with the base."""

    run: str
    what: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison; every list has entries for all of ``others``.

    ``explanations`` are differences that explain a ratio before the machine does; ``other_code`` maps each run to its
    stacks whose code changed (False) or may have (None).
    """

    base: Comparable
    others: tuple[Comparable, ...]
    ratios: list[MetricRatio]
    scores: list[Score]
    hardware: list[HardwareShare]
    costs: list[Cost]
    not_compared: list[NotCompared]
    explanations: list[Explanation]
    other_code: Mapping[str, Mapping[str, bool | None]]

    def code_note(self, run: str, stack: str) -> str:
        """Return the note on a stack whose code is not known to be the base's; empty if it is."""
        same = self.other_code[run].get(stack, True)
        return "" if same else "unknown" if same is None else "changed"

    @property
    def sides(self) -> tuple[Comparable, ...]:
        return (self.base, *self.others)

    def score(self, run: str) -> Score | None:
        """Return the headline score: of the training epoch if it is in common, else of all common measurements."""
        found = {score.measurement: score for score in self.scores if score.run == run}
        return found.get(TRAIN_EPOCH) or found.get(ALL_IN_COMMON)


def compare(
    base: Comparable, others: Sequence[Comparable], price_per_hour: Mapping[str, float] | None = None
) -> Comparison:
    """Compare each of ``others`` with ``base``.

    Raises
    ------
    BenchError
        If ``others`` is empty, or a side may not be compared; the message lists every reason.
    """
    if not others:
        raise BenchError("a comparison needs at least two runs: name each by its id, folder or record, or latest.")
    against = {other.name: reasons_against(base, other) for other in others}
    if any(against.values()):
        listed = [f"{name}: {'; '.join(reasons)}" for name, reasons in against.items() if reasons]
        raise BenchError(f"these cannot be compared with {base.name}: {'. '.join(listed)}. Leave them out.")
    ratios = [ratio for other in others for ratio in metric_ratios(base, other)]
    changed = {other.name: other_code(base, other) for other in others}
    return Comparison(
        base=base,
        others=tuple(others),
        ratios=ratios,
        scores=_scores(base, others, ratios, unscored=frozenset().union(*changed.values())),
        hardware=[share for other in others for share in hardware_shares(base, other, ratios)],
        costs=[cost for side in (base, *others) for cost in _costs(side, price_per_hour or {})],
        not_compared=[entry for other in others for entry in _not_compared(base, other)],
        explanations=[one for other in others for one in explanations(base, other, changed[other.name])],
        other_code=changed,
    )


def _scores(
    base: Comparable, others: Sequence[Comparable], ratios: list[MetricRatio], unscored: frozenset[str]
) -> list[Score]:
    """Score each measurement over the stacks that every side measured, with one code, and that learn worse on none."""
    unfit = unscored.union(*(side.learns_worse | side.not_conforming for side in (base, *others)))
    everywhere = [
        metric
        for metric in dict.fromkeys(ratio.metric for ratio in ratios)
        if metric.stack not in unfit
        and not metric.is_detail
        and sum(ratio.metric == metric for ratio in ratios) == len(others)
    ]
    groups: dict[str, list[StackMeasurement]] = {}
    for metric in everywhere:
        groups.setdefault(metric.measurement, []).append(metric)
    if TRAIN_EPOCH not in groups and everywhere:
        groups = {ALL_IN_COMMON: everywhere, **groups}
    return [
        Score(other.name, name, tuple(dict.fromkeys(metric.stack for metric in metrics)), _mean(base, other, metrics))
        for name, metrics in groups.items()
        for other in others
    ]


def _mean(base: Comparable, other: Comparable, metrics: list[StackMeasurement]) -> SpeedRatio:
    return mean_speed_ratio(*([side.medians(metric) for metric in metrics] for side in (base, other)))


def _costs(side: Comparable, price_per_hour: Mapping[str, float]) -> Iterator[Cost]:
    for stack in sorted(side.canonical_stacks):
        seconds = side.medians(StackMeasurement(stack, REFERENCE_CLOCK))
        price, joules = price_per_hour.get(side.name), side.energy_joules.get(stack)
        if seconds and (price is not None or joules is not None):
            estimate = estimates.estimate([[value] for value in seconds.values()])
            yield Cost(side.name, stack, estimate, price, joules)


def _not_compared(base: Comparable, other: Comparable) -> list[NotCompared]:
    found = [NotCompared(other.name, "a stack", reason) for reason in precision_reasons(base, other)]
    if not same_number_of_epochs(base, other):
        counts = [side.recipe["num_epochs"] for side in (base, other)]
        reason = f"{base.name} ran {counts[0]} epochs and {other.name} {counts[1]}"
        found.append(NotCompared(other.name, REFERENCE_CLOCK, reason))
    for here, there in ((base, other), (other, base)):
        found += [NotCompared(other.name, what, f"only {here.name} measured it") for what in _only_in(here, there)]
    for metric in common_metrics(base, other):
        if too_short(metric, base, other):
            reason = "it is too short: such a duration is that of an empty call"
            found.append(NotCompared(other.name, f"{metric.stack} {metric.measurement}".strip(), reason))
    return found


def _only_in(here: Comparable, there: Comparable) -> list[str]:
    """List whole stacks by name, or for a common stack the measurements that ``there`` lacks."""
    stacks_there = {metric.stack for metric in there.samples}
    lacking: dict[str, list[str]] = {}
    for metric in here.samples:
        if metric not in there.samples:
            lacking.setdefault(metric.stack, []).append(metric.measurement)
    return [
        stack if stack and stack not in stacks_there else f"{stack} {', '.join(measurements)}".strip()
        for stack, measurements in lacking.items()
    ]
