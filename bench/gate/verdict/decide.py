"""From process samples to a decision: a pure function, no clock, no process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.gate.verdict import wording
from bench.gate.verdict.design import DESIGN, Design
from bench.gate.verdict.evidence import Evidence, detectable, reported, weigh, weigh_control
from bench.gate.verdict.samples import Blocks, effect_on_scale, refusal, to_blocks
from bench.gate.verdict.values import Decision, Judgement, Metric, ProcessSample, Verdict

Samples = Mapping[str, Sequence[ProcessSample]]


@dataclass(frozen=True)
class Finding:
    """A judgement and what may become of it; ``clearness`` is its lower bound in units of the effect that matters."""

    judgement: Judgement
    more_blocks_may_help: bool = False
    looks_regressed: bool = False
    clearness: float = -math.inf
    unfit_because: str | None = None


def decide(comparison: Samples, control: Samples, metrics: Sequence[Metric], design: Design = DESIGN) -> Decision:
    """Judge every metric on the blocks measured so far; call it after each block.

    ``comparison`` and ``control`` map the name of a metric to its process samples: base (A) against candidate (B), and
    base against base, where B is a second set of processes of the base.  Both may use the same processes of side A.
    The first look is after ``design.looks.first`` blocks, and looking after every further block is paid for: the
    chance of a false red over all looks and metrics is that of the design.  What looks regressed is ``undecided`` until
    ``confirm`` has seen it again.

    Raises
    ------
    ValueError
        For what no measurement can cause: no metrics, two of one name, or samples of an unknown metric.
    """
    names = [metric.name for metric in metrics]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a decision needs metrics with names of their own, and got {names}")
    if unknown := (comparison.keys() | control.keys()) - set(names):
        raise ValueError(f"samples of metrics that are not judged: {', '.join(sorted(unknown))}")
    findings = [
        _find(metric, comparison.get(metric.name, ()), control.get(metric.name, ()), len(metrics), design)
        for metric in metrics
    ]
    regressed = sorted((one for one in findings if one.looks_regressed), key=lambda one: -one.clearness)
    unfit = [f"{one.judgement.metric.name}: {one.unfit_because}" for one in findings if one.unfit_because]
    return Decision(
        judgements=tuple(one.judgement for one in findings),
        unfit_because="; ".join(unfit) or None,
        to_confirm=tuple(one.judgement.metric.name for one in regressed),
        more_blocks_may_help=any(one.more_blocks_may_help for one in findings),
    )


def _find(
    metric: Metric,
    comparison: Sequence[ProcessSample],
    control: Sequence[ProcessSample],
    num_metrics: int,
    design: Design,
) -> Finding:
    """What the samples of one metric say: refusals first, then numbers, then the verdict."""
    if refused := refusal(metric, comparison, control):
        return Finding(Judgement(metric, *refused, num_processes=len(comparison)))
    blocks, base_blocks = to_blocks(comparison, metric), to_blocks(control, metric)
    evidence, judgement = _measured(metric, blocks, num_metrics, design)
    may_help = len(blocks.shapes) < design.looks.last
    if len(blocks.shapes) < design.looks.first:
        why = f"{len(blocks.shapes)} of the {design.looks.first} blocks that the first look needs"
        return Finding(replace(judgement, reason=why + blocks.left_out_text), may_help)
    if len(base_blocks.shapes) < design.control_looks.first:
        why = "base was not measured against base, so nobody knows whether this runner is fit"
        return Finding(replace(judgement, reason=why), may_help)
    effect = effect_on_scale(metric)
    base, unfit = weigh_control(base_blocks.differences, base_blocks.shapes, effect, num_metrics, design)
    numbers = reported(metric, base)
    judgement = replace(judgement, **{f"control_{name}": value for name, value in numbers.items()})
    if unfit:
        why = f"base against base is {wording.change(metric, **numbers)}"
        return Finding(replace(judgement, reason=f"this runner is unfit: {why}"), may_help, unfit_because=why)
    verdict, why = _judge(judgement, evidence, may_help)
    return Finding(
        replace(judgement, verdict=verdict, reason=why + blocks.left_out_text),
        more_blocks_may_help=may_help and verdict is Verdict.UNDECIDED and not evidence.worse,
        looks_regressed=bool(evidence.worse),
        clearness=float(evidence.low) / effect,
    )


def _measured(metric: Metric, blocks: Blocks, num_metrics: int, design: Design) -> tuple[Evidence | None, Judgement]:
    """The evidence of the comparison, and an undecided judgement with its numbers."""
    judgement = Judgement(
        metric, Verdict.UNDECIDED, "", num_processes=blocks.num_processes, num_blocks=len(blocks.shapes)
    )
    if not blocks.shapes:
        return None, judgement
    effect, alpha = effect_on_scale(metric), design.alpha_of_each(num_metrics)
    evidence = weigh(blocks.differences, blocks.shapes, effect, design.looks, alpha, design.interval_alpha)
    smallest = detectable(evidence, blocks.shapes, effect, design, alpha)
    if smallest is not None:
        smallest = math.expm1(smallest) if metric.is_ratio else smallest
    return evidence, replace(judgement, **reported(metric, evidence), detectable_effect=smallest)


def _judge(judgement: Judgement, evidence: Evidence, may_help: bool) -> tuple[Verdict, str]:
    """Verdict and reason where the runner is fit and the number of blocks is enough to look."""
    metric = judgement.metric
    measured = wording.change(metric, judgement.ratio, judgement.low, judgement.high)
    matters = wording.effect(metric, metric.effect)
    if evidence.worse:
        return Verdict.UNDECIDED, f"{measured}: looks regressed, to be confirmed on fresh blocks"
    if evidence.better:
        return Verdict.IMPROVED, f"{measured}: statistically different, and the effect that matters is {matters}"
    if evidence.unchanged:
        return Verdict.UNCHANGED, f"{measured}: a change of {matters} is excluded in both directions"
    ending = "" if may_help else "; this was the last look that the error rate allows"
    return Verdict.UNDECIDED, f"{measured}: a change of {matters} is neither shown nor excluded{ending}"
