"""Side of a comparison from another tool's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.records.formats.foreign import read_foreign
from bench.records.stack_key import NO_STACK, stack_from_keys
from bench.report.compare.comparable import Comparable, StackMeasurement
from bench.report.compare.naming import metric_of
from bench.report.compare.runs import precisions


def comparable_file(path: Path, name: str) -> Comparable:
    """Read the results in ``path`` as ``name``; a file that mlp-bench exported has the metrics of its run.

    Raises
    ------
    BenchError
        If the file cannot be read, or holds nothing to compare.
    """
    foreign = read_foreign(path)
    own = [benchmark.keys for benchmark in foreign.benchmarks if benchmark.keys]
    metrics = [metric_of(one.keys) if one.keys else StackMeasurement(NO_STACK, one.name) for one in foreign.benchmarks]
    samples = {
        metric: dict(enumerate(benchmark.processes))
        for metric, benchmark in zip(metrics, foreign.benchmarks, strict=True)
        if metric is not None
    }
    if not samples:
        raise BenchError(f"{path} holds only ceilings or an ablation, which are not compared: export a whole run.")
    stacks = [stack for keys in own if (stack := stack_from_keys(keys)) is not None]
    dataset = _common(own, "dataset")
    return Comparable(
        name=name,
        tool=foreign.tool,
        samples=samples,
        facts={fact: value for fact, value in foreign.machine.items() if value is not None},
        started_at=foreign.started_at if isinstance(foreign.started_at, str) else None,
        dataset=None if dataset is None else {"identity": dataset},
        recipe={"num_epochs": _common(own, "num_epochs")} if own else None,
        precisions=precisions(stacks),
        devices={stack.name: stack.device for stack in stacks},
        per_iteration=not own,
        notes=[sentence.rstrip(".") for sentence in foreign.left_out],
    )


def _common(own: Sequence[Mapping[str, Any]], key: str) -> Any:
    """Return the value that all entries with ``key`` agree on, or None."""
    values = [keys[key] for keys in own if keys.get(key) is not None]
    return values[0] if values and all(value == values[0] for value in values) else None
