"""Re-derivation of a record's published numbers from its reference runs.

Medians and means are compared, which every version of mlp-bench computes alike; the method of intervals has changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.advice import make_command
from bench.errors import RecordError
from bench.records.json_file import read_json
from bench.records.reference_run import ReferenceRun, ReferenceRuns
from bench.records.stack_key import StackKey
from bench.report.run.reference_runs import ReferenceAnswer
from bench.units import format_percent, format_seconds

TOLERANCE, SUM_TOLERANCE = 1e-9, 1e-6  # relative; files hold all digits, and sums may be in another order
SUMMARY = "summary.json"
MOST = 1e300  # an integer of JSON may have any number of digits
WRITE_AGAIN = f"if the samples are right, {make_command('report')} writes it again"


def check_summary(path: Path, runs: ReferenceRuns, answers: Sequence[ReferenceAnswer]) -> None:
    """Compare a record's reference runs with their phases and, if it has one, with its ``summary.json``.

    Raises
    ------
    RecordError
        If a total is not the sum of its phases, or the summary cannot be read or has other numbers than the samples.
    """
    for run in (run for of_stack in runs.values() for run in of_stack):
        _check_sum(run)
    try:
        published = read_json(path / SUMMARY)["reference_runs"]
        by_stack = {StackKey.of(one): one for one in published}
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"its {SUMMARY} cannot be read ({error!r}): {WRITE_AGAIN}.") from error
    for answer in answers:
        _check_answer(answer, by_stack.pop(answer.stack, None))
    for stack in by_stack:
        raise RecordError(f"its {SUMMARY} has a reference run of {stack.name}, its samples have none: {WRITE_AGAIN}.")


def _check_sum(run: ReferenceRun) -> None:
    parts = [*run.phases.values(), run.rest_seconds]
    if None not in parts and not math.isclose(math.fsum(parts), run.total_seconds, rel_tol=SUM_TOLERANCE):
        total = format_seconds(run.total_seconds)
        raise RecordError(f"the reference clock of its process {run.process}, {total}, is not the sum of its phases.")


def _check_answer(answer: ReferenceAnswer, published: Mapping[str, Any] | None) -> None:
    name = answer.stack.name
    if published is None:
        raise RecordError(f"its {SUMMARY} has no reference run of {name}, which was measured: {WRITE_AGAIN}.")
    total = published.get("total_seconds")
    total = total if isinstance(total, dict) else {}
    said, count = total.get("center"), total.get("num_processes")
    if not _same(said, answer.total.center) or count != answer.total.num_processes:
        found = f"{format_seconds(answer.total.center)} of {answer.total.num_processes} processes"
        raise RecordError(
            f"its {SUMMARY} says {_text(said, format_seconds)} of {count} processes for {name}, its samples give "
            f"{found}: {WRITE_AGAIN}."
        )
    accuracy = published.get("mean_test_accuracy")
    if not _same(accuracy, answer.mean_test_accuracy):
        raise RecordError(
            f"its {SUMMARY} says a test accuracy of {_text(accuracy, format_percent)} for {name}, its samples give "
            f"{format_percent(answer.mean_test_accuracy)}: {WRITE_AGAIN}."
        )


def _same(said: Any, found: float | None) -> bool:
    if said is None or found is None:
        return said is found
    return _is_number(said) and math.isclose(said, found, rel_tol=TOLERANCE)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST


def _text(value: Any, by: Any) -> str:
    return by(value) if _is_number(value) else "no number"
