"""The results folder of airspeed velocity (asv), its result format 2: docs/source/dev.rst in asv's repository.

A benchmark for each measurement of a harness; its one parameter is the case.  asv takes all samples of a case for one
list.  It wants the date of the commit, which a record does not have: the day of the run stands in for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from statistics import median
from typing import Any

from bench.export.series import Run, Series

RESULT_FORMAT, MACHINE_FORMAT, BENCHMARKS_FORMAT = 2, 1, 2
ENVIRONMENT = "existing"  # asv's word for a Python that it did not make itself
COLUMNS = ("result", "params", "version", "started_at", "duration", "samples")


def render(run: Run) -> dict[str, bytes]:
    machine = _machine(run)
    by_benchmark: dict[str, list[Series]] = {}
    for series in run.series:
        by_benchmark.setdefault(f"{series.harness}.time_{series.measurement}", []).append(series)
    benchmarks = {name: _benchmark(name, found) for name, found in by_benchmark.items()}
    commit = run.commit.get("id") or hashlib.sha1(run.header["run_id"].encode()).hexdigest()
    started_at_ms = _milliseconds(run.header.get("started_at"))
    results = {
        "version": RESULT_FORMAT,
        "commit_hash": commit,
        "env_name": ENVIRONMENT,
        "date": started_at_ms,
        "params": {**machine, "python": run.machine.get("python") or ""},
        "python": run.machine.get("python") or "",
        "requirements": {name: version for name, version in (run.machine.get("packages") or {}).items() if version},
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": {name: _row(benchmarks[name], found, started_at_ms) for name, found in by_benchmark.items()},
        "durations": {},
    }
    folder = machine["machine"]
    return {
        f"{folder}/machine.json": _json({**machine, "version": MACHINE_FORMAT}),
        f"{folder}/{commit[:8]}-{ENVIRONMENT}.json": _json(results),
        "benchmarks.json": _json({**benchmarks, "version": BENCHMARKS_FORMAT}),
    }


def _machine(run: Run) -> dict[str, str]:
    """asv's facts about a machine, all text; GPUs have a place of their own, because asv knows none."""
    machine = run.machine
    cpu, cores, memory_bytes = machine.get("cpu_model"), machine.get("usable_cores"), machine.get("memory_bytes")
    return {
        "machine": _file_name(f"{cpu or 'unknown'}-{cores or 'unknown'}-cores"),
        "os": machine.get("os") or "",
        "arch": machine.get("architecture") or "",
        "cpu": cpu or "",
        "num_cpu": "" if cores is None else str(cores),
        "ram": "" if memory_bytes is None else str(memory_bytes),
        "gpu": ", ".join(gpu.get("name") or "" for gpu in machine.get("gpus") or []),
    }


def _file_name(text: str) -> str:
    """Letters, digits and dashes, short enough for any file system."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "unknown"


def _benchmark(name: str, found: Iterable[Series]) -> dict[str, Any]:
    """As asv's own discovery describes it; ``version`` changes when the measurement's meaning does."""
    return {
        "name": name,
        "pretty_name": name,
        "code": "",
        "type": "time",
        "unit": "seconds",
        "param_names": ["case"],
        "params": [[repr(series.label) for series in found]],
        "timeout": 0.0,
        "version": hashlib.sha256(name.encode()).hexdigest(),
    }


def _row(benchmark: dict[str, Any], found: list[Series], started_at_ms: int | None) -> list[Any]:
    """Values under COLUMNS; asv reads the lists in the order of the parameter."""
    samples = [series.seconds for series in found]
    results = [median(seconds) for seconds in samples]
    return [results, benchmark["params"], benchmark["version"], started_at_ms, None, samples]


def _milliseconds(started_at: str | None) -> int | None:
    return None if started_at is None else round(datetime.fromisoformat(started_at).timestamp() * 1000)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False).encode()
