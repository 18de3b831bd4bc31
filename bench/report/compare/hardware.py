"""Split of an epoch's speed ratio into faster hardware and better use of it, by the ceilings of both runs.

``speed ratio = hardware x use``.  Hardware is the ratio of the two lower bounds, each from the ceilings of its own run;
use is the ratio of the two distances of the stack from its lower bound.  Both are over interleaved rounds, in which
epoch and ceilings were measured one after another, so that use is free of drift within a run and between runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.records.ceilings import Ceilings
from bench.report.compare.comparable import TRAIN_EPOCH, VALIDATE_EPOCH, Comparable, StackMeasurement
from bench.report.compare.metric_ratios import MetricRatio
from bench.report.run.lower_bound import recipe_of
from bench.roofline.dense_calls import dense_calls_of
from bench.stats.unpaired import SpeedRatio, speed_ratio

BOUND_FIELDS = {TRAIN_EPOCH: "train_epoch_seconds", VALIDATE_EPOCH: "validate_epoch_seconds"}


@dataclass(frozen=True)
class HardwareShare:
    """Factors of a speed ratio; ``hardware * use`` is only about ``speed``, as each is a median of its own."""

    run: str
    metric: StackMeasurement
    speed: SpeedRatio
    hardware: SpeedRatio
    use: SpeedRatio


def hardware_shares(base: Comparable, other: Comparable, ratios: Sequence[MetricRatio]) -> list[HardwareShare]:
    """Return the shares of the epochs of each stack whose device has ceilings on both sides."""
    found = []
    for ratio in ratios:
        if ratio.run != other.name or ratio.metric.measurement not in BOUND_FIELDS:
            continue
        bounds = _bounds(base, other, ratio.metric)
        multiples = [_multiples(side, ratio.metric, bound) for side, bound in zip((base, other), bounds, strict=True)]
        if all(multiples):
            hardware, use = (speed_ratio(*(list(side.values()) for side in sides)) for sides in (bounds, multiples))
            found.append(HardwareShare(other.name, ratio.metric, ratio.speed, hardware, use))
    return found


def _bounds(base: Comparable, other: Comparable, metric: StackMeasurement) -> list[dict[int, float]]:
    """Return each side's {round: lower bound of the metric in seconds}, from the engines that both measured.

    An engine missing on one side is left out on both: it may be the fastest, and its absence is not the machine's.
    """
    measured = [side.ceilings.get(side.devices.get(metric.stack, "")) for side in (base, other)]
    if None in measured:
        return [{}, {}]
    engines = set.intersection(*({one.engine for one in ceilings.measured} for ceilings in measured))
    sides = zip((base, other), measured, strict=True)
    return [_bound_by_round(side, ceilings, engines, metric) for side, ceilings in sides]


def _bound_by_round(
    side: Comparable, ceilings: Ceilings, engines: set[str], metric: StackMeasurement
) -> dict[int, float]:
    common = replace(ceilings, measured=tuple(one for one in ceilings.measured if one.engine in engines))
    recipe = recipe_of(side.recipe or {})
    precision = next(iter(side.precisions.get(metric.stack, ())), None)
    in_rounds = {number: common.in_round(number) for number in common.round_numbers}
    bounds = {number: dense_calls_of(one, recipe, precision) for number, one in in_rounds.items() if one is not None}
    return {number: getattr(one, BOUND_FIELDS[metric.measurement]) for number, one in bounds.items() if one is not None}


def _multiples(side: Comparable, metric: StackMeasurement, bound: dict[int, float]) -> dict[int, float]:
    """Return {round: ratio of the metric's seconds to its lower bound}."""
    return {number: seconds / bound[number] for number, seconds in side.medians(metric).items() if number in bound}
