"""Confirmation of apparent regressions on fresh, independent blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.gate.verdict import wording
from bench.gate.verdict.decide import Samples
from bench.gate.verdict.design import DESIGN
from bench.gate.verdict.evidence import evidence_of, reported
from bench.gate.verdict.samples import effect_on_scale, refusal, to_blocks
from bench.gate.verdict.values import Decision, Judgement, ProcessSample, Verdict


def confirm(decision: Decision, fresh: Samples) -> Decision:
    """Return ``decision`` updated by ``fresh`` blocks that measured the metrics ``to_confirm`` again.

    Call it after each fresh block, with all of them so far, and with the decision of ``decide``.  Only here a judgement
    becomes ``regressed``.  Metrics that need more fresh blocks stay in ``to_confirm``; unconfirmed ones become
    ``undecided``.

    The sides of the fresh blocks were assigned independently, so the chance that a false regression of ``decide`` is
    confirmed is ``DESIGN.confirming_alpha``.  Several metrics are tested in the order of ``to_confirm``, each at that
    full level, and none after the first that fails: such a fixed sequence needs no correction (Maurer, Hothorn &
    Lehmacher 1995), because the order was known before the fresh blocks were measured.
    """
    judgements = {judgement.metric.name: judgement for judgement in decision.judgements}
    pending: list[str] = []
    failed: str | None = None
    for name in decision.to_confirm:
        if pending:
            pending.append(name)
        elif failed:
            why = f"looked regressed, but {failed}, which was clearer, was not confirmed"
            judgements[name] = replace(judgements[name], reason=why)
        else:
            judgements[name], needs_more = _confirm_one(judgements[name], fresh.get(name, ()))
            if needs_more:
                pending.append(name)
            elif judgements[name].verdict is not Verdict.REGRESSED:
                failed = name
    return replace(decision, judgements=tuple(judgements.values()), to_confirm=tuple(pending))


def _confirm_one(judgement: Judgement, samples: Sequence[ProcessSample]) -> tuple[Judgement, bool]:
    """Return the judgement with its fresh numbers, and True if more fresh blocks may confirm it."""
    metric, looks = judgement.metric, DESIGN.confirming_looks
    first = wording.change(metric, judgement.ratio, judgement.low, judgement.high)
    if samples and (refused := refusal(metric, samples, ())):
        return replace(judgement, reason=f"{first} looked regressed, but was not confirmed: {refused[1]}"), False
    blocks = to_blocks(samples, metric)
    if not blocks.shapes:
        return judgement, True
    effect = effect_on_scale(metric)
    evidence = evidence_of(blocks.differences, blocks.shapes, effect, looks, DESIGN.confirming_alpha)
    ratio = reported(metric, evidence)["ratio"]
    judgement = replace(judgement, fresh_ratio=ratio, num_fresh_blocks=len(blocks.shapes))
    again = f"{wording.change(metric, ratio)} in {len(blocks.shapes)} fresh blocks"
    if evidence.worse:
        return replace(judgement, verdict=Verdict.REGRESSED, reason=f"{first}, and again {again}"), False
    if evidence.unchanged or len(blocks.shapes) >= looks.last:
        return replace(judgement, reason=f"{first} looked regressed, but {again} do not confirm it"), False
    return judgement, True
