"""The report's first section: what this machine does with the canonical workload, and which stack does it fastest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench import stats
from bench.datasets import dataset_identity
from bench.frames import Frames
from bench.render import Section
from bench.report.comparability import agreement_of, is_comparable
from bench.report.context import environment_notices
from bench.report.load import load_notices
from bench.report.processes import process_notices
from bench.report.ranking import RankedStack
from bench.stack_key import CANONICAL_NAME, StackKey, by_stack
from bench.units import format_interval, format_number, format_percent, format_points, format_range, format_seconds
from mlp.recipe import REFERENCE


def answer_section(header: dict[str, Any], frames: Frames, ranked: list[RankedStack]) -> Section:
    section = Section("The canonical workload on this machine", plots=["phases"])
    if header["status"] != "complete":
        section.notices.append(
            f"This run is partial (status: {header['status']}): make bench RESUME={header['run_id']} completes it."
        )
    if header["mode"] == "quick":
        section.notices.append("Quick mode: fewer rounds and epochs, for a first look and not for a claim.")
    section.notices += load_notices(header, frames)
    section.notices += [*environment_notices(header), *process_notices(header)]
    section.sentences.append(_reference_sentence(header, reference_answer(header, frames)))
    if len(ranked) > 1:
        section.sentences += _fastest_sentences(header, frames, ranked)
    skipped = header.get("skipped") or []
    if skipped:
        names = ", ".join(str(entry["what"]) for entry in skipped)
        section.sentences.append(f"Skipped, {len(skipped)} in all: {names}. What was skipped says why.")
    return section


@dataclass(frozen=True)
class ReferenceAnswer:
    """The reference run of the one stack that answers for this machine.

    ``comparable`` says whether it may stand beside the published pair; ``agreement`` is None where accuracy may not.
    """

    stack: StackKey
    total: stats.Estimate
    num_epochs: int
    warm_cache: bool
    comparable: bool
    agreement: stats.Agreement | None

    @property
    def compared(self) -> str:
        """``1.48 times as long as`` or ``2 times as fast as``: the 2016 reference, that is."""
        ratio = REFERENCE.total_seconds / self.total.center
        return f"{ratio:.3g} times as fast as" if ratio >= 1 else f"{1 / ratio:.3g} times as long as"

    @property
    def ran(self) -> str:
        return "1 epoch" if self.num_epochs == 1 else f"{self.num_epochs} epochs"


def reference_answer(header: dict[str, Any], frames: Frames) -> ReferenceAnswer | None:
    """That of the canonical stack; where it was not run, of the one whose reference run was fastest."""
    runs = dict(by_stack(frames.results))
    if not runs:
        return None
    chosen = min(runs, key=lambda stack: (not stack.is_canonical, runs[stack]["total_seconds"].median()))
    results: pd.DataFrame = runs[chosen]
    return ReferenceAnswer(
        stack=chosen,
        total=stats.estimate([[seconds] for seconds in results["total_seconds"]]),
        num_epochs=int(results["num_epochs"].max()),
        warm_cache=bool((results["cache"] == "warm").all()),
        comparable=is_comparable(header, frames),
        agreement=agreement_of(header, results),
    )


def headline(header: dict[str, Any], frames: Frames) -> str:
    """What a person came for, in one short sentence."""
    answer = reference_answer(header, frames)
    if answer is None:
        return "The canonical workload was not measured to its end."
    took = format_seconds(answer.total.center)
    if not answer.comparable:
        return f"{answer.ran} took {took} with {answer.stack.name}: not the canonical run, so not compared with 2016."
    accuracy = "is not compared"
    if answer.agreement is not None:
        accuracy = "agrees" if answer.agreement.agrees else "does NOT agree"
    return (
        f"This machine runs the canonical workload in {took}, {answer.compared} the 2016 reference; "
        f"accuracy {accuracy}."
    )


def _reference_sentence(header: dict[str, Any], answer: ReferenceAnswer | None) -> str:
    if answer is None:
        return "The reference run was not measured, so nothing is compared with 32.2 s."
    stack, total, agreement = answer.stack, answer.total, answer.agreement
    runs = f"median of {total.num_processes} seeds" if total.num_processes > 1 else "one seed"
    cache = ", compile cache warm" if answer.warm_cache else ""
    took = f"{format_seconds(total.center)} by the reference clock{cache} ({runs}"
    took += f", 95 % interval {format_interval(total.low, total.high)})" if total.low is not None else ")"
    if not answer.comparable:
        return (
            f"With {stack.name}, {answer.ran} took {took}; that is not the canonical run, so it has no ratio to 32.2 s."
        )
    compared = answer.compared if total.center <= REFERENCE.total_seconds else f"it takes {answer.compared}"
    sentence = (
        f"This machine runs the canonical workload with {stack.name} in {took}: {compared} the 2016 reference of "
        f"{REFERENCE.total_seconds} s ({REFERENCE.hardware}, {REFERENCE.date})."
    )
    if agreement is None:
        why = "none was recorded" if dataset_identity(header) == "mnist" else "the data is not MNIST"
        return f"{sentence} Accuracy is not compared: {why}."
    verdict = "agrees with" if agreement.agrees else "does NOT agree with"
    return (
        f"{sentence} Its mean test accuracy of {format_percent(agreement.mean)} {verdict} the published "
        f"{format_percent(REFERENCE.test_accuracy)}: the difference is {format_points(agreement.difference)}, "
        f"95 % interval {agreement.low * 100:+.2f} to {agreement.high * 100:+.2f}."
    )


def _fastest_sentences(header: dict[str, Any], frames: Frames, ranked: list[RankedStack]) -> list[str]:
    """One sentence on the fastest stack that may be called so: one that learns worse may not."""
    fit = [one for one in ranked if one.rank is not None and not one.learns_worse]
    if not fit:
        return []
    fastest = fit[0]
    left_out = sum(one.learns_worse and one.rank is not None for one in ranked)
    among = f"The fastest of {len(ranked)} stacks"
    if left_out:
        among += f" (without the {left_out} that {'learns' if left_out == 1 else 'learn'} worse)"
    sentence = f"{among} is {fastest.stack.name}: a training epoch takes {format_seconds(fastest.train_epoch.center)}"
    ratio = fastest.speed_ratio
    if fastest.stack.is_canonical:
        sentence += ", and that is the canonical stack itself"
    elif ratio is None:
        sentence += f"; {CANONICAL_NAME} was not measured beside it, so there is no ratio to the canonical stack"
    else:
        interval = "" if ratio.low is None else f" (95 % interval {format_range(ratio.low, ratio.high)})"
        sentence += f", {format_number(ratio.center)} times as fast as the canonical {CANONICAL_NAME}{interval}"
    if not fastest.stack.is_canonical and fastest.reference_clock is not None and is_comparable(header, frames):
        clock = fastest.reference_clock.center
        faster = format_number(REFERENCE.total_seconds / clock)
        sentence += f"; its reference clock reads {format_seconds(clock)}, {faster} times as fast as the 2016 reference"
    return [sentence + "."]
