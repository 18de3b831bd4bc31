"""Ranking of the stacks of one interleaved run, and their cost in energy and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bench.document.section import Section, without_dashes
from bench.document.table import (
    BYTES,
    JOULES,
    NUMBER,
    NUMBER_TEXT,
    NUMBER_WITH_INTERVAL,
    SECONDS,
    SECONDS_WITH_INTERVAL,
    Cells,
    Column,
    table,
)
from bench.records.core_states import CoreState
from bench.records.frames import Frames
from bench.records.select import PairKey, estimate_of, paired_rounds
from bench.records.stack_key import CANONICAL_NAME, StackKey, by_stack, canonical_of, or_none
from bench.report.run.rates import training_gflops
from bench.report.run.tables import exclude_ablation, groups_sentences, interval_sentences, select
from bench.stats import estimates
from bench.stats.learning import Learning, LearningVerdict
from bench.stats.ranking import Rank, rank
from bench.units import format_percent

EpochRounds = Mapping[StackKey, Mapping[PairKey, float]]  # seconds of a training epoch


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
    train_step: estimates.Estimate | None
    reference_clock: estimates.Estimate | None
    mean_test_accuracy: float | None
    learning: Learning | None  # None for the canonical stack, the reference of the others
    violation: str | None = None  # of the contract of the backends: it is timed and has no rank

    @property
    def learns_worse(self) -> bool:
        return self.learning is Learning.WORSE

    @property
    def is_unfit(self) -> bool:
        """True if its speed counts in no comparison."""
        return self.learns_worse or self.violation is not None


def epoch_rounds(frames: Frames, states: Mapping[int, CoreState]) -> EpochRounds:
    """Return {stack: {(interleaved round, state of the cores): seconds of a training epoch}}; see ``paired_rounds``."""
    chosen = frames.samples[
        (frames.samples["harness"] == "epoch") & (frames.samples["measurement"] == "train_epoch")
    ].dropna(subset=["round"])
    return paired_rounds(dict(by_stack(chosen)), states)


Violations = Mapping[tuple[str, str, str], str]  # (backend, variant, device) -> reason


def ranking(
    frames: Frames,
    rounds: EpochRounds,
    verdicts: Mapping[StackKey, LearningVerdict],
    violations: Violations,
) -> list[RankedStack]:
    """Return every stack with epochs or a reference run.

    Those that do not conform, and those without a training epoch, come last, unranked.
    """
    base = canonical_of(rounds)
    ranks = rank({stack: seconds for stack, seconds in rounds.items() if stack[:3] not in violations}, base)
    epochs = frames.samples[frames.samples["harness"] == "epoch"]
    found = []
    for stack in dict.fromkeys((*ranks, *rounds, *(stack for stack, _ in by_stack(frames.results)))):
        rows, results = select(epochs, stack), select(frames.results, stack)
        measured = {name: estimate_of(own) for name, own in rows.groupby("measurement", observed=True)}
        train_epoch = measured.get("train_epoch")
        times = rows[rows["measurement"] == "train_epoch"]
        totals = [[seconds] for seconds in results["total_seconds"]]
        found.append(
            RankedStack(
                stack=stack,
                rank=ranks.get(stack),
                train_epoch=train_epoch,
                speed_ratio=estimates.paired_ratio(rounds.get(base, {}), rounds.get(stack, {})),
                train_gflops=None if train_epoch is None else training_gflops(times, train_epoch.center),
                validate_epoch=measured.get("validate_epoch"),
                first_step=measured.get("first_step"),
                train_step=measured.get("train_step"),
                reference_clock=estimates.estimate(totals) if totals else None,
                mean_test_accuracy=or_none(results["test_accuracy"].mean()),
                learning=_learning_of(stack, verdicts.get(stack)),
                violation=violations.get(stack[:3]),
            )
        )
    return found


def fastest_of(rounds: EpochRounds, ranked: list[RankedStack]) -> list[RankedStack]:
    """Return the stacks of rank 1 without those that are unfit; empty if there are no ranks."""
    fit = {one.stack: one for one in ranked if one.train_epoch is not None and not one.is_unfit}
    if len(fit) == 1:
        return list(fit.values())
    places = rank({stack: rounds[stack] for stack in fit if stack in rounds}, canonical_of(fit))
    return [fit[stack] for stack, place in places.items() if place is not None and place.number == 1]


def _learning_of(stack: StackKey, verdict: LearningVerdict | None) -> Learning | None:
    if verdict is not None:
        return verdict.learning
    return None if stack.is_canonical else Learning.NOT_MEASURED


def ranking_sections(ranked: list[RankedStack]) -> list[Section]:
    """Return the table, if there is more than one stack to rank."""
    if len(ranked) < 2:
        return []
    return [without_dashes(Section("Ranking", _how_to_read(ranked), *table(map(_row, ranked)), ["throughput"]))]


def ranking_details(ranked: list[RankedStack]) -> list[Section]:
    """Return the other values of each stack, in the order of the ranking."""
    rows = [
        [
            ("stack", one.stack.name),
            (Column("GFLOP/s", NUMBER), one.train_gflops),
            (Column("validation epoch", SECONDS), _center(one.validate_epoch)),
            (Column("first step", SECONDS), _center(one.first_step)),
            (Column("steady step", SECONDS), _center(one.train_step)),
            ("learning", _learning(one)),
        ]
        for one in ranked
    ]
    told = ["GFLOP/s counts the work of the dense network for every stack."]
    section = without_dashes(Section("Each stack in detail", told, *table(rows)))
    return [section] if len(ranked) > 1 and section.rows else []


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
    return sentences + [
        f"Timed and not ranked: {one.stack.name} does not conform to the contract of the backends ({one.violation})."
        for one in ranked
        if one.violation is not None
    ]


def _row(one: RankedStack) -> Cells:
    epoch, ratio = one.train_epoch, one.speed_ratio
    bounds = (None, None) if ratio is None or one.stack.is_canonical else (ratio.low, ratio.high)
    return [
        (Column("rank", NUMBER_TEXT), one.rank),
        ("stack", one.stack.name),
        (Column("training epoch", SECONDS_WITH_INTERVAL), epoch and (epoch.center, epoch.low, epoch.high)),
        (Column("times as fast", NUMBER_WITH_INTERVAL), ratio and (ratio.center, *bounds)),
        (Column("reference clock", SECONDS), _center(one.reference_clock)),
        (Column("test accuracy", NUMBER_TEXT), _accuracy(one)),
    ]


def _center(measured: estimates.Estimate | None) -> float | None:
    return None if measured is None else measured.center


def _learning(one: RankedStack) -> str | None:
    if one.violation is not None:
        return "does not conform"
    return None if one.learning is None or one.learning is Learning.NOT_MEASURED else one.learning.value


def _accuracy(one: RankedStack) -> str | None:
    """Return the mean, and the verdict if it does not speak for the stack."""
    accuracy = None if one.mean_test_accuracy is None else format_percent(one.mean_test_accuracy)
    if one.violation is not None:
        verdict = "does not conform"
    elif one.learns_worse:
        faster = one.speed_ratio is not None and one.speed_ratio.center > 1
        verdict = f"{'faster, but ' if faster else ''}{Learning.WORSE.value}"
    else:
        verdict = None
    return ", ".join(filter(None, (accuracy, verdict))) or None


# --- cost ------------------------------------------------------------------------------------------------------------


def cost_sections(frames: Frames) -> list[Section]:
    """Return energy, memory and throttling of each stack, if these were sampled; energy of the CPU in a last column."""
    rows = []
    judged = [*StackKey._fields, "harness", "measurement", "energy_per_epoch_joules", "throttled", "throttle_reasons"]
    complete = exclude_ablation(frames.samples[judged])
    for stack, samples in by_stack(complete):
        epochs = samples[samples["measurement"] == "train_epoch"]
        results = select(frames.results, stack)
        timeline = select(frames.timeline[frames.timeline["harness"] == "reference"], stack)
        rows.append(
            [
                ("stack", stack.name),
                (Column("training epoch", JOULES), _median(epochs, "energy_per_epoch_joules")),
                (Column("reference run", JOULES), _median(results, "energy_joules")),
                (Column("power, W", NUMBER), _median(timeline, "power_watts")),
                (Column("peak GPU memory", BYTES), _median(results, "peak_gpu_memory_bytes")),
                (Column("reference run, CPU", JOULES), _median(results, "cpu_energy_joules")),
            ]
        )
    gpu = frames.samples["device"].astype(str).str.startswith("cuda").any()
    title = "Energy and memory" if gpu else "Energy"
    section = without_dashes(Section(title, [], *table(rows), ["power", "gpu_memory"]))
    sentences = _throttled_sentences(complete)
    if len(section.columns) < 2:
        return [Section("Throttling", sentences)] if sentences else []
    whole = ["Energy is that of the whole card; power and memory are those of the reference run."] if gpu else []
    if frames.results["cpu_energy_joules"].notna().any():
        whole.append("Energy of the CPU is that of its packages, all programs included.")
    section.sentences = [*whole, *sentences]
    return [section]


def _throttled_sentences(samples: pd.DataFrame) -> list[str]:
    """Return a sentence for each stack with samples taken while the machine was throttled."""
    sentences = []
    for stack, rows in by_stack(samples):
        throttled = rows[rows["throttled"].fillna(False)]
        if not throttled.empty:
            reasons = sorted({name for text in throttled["throttle_reasons"].dropna() for name in text.split("; ")})
            why = f" ({', '.join(reasons)})" if reasons else ""
            sentences.append(f"Throttled: {len(throttled)} of {len(rows)} samples of {stack.name}{why}.")
    return sentences


def _median(frame: pd.DataFrame, column: str) -> float | None:
    return or_none(frame[column].median())
