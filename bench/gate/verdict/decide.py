"""Decision on process samples, as a pure function."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.gate.verdict import wording
from bench.gate.verdict.design import DESIGN
from bench.gate.verdict.evidence import Evidence, control_evidence, detectable, evidence_of, reported
from bench.gate.verdict.samples import PairedBlocks, effect_on_scale, refusal, to_blocks
from bench.gate.verdict.values import PART_OF, Decision, Judgement, Metric, ProcessSample, Verdict

Samples = Mapping[str, Sequence[ProcessSample]]


@dataclass(frozen=True)
class Assessment:
    """Judgement and its possible continuation; ``clearness`` is its lower bound in units of the effect that matters."""

    judgement: Judgement
    more_blocks_may_help: bool = False
    looks_regressed: bool = False
    clearness: float = -math.inf
    control_failure: str | None = None


def decide(comparison: Samples, control: Samples, metrics: Sequence[Metric]) -> Decision:
    """Judge every metric on the blocks measured so far; call it after each block.

    ``comparison`` and ``control`` map the name of a metric to its process samples: base (A) against candidate (B), and
    base against base, where B is a second set of processes of the base.  Both may use the same processes of side A.
    The first look is after ``DESIGN.looks.first`` blocks, and alpha is spent on a look after every further block: the
    chance of a false regression over all looks and metrics is that of the design.  An apparent regression is
    ``undecided`` until ``confirm`` confirms it.

    Raises
    ------
    ValueError
        If there are no metrics, two of one name, or samples of an unknown metric.
    """
    names = [metric.name for metric in metrics]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a decision needs metrics with names of their own, and got {names}")
    if unknown := (comparison.keys() | control.keys()) - set(names):
        raise ValueError(f"samples of metrics that are not judged: {', '.join(sorted(unknown))}")
    assessments = [
        _assess(metric, comparison.get(metric.name, ()), control.get(metric.name, ()), len(metrics))
        for metric in metrics
    ]
    wholes = {one.judgement.metric.name: one for one in assessments}
    assessments = [_part(one, wholes.get(PART_OF.get(one.judgement.metric.name, ""))) for one in assessments]
    regressed = sorted((one for one in assessments if one.looks_regressed), key=_order_of_confirmation)
    failed_controls = [
        f"{one.judgement.metric.name}: {one.control_failure}" for one in assessments if one.control_failure
    ]
    return Decision(
        judgements=tuple(one.judgement for one in assessments),
        control_failure="; ".join(failed_controls) or None,
        to_confirm=tuple(one.judgement.metric.name for one in regressed),
        more_blocks_may_help=any(one.more_blocks_may_help for one in assessments),
    )


def _part(one: Assessment, whole: Assessment | None) -> Assessment:
    """Return an assessment; one of a part (PART_OF) counts only while that of its ``whole`` is undecided.

    It then looks regressed only if the whole is nearer to the effect that matters than to none, too: a candidate that
    waits less and runs longer is not slower.  If the whole looks regressed itself, it is confirmed before its part.
    """
    if whole is None or one.judgement.verdict is Verdict.NOT_MEASURED:
        return one
    judged = whole.judgement
    if judged.verdict in (Verdict.UNCHANGED, Verdict.IMPROVED):
        why = f"as {judged.metric.name}, of which it is a part"
        return Assessment(replace(one.judgement, verdict=judged.verdict, reason=why))
    leans = judged.ratio is not None and math.log(judged.ratio) > effect_on_scale(judged.metric) / 2
    if not one.looks_regressed or leans:
        return replace(one, clearness=min(one.clearness, whole.clearness)) if whole.looks_regressed else one
    why = f"it looks regressed, but {judged.metric.name}, of which it is a part, does not lean that way"
    return Assessment(replace(one.judgement, reason=why), whole.more_blocks_may_help)


def _order_of_confirmation(one: Assessment) -> tuple[float, bool]:
    return -one.clearness, one.judgement.metric.name in PART_OF


def _assess(
    metric: Metric, comparison: Sequence[ProcessSample], control: Sequence[ProcessSample], num_metrics: int
) -> Assessment:
    """Judge one metric: refusals first, then the estimates, then the verdict."""
    if refused := refusal(metric, comparison, control):
        return Assessment(Judgement(metric, *refused, num_processes=len(comparison)))
    blocks, base_blocks = to_blocks(comparison, metric), to_blocks(control, metric)
    evidence, judgement = _measured(metric, blocks, num_metrics)
    may_help = len(blocks.shapes) < DESIGN.looks.last
    if len(blocks.shapes) < DESIGN.looks.first:
        why = f"{len(blocks.shapes)} of the {DESIGN.looks.first} blocks that the first look needs"
        return Assessment(replace(judgement, reason=why + blocks.left_out_text), may_help)
    if len(base_blocks.shapes) < DESIGN.control_looks.first:
        why = "base was not measured against base, so the fitness of this runner is unknown"
        return Assessment(replace(judgement, reason=why), may_help)
    effect = effect_on_scale(metric)
    base, control_failed = control_evidence(base_blocks.differences, base_blocks.shapes, effect, num_metrics)
    numbers = reported(metric, base)
    judgement = replace(judgement, **{f"control_{name}": value for name, value in numbers.items()})
    if control_failed:
        why = f"base against base is {wording.change(metric, **numbers)}"
        return Assessment(replace(judgement, reason=f"this runner is unfit: {why}"), may_help, control_failure=why)
    verdict, why = _judge(judgement, evidence, may_help)
    return Assessment(
        replace(judgement, verdict=verdict, reason=why + blocks.left_out_text),
        more_blocks_may_help=may_help and verdict is Verdict.UNDECIDED and not evidence.worse,
        looks_regressed=bool(evidence.worse),
        clearness=float(evidence.low) / effect,
    )


def _measured(metric: Metric, blocks: PairedBlocks, num_metrics: int) -> tuple[Evidence | None, Judgement]:
    """Return the evidence of the comparison, and an undecided judgement with its numbers."""
    judgement = Judgement(
        metric, Verdict.UNDECIDED, "", num_processes=blocks.num_processes, num_blocks=len(blocks.shapes)
    )
    if not blocks.shapes:
        return None, judgement
    effect, alpha = effect_on_scale(metric), DESIGN.alpha_of_each(num_metrics)
    evidence = evidence_of(blocks.differences, blocks.shapes, effect, DESIGN.looks, alpha)
    smallest = detectable(evidence, blocks.shapes, effect, alpha)
    if smallest is not None:
        smallest = math.expm1(smallest) if metric.is_ratio else smallest
    return evidence, replace(judgement, **reported(metric, evidence), detectable_effect=smallest)


def _judge(judgement: Judgement, evidence: Evidence, may_help: bool) -> tuple[Verdict, str]:
    """Return verdict and reason for a fit runner and a sufficient number of blocks."""
    metric = judgement.metric
    measured = wording.change(metric, judgement.ratio, judgement.low, judgement.high)
    matters = wording.effect(metric, metric.effect)
    if evidence.worse:
        return Verdict.UNDECIDED, f"{measured}: looks regressed, to be confirmed on fresh blocks"
    if evidence.better:
        return Verdict.IMPROVED, f"{measured}: statistically different, and the effect that matters is {matters}"
    if evidence.unchanged:
        why = wording.no_change_that_matters(metric, judgement.low, judgement.high)
        return Verdict.UNCHANGED, f"{measured}: {why}"
    ending = "" if may_help else "; this was the last look that the error rate allows"
    return Verdict.UNDECIDED, f"{measured}: a change of {matters} is neither shown nor excluded{ending}"
