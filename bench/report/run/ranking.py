"""Ranking of the stacks of one interleaved run, and their cost in energy and memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.document.section import Section, without_dashes
from bench.records.frames import Frames
from bench.records.select import estimate_of, rounds_of
from bench.records.stack_key import CANONICAL_NAME, StackKey, by_stack, canonical_of, or_none
from bench.report.run.learning import learning_verdicts
from bench.report.run.rates import training_gflops
from bench.report.run.tables import groups_sentences, interval_sentences, of_whole_stacks, select
from bench.stats import estimates
from bench.stats.learning import Learning, LearningVerdict
from bench.stats.ranking import Rank, rank
from bench.units import (
    MISSING,
    format_bytes,
    format_interval,
    format_joules,
    format_number,
    format_percent,
    format_range,
    format_seconds,
)

RANKING = "Ranking"  # section title; present if several stacks were measured


@dataclass(frozen=True)
class RankedStack:
    """Row of one stack; None for missing measurements.

    ``speed_ratio`` is the canonical stack's training epoch over this one's, from interleaved pairs.
    """

    stack: StackKey
    rank: Rank | None
    train_epoch: estimates.Estimate | None
    speed_ratio: estimates.Ratio | None
    train_gflops: float | None
    validate_epoch: estimates.Estimate | None
    first_step: estimates.Estimate | None
    steady_step: estimates.Estimate | None
    reference_clock: estimates.Estimate | None
    mean_test_accuracy: float | None
    learning: Learning | None  # None for the canonical stack, the reference of the others

    @property
    def learns_worse(self) -> bool:
        return self.learning is Learning.WORSE


def epoch_rounds(frames: Frames) -> dict[StackKey, dict[int, float]]:
    """{stack: {interleaved round: seconds of a training epoch}}."""
    chosen = frames.samples[
        (frames.samples["harness"] == "epoch") & (frames.samples["measurement"] == "train_epoch")
    ].dropna(subset=["replicate"])
    return {stack: rounds_of(samples) for stack, samples in by_stack(chosen)}


def ranking(header: dict[str, Any], frames: Frames) -> list[RankedStack]:
    """Return every stack with epochs or a reference run; those without a training epoch come last, unranked."""
    rounds = epoch_rounds(frames)
    base = canonical_of(rounds)
    ranks = rank(rounds, base)
    rest = [stack for stack, _ in by_stack(frames.results) if stack not in ranks]
    canonical = rounds.get(base, {})
    verdicts = learning_verdicts(header, frames)
    return [
        _ranked(
            stack,
            frames,
            ranks.get(stack),
            estimates.paired_ratio(canonical, rounds.get(stack, {})),
            _learning_of(stack, verdicts.get(stack)),
        )
        for stack in [*ranks, *rest]
    ]


def fastest_of(frames: Frames, ranked: list[RankedStack]) -> list[RankedStack]:
    """Return the stacks of rank 1 without those that learn worse; empty if there are no ranks."""
    fit = {one.stack: one for one in ranked if one.train_epoch is not None and not one.learns_worse}
    if len(fit) == 1:
        return list(fit.values())
    rounds = epoch_rounds(frames)
    places = rank({stack: rounds[stack] for stack in fit if stack in rounds}, canonical_of(fit))
    return [fit[stack] for stack, place in places.items() if place is not None and place.number == 1]


def _learning_of(stack: StackKey, verdict: LearningVerdict | None) -> Learning | None:
    if verdict is not None:
        return verdict.learning
    return None if stack.is_canonical else Learning.NOT_MEASURED


def _ranked(
    stack: StackKey, frames: Frames, place: Rank | None, ratio: estimates.Ratio | None, learning: Learning | None
) -> RankedStack:
    samples = select(frames.samples[frames.samples["harness"] == "epoch"], stack)
    results = select(frames.results, stack)
    by_name = {name: rows for name, rows in samples.groupby("measurement", observed=True)}

    def measured(name: str) -> estimates.Estimate | None:
        return estimate_of(by_name[name]) if name in by_name else None

    train_epoch = measured("train_epoch")
    gflops = None if train_epoch is None else training_gflops(by_name["train_epoch"], train_epoch.center)
    return RankedStack(
        stack=stack,
        rank=place,
        train_epoch=train_epoch,
        speed_ratio=ratio,
        train_gflops=gflops,
        validate_epoch=measured("validate_epoch"),
        first_step=measured("first_step"),
        steady_step=measured("train_step"),
        reference_clock=None if results.empty else estimates.estimate([[total] for total in results["total_seconds"]]),
        mean_test_accuracy=or_none(results["test_accuracy"].mean()),
        learning=learning,
    )


def ranking_sections(ranked: list[RankedStack]) -> list[Section]:
    """Return the table, if there is more than one stack to rank."""
    if len(ranked) < 2:
        return []
    headers = ["rank", "stack", "training epoch", "95 % interval, epoch", "times as fast"]
    headers += ["95 % interval, ratio", "GFLOP/s"]
    headers += ["validation epoch", "first step", "steady step", "reference clock", "test accuracy", "learning"]
    section = Section(RANKING, _how_to_read(ranked), headers, [_row(one) for one in ranked], ["throughput"])
    return [without_dashes(section)]


def _how_to_read(ranked: list[RankedStack]) -> list[str]:
    canonical = next((one for one in ranked if one.stack.is_canonical and one.speed_ratio is not None), None)
    if canonical is None:
        pairs = f"Times as fast is left out: its reference, {CANONICAL_NAME}, was not measured in this run."
    else:
        pairs = (
            f"Times as fast: as {CANONICAL_NAME}, training epoch against training epoch of the same interleaved round; "
            "median and interval over rounds."
        )
    order = "By training epoch, fastest first. Rank: 1 + the number of stacks that are significantly faster"
    order += ", all pairs tested round by round, with an error of 5 % over all of them together (Holm)."
    if all(one.rank is None for one in ranked):
        order = "By training epoch, fastest first. There are no ranks: fewer than three rounds measured two stacks."
    measured = [one.speed_ratio for one in ranked if one.speed_ratio is not None and not one.stack.is_canonical]
    intervals = interval_sentences([one.train_epoch for one in ranked], measured)
    sentences = [order, pairs, *intervals, *groups_sentences({one.stack.name: one.train_epoch for one in ranked})]
    if any(one.learns_worse for one in ranked):
        sentences.append(
            "A stack that learns worse is listed by its speed, counts as failed, and is left out of the comparisons "
            "below."
        )
    return sentences


def _row(one: RankedStack) -> list[str]:
    epoch, ratio = one.train_epoch, one.speed_ratio
    return [
        MISSING if one.rank is None else str(one.rank),
        one.stack.name,
        _center(epoch),
        MISSING if epoch is None else format_interval(epoch.low, epoch.high),
        MISSING if ratio is None else format_number(ratio.center),
        MISSING if ratio is None or one.stack.is_canonical else format_range(ratio.low, ratio.high),
        format_number(one.train_gflops),
        *(_center(found) for found in (one.validate_epoch, one.first_step, one.steady_step, one.reference_clock)),
        format_percent(one.mean_test_accuracy),
        _learning(one),
    ]


def _center(measured: estimates.Estimate | None) -> str:
    return MISSING if measured is None else format_seconds(measured.center)


def _learning(one: RankedStack) -> str:
    if one.learning is None or one.learning is Learning.NOT_MEASURED:
        return MISSING
    faster = one.learns_worse and one.speed_ratio is not None and one.speed_ratio.center > 1
    return f"faster, but {one.learning.value}" if faster else one.learning.value


# --- cost ------------------------------------------------------------------------------------------------------------


def cost_sections(frames: Frames) -> list[Section]:
    """Return energy, memory and throttling of each stack, if these were sampled."""
    rows = []
    for stack, samples in by_stack(of_whole_stacks(frames.samples)):
        epochs = samples[samples["measurement"] == "train_epoch"]
        results = select(frames.results, stack)
        timeline = select(frames.timeline, stack)
        rows.append(
            [
                stack.name,
                format_joules(_median(epochs, "energy_per_epoch_joules")),
                format_joules(_median(results, "energy_joules")),
                format_number(_median(timeline[timeline["harness"] == "reference"], "power_watts")),
                format_bytes(_median(results, "peak_gpu_memory_bytes")),
            ]
        )
    headers = ["stack", "training epoch", "reference run", "power, W", "peak GPU memory"]
    section = Section("Energy and memory of the GPU", [], headers, rows, ["power", "gpu_memory"])
    section = without_dashes(section)
    sentences = _throttled_sentences(frames.samples)
    if len(section.headers) < 2:
        return [Section("Throttling", sentences)] if sentences else []
    section.sentences = [
        "Energy is that of the whole card; power and memory are those of the reference run.",
        *sentences,
    ]
    return [section]


def _throttled_sentences(samples: pd.DataFrame) -> list[str]:
    """Return a sentence for each stack with samples taken while the machine was throttled."""
    sentences = []
    for stack, rows in by_stack(of_whole_stacks(samples)):
        throttled = rows[rows["throttled"].fillna(False)]
        if not throttled.empty:
            reasons = sorted({name for text in throttled["throttle_reasons"].dropna() for name in text.split("; ")})
            why = f" ({', '.join(reasons)})" if reasons else ""
            sentences.append(f"Throttled: {len(throttled)} of {len(rows)} samples of {stack.name}{why}.")
    return sentences


def _median(frame: pd.DataFrame, column: str) -> float | None:
    return or_none(frame[column].median())
