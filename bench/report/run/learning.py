"""Learning verdicts against the canonical stack, and the time to 98.0 % validation accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.advice import make_command
from bench.document.section import Section, without_dashes
from bench.document.table import COUNT, FRACTION, INTEGER, POINTS, PROBABILITY, SECONDS, Column
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.reference_run import ReferenceRuns
from bench.records.stack_key import CANONICAL_NAME, StackKey, by_stack, canonical_of
from bench.report.run.canonical import judged_accuracies
from bench.report.run.tables import select
from bench.stats.learning import (
    MARGIN,
    MIN_SEEDS_NON_INFERIOR,
    TARGET_VALIDATION_ACCURACY,
    Learning,
    LearningVerdict,
    TimeToAccuracy,
    censored_median,
    judge,
    time_to_accuracy,
)
from bench.units import format_percent, format_points, format_probability

TARGET = format_percent(TARGET_VALIDATION_ACCURACY, 1)
CLOCK_BEFORE_TRAINING = ("load", "build", "transfer", "compile")
Accuracies = Mapping[StackKey, list[float]]  # of the test set, as fractions, one for each seed


def accuracies_by_stack(header: RunHeader, runs: ReferenceRuns) -> dict[StackKey, list[float]]:
    """Return the test accuracies to judge (fractions, one per seed); empty for a stack without any."""
    judged = judged_accuracies(header, runs)
    return {stack: list(judged.get(stack, {}).values()) for stack in runs}


def learning_verdicts(
    accuracies: Accuracies, differences: dict[StackKey, list[float]]
) -> dict[StackKey, LearningVerdict]:
    """Return every stack's verdict against the canonical one, which has none."""
    canonical = canonical_of(accuracies)
    others = {stack: values for stack, values in accuracies.items() if stack != canonical}
    return judge(accuracies.get(canonical, []), others, differences)


def differences_by_seed(header: RunHeader, runs: ReferenceRuns) -> dict[StackKey, list[float]]:
    """Return differences of accuracy to the canonical stack by seed, for stacks with the same dropout masks.

    All stacks share weights and order; those with the same name of masks in the record share the masks.
    """
    judged = {stack: by_seed for stack, by_seed in judged_accuracies(header, runs).items() if by_seed}
    masks = header.dropout_masks
    canonical = canonical_of(judged)
    if canonical is None:
        return {}
    own = masks.get(_variant(canonical))
    found = {}
    for stack, accuracies in judged.items():
        if stack != canonical and own is not None and masks.get(_variant(stack)) == own:
            both = [seed for seed in accuracies if seed in judged[canonical]]
            found[stack] = [accuracies[seed] - judged[canonical][seed] for seed in both]
    return found


def _variant(stack: StackKey) -> str:
    return f"{stack.backend}/{stack.variant}"


def learns_worse(accuracies: Accuracies, verdicts: Mapping[StackKey, LearningVerdict]) -> list[str]:
    """Return a sentence for each stack that learns worse than the canonical one, which fails the run."""
    canonical = canonical_of(accuracies)
    return [
        f"{stack.name} learns worse than {CANONICAL_NAME}: its mean test accuracy is {_mean(accuracies[stack])} and "
        f"not {_mean(accuracies[canonical])} ({format_points(verdict.difference)}, p {_p(verdict.p_worse)} for no loss)"
        for stack, verdict in verdicts.items()
        if verdict.learning is Learning.WORSE
    ]


def _mean(accuracies: list[float]) -> str:
    return format_percent(float(np.mean(accuracies)))


def _p(probability: float | None) -> str:
    text = format_probability(probability)
    return text if text.startswith("<") else f"= {text}"


def convergence_sections(accuracies: Accuracies, verdicts: Mapping[StackKey, LearningVerdict]) -> list[Section]:
    """Return the distribution of test accuracy over seeds, with verdicts; empty if no run may be judged."""
    if not any(accuracies.values()):
        return []
    rows = [_distribution_row(stack, values, verdicts.get(stack)) for stack, values in accuracies.items()]
    statistics = [Column(name, FRACTION) for name in ("min", "median", "max", "mean")]
    columns = ["stack", Column("seeds", INTEGER), *statistics]
    columns += [Column("difference", POINTS), Column("at least", POINTS), Column("p", PROBABILITY), "verdict"]
    sentences = _how_it_is_judged() if verdicts else []
    section = Section("Test accuracy over seeds", sentences, columns, rows, ["test_accuracy"])
    return [without_dashes(section)]


