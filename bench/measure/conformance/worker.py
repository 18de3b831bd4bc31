"""Process that checks one stack: ``python -m bench.measure.conformance.worker BACKEND VARIANT DEVICE RESULT SECONDS``.

It appends a line of JSON to ``RESULT`` after each clause, so that a crash loses only the rest.  A clause that takes
longer than ``SECONDS`` is not judged, and the next one begins with networks of its own.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.measure.conformance.clauses import Clause
from bench.measure.conformance.judge import CLAUSES, ClauseResult, ClauseState, judge
from bench.measure.conformance.stack import CheckedStack, forget_compiled
from bench.measure.process import end_with_parent


class ClauseTimeout(BaseException):
    """The time of a clause is over; no Exception, which a backend might catch."""


def main(backend: str, variant: str, device: str, result: str, seconds: str) -> int:
    end_with_parent()
    stack = CheckedStack(backend, variant, device)
    with Path(result).open("a", encoding="utf-8") as file:
        for clause in CLAUSES:
            print(json.dumps(asdict(_judge_within(float(seconds), clause, stack))), file=file, flush=True)
    return 0


def _judge_within(seconds: float, clause: Clause, stack: CheckedStack) -> ClauseResult:
    try:
        with _time_limit(seconds):
            return judge(clause, stack)
    except ClauseTimeout:
        forget_compiled()  # networks that were left in the middle of a step
        reason = f"it took longer than {seconds:g} s, a quarter of --limit"
        return ClauseResult(clause.name, clause.title, ClauseState.NOT_JUDGED, reason)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise ClauseTimeout in the block after ``seconds``, as soon as Python code runs."""

    def end(*_: Any) -> None:
        raise ClauseTimeout

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
