"""Block after block until it is decided or the budget is spent; red is confirmed on fresh blocks.  No clock of its own.

Every block of the comparison holds its null control: bases, candidates, and a base more that is compared with the
bases.  The verdict's design says when to look and pays for every look, so that stopping as soon as it is decided costs
nothing in error rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.gate.block import BASE, CANDIDATE, CONTROL, Block, samples
from bench.gate.verdict import DESIGN, Decision, Design, Metric, Verdict, confirm, decide

COMPARISON = (BASE, CANDIDATE, CANDIDATE, BASE, CONTROL)  # the order is drawn for each block
CONFIRMATION = (BASE, CANDIDATE, CANDIDATE, BASE)
GIVE_UP_AFTER = 2  # blocks in which one side measured nothing

MeasureBlock = Callable[[int, str, tuple[str, ...], tuple[str, ...]], Block]  # (number, kind, roles, measures)


@dataclass(frozen=True)
class Outcome:
    """What a gate run measured, and what follows from it."""

    decision: Decision
    blocks: tuple[Block, ...]
    measuring_seconds: float


def run(
    measure_block: MeasureBlock,
    metrics: Sequence[Metric],
    budget_seconds: float,
    clock: Callable[[], float],
    design: Design = DESIGN,
) -> Outcome:
    """Compare until nothing more can be decided within ``budget_seconds``; then confirm what looks regressed.

    A run that could not even look once, or not confirm what it saw, would have measured for nothing: for these two the
    budget may be overrun by the share that the design allows for confirming.
    """
    start, overrun_seconds = clock(), budget_seconds * (1 + design.confirming_overrun)
    names = [metric.name for metric in metrics]
    blocks: list[Block] = []

    def time_for_another(limit_seconds: float) -> bool:
        longest = max(block.seconds for block in blocks)
        return clock() - start + longest <= limit_seconds

    while True:
        blocks.append(measure_block(len(blocks), "comparison", COMPARISON, tuple(names)))
        decision = judge(blocks, metrics, design)
        if decision.to_confirm or not decision.more_blocks_may_help:
            break
        limit_seconds = overrun_seconds if len(blocks) < design.looks.first else budget_seconds
        if _one_side_is_silent(blocks, names) or not time_for_another(limit_seconds):
            break
    fresh: list[Block] = []
    suspected, found = decision.to_confirm, decision
    while decision.to_confirm and time_for_another(overrun_seconds):
        fresh.append(measure_block(len(blocks) + len(fresh), "confirmation", CONFIRMATION, suspected))
        decision = confirm(found, samples(fresh, suspected), design)
    return Outcome(_settled(decision), (*blocks, *fresh), clock() - start)


def judge(blocks: Sequence[Block], metrics: Sequence[Metric], design: Design = DESIGN) -> Decision:
    """The decision after these blocks of the comparison, from nothing but what they hold."""
    names = [metric.name for metric in metrics]
    return decide(samples(blocks, names, CANDIDATE), samples(blocks, names, CONTROL), metrics, design)


def rejudge(blocks: Sequence[Block], metrics: Sequence[Metric], design: Design = DESIGN) -> Decision:
    """The final decision of a run whose blocks were kept: what ``run`` decided, without measuring anything."""
    decision = judge([block for block in blocks if block.kind == "comparison"], metrics, design)
    fresh = [block for block in blocks if block.kind == "confirmation"]
    if fresh and decision.to_confirm:
        decision = confirm(decision, samples(fresh, decision.to_confirm), design)
    return _settled(decision)


def _settled(decision: Decision) -> Decision:
    """What still waits for its confirmation when there is no more time is undecided, and says so."""
    waiting = set(decision.to_confirm)
    judgements = tuple(
        replace(one, verdict=Verdict.UNDECIDED, reason=f"{one.reason.rstrip('.')}; no time was left to confirm it")
        if one.metric.name in waiting
        else one
        for one in decision.judgements
    )
    return replace(decision, judgements=judgements, to_confirm=(), more_blocks_may_help=False)


def _one_side_is_silent(blocks: Sequence[Block], names: Sequence[str]) -> bool:
    if len(blocks) < GIVE_UP_AFTER:
        return False
    measured = {one.side for found in samples(blocks, names).values() for one in found if one.value is not None}
    return measured != {"A", "B"}
