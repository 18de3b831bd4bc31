"""Sequential gate run: blocks until the decision or the end of the budget; regressions are confirmed on fresh blocks.

Every block of the comparison contains its null control: an additional base that is compared with the bases.  The
design of the verdict fixes the interim looks and spends alpha on each, so that early stopping does not inflate the
error rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.gate.block import BASE, CANDIDATE, CONTROL, Block, samples
from bench.gate.verdict import DESIGN, Decision, Metric, Verdict, confirm, decide, with_wholes

COMPARISON = (BASE, CANDIDATE, CANDIDATE, BASE, CONTROL)  # shuffled for each block
CONFIRMATION = (BASE, CANDIDATE, CANDIDATE, BASE)
GIVE_UP_AFTER = 2  # blocks in which one side measured nothing

MeasureBlock = Callable[[int, str, tuple[str, ...], tuple[str, ...]], Block]  # (number, kind, roles, measures)


@dataclass(frozen=True)
class GateOutcome:
    """Blocks of a gate run and the decision from them."""

    decision: Decision
    blocks: tuple[Block, ...]
    measuring_seconds: float


def run(
    measure_block: MeasureBlock, metrics: Sequence[Metric], budget_seconds: float, clock: Callable[[], float]
) -> GateOutcome:
    """Compare until nothing more can be decided within ``budget_seconds``; then confirm apparent regressions.

    The first look and the confirmation may overrun the budget by the share that the design allows, because a run
    without them could not decide anything.
    """
    start, overrun_seconds = clock(), budget_seconds * (1 + DESIGN.confirming_overrun)
    names = [metric.name for metric in metrics]
    blocks: list[Block] = []

    def time_for_another(limit_seconds: float) -> bool:
        longest = max(block.seconds for block in blocks)
        return clock() - start + longest <= limit_seconds

    while True:
        blocks.append(measure_block(len(blocks), "comparison", COMPARISON, tuple(names)))
        decision = judge(blocks, metrics)
        if decision.to_confirm or not decision.more_blocks_may_help:
            break
        limit_seconds = overrun_seconds if len(blocks) < DESIGN.looks.first else budget_seconds
        if _one_side_is_silent(blocks, names) or not time_for_another(limit_seconds):
            break
    fresh: list[Block] = []
    suspected, found = with_wholes(decision.to_confirm), decision
    while decision.to_confirm and time_for_another(overrun_seconds):
        fresh.append(measure_block(len(blocks) + len(fresh), "confirmation", CONFIRMATION, suspected))
        decision = confirm(found, samples(fresh, suspected))
    return GateOutcome(_settled(decision), (*blocks, *fresh), clock() - start)


def judge(blocks: Sequence[Block], metrics: Sequence[Metric]) -> Decision:
    """Return the decision after these blocks of the comparison; a pure function of the blocks."""
    names = [metric.name for metric in metrics]
    return decide(samples(blocks, names, CANDIDATE), samples(blocks, names, CONTROL), metrics)


def rejudge(blocks: Sequence[Block], metrics: Sequence[Metric]) -> Decision:
    """Recompute the final decision of ``run`` from its kept blocks."""
    decision = judge([block for block in blocks if block.kind == "comparison"], metrics)
    fresh = [block for block in blocks if block.kind == "confirmation"]
    if fresh and decision.to_confirm:
        decision = confirm(decision, samples(fresh, with_wholes(decision.to_confirm)))
    return _settled(decision)


def _settled(decision: Decision) -> Decision:
    """Return the decision with all unconfirmed metrics undecided, because the budget is spent."""
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