def _how_it_is_judged() -> list[str]:
    margin = f"{MARGIN * 100:.2f} points"
    add_seeds = make_command("bench", RESUME="ID", SEEDS="6-15")
    return [
        f"Each stack against {CANONICAL_NAME} of the same run. Learns worse: the mean is lower by more than {margin} "
        "and Welch's one-sided t test is significant (p below 0.05, adjusted by Holm for the number of stacks; where a "
        "seed draws the same dropout masks for both, Student's test of the differences seed by seed). Learns as "
        f"well: with at least {MIN_SEEDS_NON_INFERIOR} seeds each, the one-sided 95 % bound of the difference (at "
        f"least) lies above -{margin}. Undecided is neither: "
        f"{add_seeds} adds seeds to decide it.",
        f"Choice of {margin}: a test set of 10,000 images gives an accuracy of 98.3 % with a standard error of 0.13 "
        "points and seeds add about 0.11, so five seeds each can decide at this margin and not at half of it.",
    ]


def _distribution_row(stack: StackKey, accuracies: list[float], verdict: LearningVerdict | None) -> list[Any]:
    numbers = [f(accuracies) if accuracies else None for f in (min, np.median, max, np.mean)]
    judged: list[Any] = [None, None, None, "canonical" if stack.is_canonical else None]
    if verdict is not None:
        judged = [verdict.difference, verdict.low, verdict.p_worse, verdict.learning.value]
    return [stack.name, len(accuracies), *numbers, *judged]


# --- time to accuracy -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StackTimesToAccuracy:
    """Epochs and times at which a stack's seeds reached the target; medians are None if half of them did not."""

    stack: StackKey
    num_seeds: int
    num_never: int
    median_epochs: float | None
    median_seconds: float | None  # training and validating
    median_clock_seconds: float | None  # the same, with the earlier parts of the reference clock


def times_to_accuracy(frames: Frames) -> list[StackTimesToAccuracy]:
    found = []
    for stack, epochs in by_stack(frames.epochs):
        phases = select(frames.phases, stack)
        before = phases[phases["phase"].isin(CLOCK_BEFORE_TRAINING)].groupby("process")["seconds"].sum()
        by_process = {int(process): _time_to_accuracy_of(rows) for process, rows in epochs.groupby("process")}
        clocks = [
            None if reached is None or process not in before else reached.seconds + float(before[process])
            for process, reached in by_process.items()
        ]
        reached = list(by_process.values())
        found.append(
            StackTimesToAccuracy(
                stack,
                len(reached),
                reached.count(None),
                censored_median([one and one.epochs for one in reached]),
                censored_median([one and one.seconds for one in reached]),
                censored_median(clocks),
            )
        )
    return found


def _time_to_accuracy_of(epochs: pd.DataFrame) -> TimeToAccuracy | None:
    epochs = epochs.sort_values("epoch")
    return time_to_accuracy(
        list(epochs["validation_accuracy"]), list(epochs["train_seconds"] + epochs["validate_seconds"])
    )


def accuracy_curves(frames: Frames) -> Iterator[tuple[StackKey, list[pd.DataFrame]]]:
    """Yield (stack, epochs of each of its processes); ``elapsed_seconds`` is added to the columns.

    It is the time of training and validating until the end of the epoch.
    """
    for stack, epochs in by_stack(frames.epochs):
        seconds = epochs["train_seconds"] + epochs["validate_seconds"]
        runs = [run for _, run in epochs.assign(elapsed_seconds=seconds).sort_values("epoch").groupby("process")]
        yield stack, [run.assign(elapsed_seconds=run["elapsed_seconds"].cumsum()) for run in runs]


def time_to_accuracy_sections(found: list[StackTimesToAccuracy]) -> list[Section]:
    rows = [
        [one.stack.name, one.num_seeds, one.num_never, one.median_epochs, one.median_seconds, one.median_clock_seconds]
        for one in found
    ]
    if not rows:
        return []
    sentence = (
        f"Until the end of the first epoch with at least {TARGET} validation accuracy: medians over seeds, where a "
        "seed that never reached it counts as later than any other."
    )
    columns = ["stack", Column("seeds", INTEGER), Column("never", INTEGER), Column("epochs", COUNT)]
    columns += [Column("training and validating", SECONDS), Column("reference clock", SECONDS)]
    return [Section(f"Time to {TARGET} validation accuracy", [sentence], columns, rows, ["accuracy"])]
