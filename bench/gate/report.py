"""Report of a gate run: judgements, facts about the run, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bench.gate.block import Block
from bench.gate.live import GateOutcome
from bench.gate.processes.sides import Side
from bench.gate.verdict import Decision, Judgement, Metric, Verdict, wording
from bench.records.core_states import core_states
from bench.records.datasets import dataset_line
from bench.report.core_states import states_notice
from bench.units import format_percent, format_seconds

NOTICEABLE_WAIT = 0.05  # share of the time in which a thread is ready


class Exit(IntEnum):
    """Exit codes of ``python -m bench gate``; 2 (usage) is common to all commands."""

    PASS = 0
    REGRESSED = 1
    NOTHING_MEASURED = 3
    UNDECIDED = 4


@dataclass(frozen=True)
class GateReport:
    """Content of all outputs.  ``sentences`` are facts about the run, most important first."""

    headline: str
    sentences: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    exit_code: Exit
    context: dict[str, Any]


def exit_code(decision: Decision, undecided_passes: bool) -> Exit:
    """Return the exit code: regressed before not measured before undecided before pass."""
    verdicts = decision.verdicts()
    if Verdict.REGRESSED in verdicts:
        return Exit.REGRESSED
    if verdicts <= {Verdict.NOT_MEASURED}:
        return Exit.NOTHING_MEASURED
    if verdicts & {Verdict.UNDECIDED, Verdict.NOT_MEASURED} and not undecided_passes:
        return Exit.UNDECIDED
    return Exit.PASS


def report_of(
    outcome: GateOutcome,
    sides: tuple[Side, Side],
    undecided_passes: bool,
    more: Sequence[str],
    context: dict[str, Any],
) -> GateReport:
    """Return the report of a live run; ``more`` are further sentences: calibration, instruction counts."""
    decision, (base, candidate) = outcome.decision, sides
    code = exit_code(decision, undecided_passes)
    sentences = [
        f"A, the base, is {base.label}; B, the candidate, is {candidate.label}.",
        f"{dataset_line(context['dataset']['identity'])}.",
    ]
    if base.is_same_as(candidate) and base.commit == candidate.commit:
        sentences.append("Both sides are the same: all differences are noise.")
    unknown = dict.fromkeys(side.unknown_because for side in sides if side.unknown_because)
    sentences += [f"The commit of the working tree is unknown: {reason}" for reason in unknown]
    if decision.control_failure:
        sentences.append(f"This runner is unfit: {decision.control_failure}.")
    sentences += failure_sentences(outcome)
    kinds = [block.kind for block in outcome.blocks]
    sentences.append(
        f"Measured for {format_seconds(outcome.measuring_seconds)}: {kinds.count('comparison')} blocks of the "
        f"comparison with its null control, {kinds.count('confirmation')} fresh ones to confirm."
    )
    sentences += [*core_state_sentences(outcome.blocks), *wait_sentences(outcome.blocks)]
    return GateReport(headline(decision), (*sentences, *more), decision.judgements, code, context)


def core_state_sentences(blocks: Sequence[Block]) -> list[str]:
    """Return a sentence if the turns found the cores at several distances: half of a step may be waiting for data."""
    distances = [(turn.core_distance_ns, None) for block in blocks for turn in block.turns]
    notice = states_notice(core_states(distances), "turns")
    return [] if notice is None else [notice]


def wait_sentences(blocks: Sequence[Block]) -> list[str]:
    """Return a sentence if threads of the measured processes waited for a core in a noticeable part of their turns."""
    turns = [turn for block in blocks for turn in block.turns if turn.measure == "train_epoch" and turn.scheduler]
    known = [one.scheduler for one in turns if one.scheduler.cpu_seconds and one.scheduler.wait_seconds is not None]
    waited = sum(one.wait_seconds for one in known)
    ready = waited + sum(one.cpu_seconds for one in known)
    if not known or waited < NOTICEABLE_WAIT * ready:
        return []
    share = format_percent(waited / ready, 0)
    return [f"Threads of the measured processes waited for a core in {share} of the time in which they could run."]


def nothing_measured(reason: str, metrics: Sequence[Metric]) -> GateReport:
    """Return the report of a run in which a side failed before anything was measured."""
    judgements = tuple(Judgement(metric, Verdict.NOT_MEASURED, reason.rstrip(".")) for metric in metrics)
    line = headline(Decision(judgements, None, (), False))
    return GateReport(line, (reason,), judgements, Exit.NOTHING_MEASURED, {})


def headline(decision: Decision) -> str:
    """Return one line, the most severe verdict first: ``regressed: train_epoch``.

    A change that is shown and does not matter follows in its own words, and is not called unchanged.
    """
    judged = decision.judgements
    small = {one.metric.name: change for one in judged if (change := wording.small_change_of(one))}
    by_verdict = {
        verdict: [one.metric.name for one in judged if one.verdict is verdict and one.metric.name not in small]
        for verdict in Verdict
    }
    order = (Verdict.REGRESSED, Verdict.UNDECIDED, Verdict.NOT_MEASURED, Verdict.IMPROVED, Verdict.UNCHANGED)
    parts = [f"{verdict}: {', '.join(by_verdict[verdict])}" for verdict in order if by_verdict[verdict]]
    return "; ".join([*parts, *(f"{name}: {change}" for name, change in small.items())])


def failure_sentences(outcome: GateOutcome) -> list[str]:
    """Return one sentence per side and reason of failed processes."""
    counts: dict[tuple[str, str], int] = {}
    for block in outcome.blocks:
        for slot in block.slots:
            if slot.failed:
                counts[slot.role, slot.failed] = counts.get((slot.role, slot.failed), 0) + 1
    return [
        f"{count} process{'es' if count > 1 else ''} of {role} failed: {reason.rstrip('.')}."
        for (role, reason), count in counts.items()
    ]
