"""Confirmation of apparent regressions on fresh, independent blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.gate.verdict import wording
from bench.gate.verdict.decide import Samples
from bench.gate.verdict.design import DESIGN
from bench.gate.verdict.evidence import evidence_of, reported
from bench.gate.verdict.ranks import shift
from bench.gate.verdict.samples import effect_on_scale, refusal, to_blocks
from bench.gate.verdict.values import PART_OF, Decision, Judgement, Metric, ProcessSample, Verdict


def confirm(decision: Decision, fresh: Samples) -> Decision:
    """Return ``decision`` updated by ``fresh`` blocks that measured the metrics ``to_confirm`` again.

    Call it after each fresh block, with all of them so far, and with the decision of ``decide``.  Only here a judgement
    becomes ``regressed``.  Metrics that need more fresh blocks stay in ``to_confirm``; unconfirmed ones become
    ``undecided``.  A part (PART_OF) whose whole is judged is confirmed only if the whole is nearer to the effect that
    matters than to none in ``fresh``, too.

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
            whole = judgements.get(PART_OF.get(name, ""))
            leans = whole is None or _leans(whole.metric, fresh.get(whole.metric.name, ()))
            judgements[name], needs_more = _confirm_one(judgements[name], fresh.get(name, ()), leans)
            if needs_more:
                pending.append(name)
            elif judgements[name].verdict is not Verdict.REGRESSED:
                failed = name
    return replace(decision, judgements=tuple(judgements.values()), to_confirm=tuple(pending))


def _leans(metric: Metric, samples: Sequence[ProcessSample]) -> bool:
    """Return True if the estimate of ``samples`` is nearer to the effect that matters than to none."""
    differences = to_blocks(samples, metric).differences
    return len(differences) > 0 and bool(shift(differences) > effect_on_scale(metric) / 2)


def _confirm_one(judgement: Judgement, samples: Sequence[ProcessSample], leans: bool) -> tuple[Judgement, bool]:
    """Return the judgement with its fresh numbers, and True if more fresh blocks may confirm it.

    ``leans`` is False if the metric is a part and its whole does not lean that way in these blocks.
    """
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
    if evidence.worse and leans:
        return replace(judgement, verdict=Verdict.REGRESSED, reason=f"{first}, and again {again}"), False
    if evidence.unchanged or len(blocks.shapes) >= looks.last:
        alone = f", in which {PART_OF[metric.name]} does not lean that way," if evidence.worse else ""
        return replace(judgement, reason=f"{first} looked regressed, but {again}{alone} do not confirm it"), False
    return judgement, True
