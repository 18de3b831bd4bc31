"""Thousands of gate runs from one recorded trace: how often the gate is wrong, and what it takes to be right."""

from __future__ import annotations

from dataclasses import dataclass

from bench.render import Section
from bench.verdict.design import DESIGN, Design
from bench.verdict.noise import Trace


@dataclass(frozen=True)
class Rate:
    """``count`` of ``trials``, as a fraction with its Wilson interval at 95 %."""

    count: int
    trials: int
    fraction: float
    low: float
    high: float


@dataclass(frozen=True)
class Replay:
    """What the gate said in ``trials`` resampled runs with side B slowed down by ``inject`` (1.0: not at all).

    ``regressed`` is the false-alarm rate where nothing was injected, and the power where something was.
    """

    rule: str
    inject: float
    trials: int
    regressed: Rate
    improved: Rate
    unchanged: Rate
    undecided: Rate
    unfit: Rate
    median_seconds: float
    p95_seconds: float


def replay(
    trace: Trace,
    inject: float = 1.0,
    trials: int = 2000,
    budget_seconds: float = 60.0,
    effect: float = 0.05,
    num_metrics: int = 10,
    seed: int = 0,
    design: Design = DESIGN,
) -> Replay:
    """Resample ``trials`` gate runs from ``trace`` and count their verdicts."""
    raise NotImplementedError


def replay_section(replays: list[Replay]) -> Section:
    """The table that ``gate --replay`` prints."""
    raise NotImplementedError
