"""Resampled gate runs from a recorded trace: error rates and durations of the gate.

The runs follow the live gate: blocks of the comparison with their control until an apparent regression, the decision
of all metrics, or the end of the budget; then confirmation on fresh blocks.  The statistics are those of ``decide``
and ``confirm`` (evidence.py), vectorized over all runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bench.document.section import Section
from bench.document.table import INTEGER, NUMBER_TEXT, Column
from bench.gate.error_rates.noise_trace import Trace
from bench.gate.error_rates.resample import (
    COMPARISON_SHAPE,
    CONTROL_SHAPE,
    BlockResampler,
    RecordedBlock,
    recorded_blocks,
)
from bench.gate.verdict.design import DESIGN, InterimLooks
from bench.gate.verdict.evidence import Evidence, control_evidence, evidence_of
from bench.gate.verdict.ranks import shift
from bench.stats.rate import Rate

NUM_METRICS = 7  # what the gate judges by default


@dataclass(frozen=True)
class Replay:
    """Counted verdicts of a rule in resampled runs with one metric of the candidate multiplied by ``inject``.

    A run is ``regressed`` if any of its metrics is (a false alarm without, a detection with an injection);
    ``undecided`` if none is and any metric is undecided, ``unfit`` if that is because of its control; else it passed.
    ``improved`` counts runs in which any metric was found improved.  None: the rule has no such verdict.  Seconds are
    those of a run from the start of its first process to its verdict.
    """

    rule: str
    trace: str
    inject: float
    num_metrics: int
    regressed: Rate
    undecided: Rate | None
    unfit: Rate | None
    improved: Rate | None
    median_seconds: float
    p95_seconds: float

    def to_json(self) -> dict[str, Any]:
        rates = {name: value.to_json() for name, value in vars(self).items() if isinstance(value, Rate)}
        return {**asdict(self), **rates}


@dataclass
class _Runs:
    """State of all runs, (trials,) each."""

    places: np.ndarray  # (trials, num_blocks): the blocks of each run, in order, as indices of those of the trace
    assigned: np.ndarray  # (trials, num_metrics, num_blocks): assignment of sides, independent for each metric
    blocks: np.ndarray  # number of blocks of the comparison
    clearest: np.ndarray  # index of the clearest apparent regression; -1: none
    open: np.ndarray
    control_failed: np.ndarray
    improved: np.ndarray
    regressed: np.ndarray
    fresh: np.ndarray  # number of confirming blocks


def replay(trace: Trace, inject: float = 1.0, trials: int = 2000, **options: Any) -> Replay:
    """Resample ``trials`` gate runs from ``trace`` and count their verdicts; ``options`` as of ``replay_blocks``.

    Raises RecordError if the trace is too short, ValueError for an injection, effect or number that is not positive.
    """
    return replay_blocks(recorded_blocks(trace), trace.name, inject, trials, **options)


def replay_blocks(
    blocks: Sequence[RecordedBlock],
    name: str,
    inject: float,
    trials: int,
    budget_seconds: float = 60.0,
    effect: float = 0.05,
    num_metrics: int = NUM_METRICS,
    seed: int = 0,
    candidates: Sequence[RecordedBlock] | None = None,
    drawn: bool = False,
) -> Replay:
    """Resample ``trials`` gate runs from blocks in their order and count their verdicts.

    If ``drawn``, the blocks of each run are drawn with replacement instead, for traces with few blocks.

    Every run judges ``num_metrics`` metrics with the noise of the blocks and independently assigned sides, and only the
    first of them is slowed down: the error rate is per run, the power that of one metric among many.  The second is
    the same without waiting, with the same sides, if the blocks have it.  ``candidates`` as of BlockResampler.
    """
    if not (inject > 0 and effect > 0 and trials >= 1 and num_metrics >= 1 and budget_seconds > 0):
        raise ValueError("inject, effect, trials, metrics and budget must be positive")
    slowed = [BlockResampler(blocks, inject, candidates)]
    if num_metrics > 1 and all(block.running for block in blocks):
        slowed.append(BlockResampler(_without_waiting(blocks), inject, _without_waiting(candidates or blocks)))
    gate = _Gate(BlockResampler(blocks, 1.0), slowed, np.log1p(effect), num_metrics, budget_seconds, drawn)
    runs = gate.start(trials, np.random.default_rng(seed))
    gate.compare(runs)
    gate.confirm(runs)
    seconds = gate.elapsed(runs.places, runs.blocks + runs.fresh)
    undecided = ~runs.regressed & (runs.open | (runs.clearest >= 0))
    return Replay(
        rule="mlp-bench gate",
        trace=name,
        inject=inject,
        num_metrics=num_metrics,
        regressed=Rate(int(runs.regressed.sum()), trials),
        undecided=Rate(int(undecided.sum()), trials),
        unfit=Rate(int((undecided & runs.control_failed).sum()), trials),
        improved=Rate(int(runs.improved.sum()), trials),
        median_seconds=float(np.median(seconds)),
        p95_seconds=float(np.quantile(seconds, 0.95)),
    )


def _without_waiting(blocks: Sequence[RecordedBlock]) -> list[RecordedBlock]:
    return [replace(block, turns=block.running) for block in blocks]


class _Gate:
    """Vectorized gate run; ``effect`` is on the logarithmic scale.

    ``slowed`` are the resamplers of the first metrics: of the slowed one, and of its part without waiting.
    """

    def __init__(
        self,
        same: BlockResampler,
        slowed: Sequence[BlockResampler],
        effect: float,
        num_metrics: int,
        budget_seconds: float,
        drawn: bool = False,
    ) -> None:
        self._same, self._slowed, self._effect = same, slowed, effect
        self._num_metrics, self._budget_seconds = num_metrics, budget_seconds
        self._limit_seconds = budget_seconds * (1 + DESIGN.confirming_overrun)
        self._drawn = drawn
        affordable = int(np.ceil(self._limit_seconds / np.median(same.seconds))) + 1
        self._window = min(affordable, DESIGN.looks.last + DESIGN.confirming_looks.last)
        if not drawn:
            self._window = min(self._window, len(same.seconds) // 2)

    def start(self, trials: int, random: np.random.Generator) -> _Runs:
        num_blocks, num_assignments = self._same.comparison.shape[:2]
        nothing = np.zeros(trials, bool)
        if self._drawn:
            places = random.integers(num_blocks, size=(trials, self._window))
        else:
            first = random.integers(num_blocks - self._window + 1, size=trials)
            places = first[:, None] + np.arange(self._window)
        assigned = random.integers(num_assignments, size=(trials, self._num_metrics, self._window))
        assigned[:, : len(self._slowed)] = assigned[:, :1]  # both are of the same turns
        return _Runs(
            places=places,
            assigned=assigned,
            blocks=np.zeros(trials, int),
            clearest=np.full(trials, -1),
            open=~nothing,
            control_failed=nothing.copy(),
            improved=nothing.copy(),
            regressed=nothing.copy(),
            fresh=np.zeros(trials, int),
        )

    def elapsed(self, places: np.ndarray, num_blocks: int | np.ndarray) -> np.ndarray:
        return self._so_far(places, num_blocks).sum(axis=1)

    def _so_far(self, places: np.ndarray, num_blocks: int | np.ndarray) -> np.ndarray:
        """Return the seconds of the first ``num_blocks`` blocks of each run, and 0 after them, as ``places``."""
        return np.where(np.arange(self._window) < np.reshape(num_blocks, (-1, 1)), self._same.seconds[places], 0.0)

    def compare(self, runs: _Runs) -> None:
        """Add blocks of the comparison until an apparent regression, the decision of all metrics, or the time limit."""
        active = np.arange(len(runs.places))
        for count in range(1, min(self._window, DESIGN.looks.last) + 1):
            if not len(active):
                break
            runs.blocks[active] = count
            if count >= DESIGN.looks.first:
                self._look(runs, active, count)
                active = active[(runs.clearest[active] < 0) & runs.open[active]]
            limit_seconds = self._budget_seconds if count >= DESIGN.looks.first else self._limit_seconds
            active = active[self._has_time(runs.places[active], count, limit_seconds)]

    def _look(self, runs: _Runs, active: np.ndarray, count: int) -> None:
        differences = self._of_all("comparison", runs, active, 0, count)
        evidence = self._evidence_of(differences, count, DESIGN.looks, DESIGN.alpha_of_each(self._num_metrics))
        control = self._of_all("control", runs, active, 0, count)
        shapes = (CONTROL_SHAPE,) * count
        _, control_failed = control_evidence(np.sort(control), shapes, self._effect, self._num_metrics)
        suspected, better = evidence.worse & ~control_failed, evidence.better & ~control_failed
        is_open = control_failed | ~(evidence.worse | evidence.better | evidence.unchanged)
        low = evidence.low.copy()
        if len(self._slowed) > 1:  # the part counts only while the whole is undecided (decide.py)
            undecided = is_open[:, 0] | suspected[:, 0]
            suspected[:, 1] &= undecided & (evidence.estimate[:, 0] > self._effect / 2)
            better[:, 1] &= undecided
            is_open[:, 1] &= undecided
            low[:, 1] = np.where(suspected[:, 0], np.minimum(low[:, 0], low[:, 1]), low[:, 1])  # the whole comes first
        clearest = np.where(suspected, low, -np.inf).argmax(axis=1)
        runs.clearest[active] = np.where(suspected.any(axis=1), clearest, -1)
        runs.open[active] = is_open.any(axis=1)
        runs.control_failed[active] = control_failed.any(axis=1)
        runs.improved[active] = better.any(axis=1)

    def _evidence_of(self, differences: np.ndarray, count: int, looks: InterimLooks, alpha: float) -> Evidence:
        return evidence_of(np.sort(differences), (COMPARISON_SHAPE,) * count, self._effect, looks, alpha)

    def confirm(self, runs: _Runs) -> None:
        """Confirm the clearest apparent regression on fresh blocks; only then a run is regressed (confirm.py)."""
        looks = DESIGN.confirming_looks
        active = np.flatnonzero(runs.clearest >= 0)
        for count in range(1, looks.last + 1):
            past = runs.blocks[active] + count - 1
            active = active[(past < self._window) & self._has_time(runs.places[active], past, self._limit_seconds)]
            runs.fresh[active] = count
            if count < looks.first or not len(active):
                continue
            metric = runs.clearest[active]
            of_all = self._of_all("comparison", runs, active, runs.blocks[active], count)
            differences = of_all[np.arange(len(active)), metric]
            evidence = self._evidence_of(differences, count, looks, DESIGN.confirming_alpha)
            worse = evidence.worse
            if len(self._slowed) > 1:  # the part is confirmed only if the whole leans that way, too (confirm.py)
                worse &= (metric != 1) | (shift(of_all[:, 0]) > self._effect / 2)
            runs.regressed[active] = worse
            active = active[~(worse | evidence.unchanged)]

    def _has_time(self, places: np.ndarray, count: int | np.ndarray, limit_seconds: float) -> np.ndarray:
        """Return a mask of runs in which one more block, as long as the longest so far, ends in time (live.py)."""
        so_far = self._so_far(places, count)
        return so_far.sum(axis=1) + so_far.max(axis=1) <= limit_seconds

    def _of_all(self, table: str, runs: _Runs, active: np.ndarray, skip: int | np.ndarray, count: int) -> np.ndarray:
        """Return the differences of ``count`` blocks after ``skip`` in a table of the resamplers.

        They are (active, metrics, count * pairs).
        """
        wanted = np.broadcast_to(np.reshape(skip, (-1, 1)) + np.arange(count), (len(active), count))
        assigned = np.take_along_axis(runs.assigned[active], wanted[:, None, :], axis=2)  # (active, metrics, count)
        blocks = np.take_along_axis(runs.places[active], wanted, axis=1)[:, None, :]
        slowed = [getattr(one, table)[blocks, assigned[:, [number]]] for number, one in enumerate(self._slowed)]
        same = getattr(self._same, table)[blocks, assigned[:, len(slowed) :]]
        found = np.concatenate([*slowed, same], axis=1)
        return found.reshape(*found.shape[:2], count * found.shape[-1])


def replay_section(replays: Sequence[Replay]) -> Section:
    """Return the table of ``gate --replay``: one row for each rule and injection."""
    columns = ["rule", "injected", Column("runs", INTEGER), Column("metrics", INTEGER)]
    columns += [Column(name, NUMBER_TEXT) for name in ("regressed", "undecided", "unfit", "improved", "seconds")]
    rows = [
        [
            one.rule,
            "nothing" if one.inject == 1 else f"{one.inject:g} times",
            one.regressed.trials,
            one.num_metrics,
            *(rate or None for rate in (one.regressed, one.undecided, one.unfit, one.improved)),
            f"{one.median_seconds:.0f}, {one.p95_seconds:.0f}",
        ]
        for one in replays
    ]
    sentences = [
        f"Shares of runs resampled from the trace {replays[0].trace}, with Wilson intervals at 95 %; regressed is a "
        "false alarm where nothing was injected, and the power where something was.",
        "Seconds are those of the median run and of one longer than 95 % of them, starting processes included.",
    ]
    return Section("Replay of recorded noise", sentences, columns, rows)
