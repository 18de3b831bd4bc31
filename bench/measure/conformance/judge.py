"""Results of the clauses for a stack, as sentences and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from bench.measure.conformance.causes import likely_cause
from bench.measure.conformance.clauses import OF_NUMBERS, Clause
from bench.measure.conformance.conduct import OF_CONDUCT
from bench.measure.conformance.deviation import Deviation
from bench.measure.conformance.dropout import OF_DROPOUT
from bench.measure.conformance.example import toy_data
from bench.measure.conformance.stack import CheckedStack, Oracle, float64_oracle
from bench.measure.process import describe

CLAUSES: tuple[Clause, ...] = (*OF_NUMBERS, *OF_CONDUCT, *OF_DROPOUT)  # those of most steps last


class ClauseState(StrEnum):
    """``not judged``: an exception or the time limit came before a result; such a stack does not conform."""

    HOLDS = "holds"
    VIOLATED = "violated"
    NOT_JUDGED = "not judged"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class ClauseResult:
    """Result of a clause: a sentence with the numbers, and the likely cause of a violation.

    ``share`` is the largest difference in units of the allowed one; None without numbers.
    """

    clause: str
    title: str
    state: ClauseState
    detail: str
    share: float | None = None
    cause: str | None = None

    @property
    def passes(self) -> bool:
        return self.state in (ClauseState.HOLDS, ClauseState.NOT_APPLICABLE)


def judge(clause: Clause, stack: CheckedStack, oracle: Oracle = float64_oracle) -> ClauseResult:
    """Check a clause; an exception of the backend is a result of its own."""
    reason = clause.inapplicable(stack)
    if reason is not None:
        return ClauseResult(clause.name, clause.title, ClauseState.NOT_APPLICABLE, reason)
    toy_data.cache_clear()  # a backend may have changed its inputs in an earlier clause
    try:
        found = list(clause.check(stack, oracle))
    except Exception as error:  # the backend's code may raise anything
        return ClauseResult(clause.name, clause.title, ClauseState.NOT_JUDGED, f"it raised {describe(error)}")
    violated = [one for one in found if not one.holds]
    worst = max(violated or found, key=lambda one: one.share)
    share = worst.share if math.isfinite(worst.share) else None
    if not violated:
        return ClauseResult(clause.name, clause.title, ClauseState.HOLDS, _of_all(found, worst), share)
    detail, cause = _of_violated(found, violated), None
    with suppress(Exception):  # the backend may fail when it is run again; the violation is on record
        cause = likely_cause(clause, stack, violated)
    return ClauseResult(clause.name, clause.title, ClauseState.VIOLATED, detail, share, cause)


def _of_all(found: Sequence[Deviation], worst: Deviation) -> str:
    count = f"{len(found)} check{'s' * (len(found) > 1)}"
    if not worst.allowed:
        return count
    return f"{count}, at most {worst.share:.2g} of what is allowed ({worst.what})" if worst.value else f"{count}, exact"


def _of_violated(found: Sequence[Deviation], violated: Sequence[Deviation]) -> str:
    """Return the first violation, their number, and over many steps how the difference grows."""
    text = f"{violated[0]}; {len(violated)} of {len(found)} checks fail"
    steps = [one for one in found if one.value is not None and one.what.startswith("loss of step")]
    if len(steps) < 10:
        return text
    first, middle, last = steps[0], steps[len(steps) // 2], steps[-1]
    grows = ", ".join(f"{one.value:.2g} in {one.what.removeprefix('loss of ')}" for one in (first, middle, last))
    return f"{text}; the difference is {grows}"
