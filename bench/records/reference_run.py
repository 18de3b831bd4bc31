"""Reference runs as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.records.columns import CASE_COLUMNS
from bench.records.schema import is_duration
from bench.records.stack_key import StackKey


@dataclass(frozen=True)
class ReferenceRun:
    """Reference run of one process; None where not recorded or, for an accuracy, not in its range.

    ``phases`` are in the order in which they ran; ``rest_seconds`` is in none of them, and the import outside the
    reference clock ``total_seconds``.
    """

    process: int
    seed: int | None
    cache: str | None
    total_seconds: float
    rest_seconds: float | None
    import_seconds: float | None
    num_epochs: int
    test_accuracy: float | None
    test_examples: int | None
    phases: Mapping[str, float | None]


ReferenceRuns = dict[StackKey, list[ReferenceRun]]


def runs_of_replicates(replicates: Iterable[Mapping[str, Any]]) -> ReferenceRuns:
    """Return the reference runs of a run's ``measured_replicates``, by stack in order of appearance.

    Invalid values are missing, and a run without a valid time is left out, as by ``drop_invalid``.
    """
    found: ReferenceRuns = {}
    for replicate in replicates:
        for measurement in replicate["measurements"]:
            seconds = measurement["seconds"]
            if measurement["extra"].get("phases") and seconds and is_duration(seconds[0]):
                keys = {name: replicate["case"].get(name) for name in CASE_COLUMNS}
                keys |= {name: value for name, value in measurement["params"].items() if name in CASE_COLUMNS}
                stack = StackKey.of(keys)
                found.setdefault(stack, []).append(_run(replicate["sequence"], keys, measurement))
    return found


def _run(process: int, keys: Mapping[str, Any], measurement: Mapping[str, Any]) -> ReferenceRun:
    extra = measurement["extra"]
    accuracy, examples = extra.get("test_accuracy"), extra.get("test_examples")
    return ReferenceRun(
        process=process,
        seed=keys["seed"],
        cache=keys["cache"],
        total_seconds=measurement["seconds"][0],
        rest_seconds=extra.get("rest_seconds"),
        import_seconds=extra.get("import_seconds"),
        num_epochs=len(extra.get("epochs") or []),
        test_accuracy=accuracy if accuracy is not None and 0 <= accuracy <= 1 else None,
        test_examples=examples if examples is not None and examples > 0 else None,
        phases=extra["phases"],
    )
