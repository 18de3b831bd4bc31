"""From process samples to a decision: pure functions, no clock, no process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.verdict.design import DESIGN, Design
from bench.verdict.values import Decision, Metric, ProcessSample

Samples = Mapping[str, Sequence[ProcessSample]]


def decide(comparison: Samples, control: Samples, metrics: Sequence[Metric], design: Design = DESIGN) -> Decision:
    """Judge every metric on the blocks measured so far; call it after each block.

    ``comparison`` and ``control`` map the name of a metric to its process samples: base (A) against candidate (B), and
    base against base, where B is a second set of processes of the base.  Both may use the same processes of side A.
    The first look is after ``design.first_look`` blocks, and looking after every further block is paid for: the
    chance of a false red over all looks and metrics is that of the design.

    Raises ValueError for what no measurement can cause: no metrics, two of one name, or samples of an unknown metric.
    """
    raise NotImplementedError


def confirm(decision: Decision, fresh: Samples, design: Design = DESIGN) -> Decision:
    """``decision`` after the metrics ``to_confirm`` were measured again in ``fresh`` blocks of their own.

    Only here a judgement becomes ``regressed``.  What needs more fresh blocks stays in ``to_confirm``; what was not
    seen again is ``undecided``, with both numbers in its reason.  Call it after each fresh block, with all fresh blocks so far.
    """
    raise NotImplementedError
