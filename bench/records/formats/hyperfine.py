"""hyperfine JSON, as ``hyperfine --export-json`` writes it (its ``src/benchmark/benchmark_result.rs``).

To hyperfine each time is that of a fresh process.  Ours have several samples each, so ``samples_per_process`` has the
numbers of samples; user and system time were not measured and are null.
"""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from bench.errors import BenchError
from bench.records.formats.foreign import (
    Benchmark,
    Foreign,
    case_keys,
    finite_seconds,
    mapping,
    parse_each,
    split_by_process,
    text_of,
)
from bench.records.formats.series import ExportSeries, Run

SIZES = "samples_per_process"


def render(run: Run) -> dict[str, Any]:
    return {"results": [_result(series) for series in run.series]}


def _result(series: ExportSeries) -> dict[str, Any]:
    times = series.seconds
    return {
        "command": series.name,
        "mean": statistics.fmean(times),
        "stddev": statistics.stdev(times) if len(times) > 1 else None,
        "median": statistics.median(times),
        "user": None,
        "system": None,
        "min": min(times),
        "max": max(times),
        "times": times,
        "exit_codes": [0] * len(times),
        "parameters": {name: str(value) for name, value in series.keys.items()},
        SIZES: [len(process.seconds) for process in series.processes],
    }


def parse(document: dict[str, Any]) -> Foreign:
    """Return each command's times; hyperfine records neither date nor machine."""
    results = document["results"]
    commands = Counter(name for one in results if isinstance(name := mapping(one).get("command"), str))
    return Foreign("hyperfine", None, {}, *parse_each(results, lambda result: _parse_result(result, commands)))


def _parse_result(result: dict[str, Any], commands: Counter[str]) -> Benchmark:
    """Parse one result; parameters distinguish results with the same command, e.g. of a scan with --command-name."""
    command = text_of(result["command"], "the command of a result")
    name = command
    if commands[command] > 1 and result.get("parameters"):
        name += f" ({', '.join(f'{key}={value}' for key, value in result['parameters'].items())})"
    if result.get("times") is None:
        raise BenchError(f"{name} has a mean, but no individual times: export it with hyperfine's --export-json.")
    times = finite_seconds(name, result["times"])
    failed = sum(code != 0 for code in result.get("exit_codes") or [])
    if failed:
        raise BenchError(f"{failed} of {len(times)} runs of {name} failed: measure one that succeeds.")
    sizes = result.get(SIZES)
    if sizes is None:
        return Benchmark(name, [[seconds] for seconds in times], {})
    keys = {key: int(text) if text.isdecimal() else text for key, text in result["parameters"].items()}
    return Benchmark(command, split_by_process(name, times, sizes), case_keys(keys))
