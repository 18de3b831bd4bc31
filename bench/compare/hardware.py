"""Faster hardware, or better use of it: a ratio of epochs split by the ceilings that both runs measured themselves.

``times as fast = hardware x use``.  Hardware is the ratio of the two speeds of light, each from the ceilings of its own
run; use is how many times as close to that light the stack comes.  Both are over interleaved rounds, in which epoch and
ceilings were measured one after another, so that use is free of the drift that hit both, within a run and between runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.ceilings import Ceilings
from bench.compare.comparable import TRAIN_EPOCH, VALIDATE_EPOCH, Comparable, Metric
from bench.compare.metric_ratios import MetricRatio
from bench.compare.ratios import SpeedRatio, speed_ratio
from bench.report.light import recipe_of
from bench.speed_of_light import speed_of_light

LIGHT = {TRAIN_EPOCH: "train_epoch_seconds", VALIDATE_EPOCH: "validation_epoch_seconds"}


@dataclass(frozen=True)
class HardwareShare:
    """``hardware`` and ``use`` multiply to about ``speed``: each is a median of its own."""

    run: str
    metric: Metric
    speed: SpeedRatio
    hardware: SpeedRatio
    use: SpeedRatio


def hardware_shares(base: Comparable, other: Comparable, ratios: Sequence[MetricRatio]) -> list[HardwareShare]:
    """Of the epochs of every stack on a device whose ceilings both sides know; empty where none is."""
    found = []
    for ratio in ratios:
        if ratio.run != other.name or ratio.metric.measurement not in LIGHT:
            continue
        lights = _lights(base, other, ratio.metric)
        multiples = [_multiples(side, ratio.metric, light) for side, light in zip((base, other), lights, strict=True)]
        if all(multiples):
            hardware, use = (speed_ratio(*(list(side.values()) for side in sides)) for sides in (lights, multiples))
            found.append(HardwareShare(other.name, ratio.metric, ratio.speed, hardware, use))
    return found


def _lights(base: Comparable, other: Comparable, metric: Metric) -> list[dict[int, float]]:
    """{round: the metric's seconds at the speed of light} of each side, from the engines that both measured.

    An engine that one side lacks may be the faster one, and its absence is not the machine's.
    """
    measured = [side.ceilings.get(side.devices.get(metric.stack, "")) for side in (base, other)]
    if None in measured:
        return [{}, {}]
    engines = set.intersection(*({one.engine for one in ceilings.measured} for ceilings in measured))
    sides = zip((base, other), measured, strict=True)
    return [_light_by_round(side, ceilings, engines, metric.measurement) for side, ceilings in sides]


def _light_by_round(side: Comparable, ceilings: Ceilings, engines: set[str], measurement: str) -> dict[int, float]:
    common = replace(ceilings, measured=tuple(one for one in ceilings.measured if one.engine in engines))
    recipe = recipe_of({"recipe": side.recipe})
    in_rounds = {number: common.in_round(number) for number in common.round_numbers}
    lights = {number: speed_of_light(one, recipe) for number, one in in_rounds.items() if one is not None}
    return {number: getattr(one, LIGHT[measurement]) for number, one in lights.items() if one is not None}


def _multiples(side: Comparable, metric: Metric, light: dict[int, float]) -> dict[int, float]:
    """{round: how many times the speed of light's seconds the metric took}."""
    return {number: seconds / light[number] for number, seconds in side.medians(metric).items() if number in light}
