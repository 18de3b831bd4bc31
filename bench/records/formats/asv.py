"""The results folder of airspeed velocity (asv), its result format 2: docs/source/dev.rst in asv's repository.

A benchmark for each measurement of a harness; its only parameter is the case.  asv has one list of samples for a case.
It requires the date of the commit, which a record does not have: the day of the run stands in for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from bench.errors import BenchError
from bench.records.formats.foreign import Benchmark, Foreign, finite_seconds, mapping, parse_each
from bench.records.formats.series import ExportSeries, Run
from bench.records.json_file import read_json
from bench.records.moments import moment

RESULT_FORMAT, MACHINE_FORMAT, BENCHMARKS_FORMAT = 2, 1, 2
ENVIRONMENT = "existing"  # asv's name for a Python environment that it did not create
BENCHMARKS = "benchmarks.json"
COLUMNS = ("result", "params", "version", "started_at", "duration", "samples")


def render(run: Run) -> dict[str, bytes]:
    machine = _machine(run)
    by_benchmark: dict[str, list[ExportSeries]] = {}
    for series in run.series:
        by_benchmark.setdefault(f"{series.harness}.time_{series.measurement}", []).append(series)
    benchmarks = {name: _benchmark(name, found) for name, found in by_benchmark.items()}
    commit = run.header.commit.id or hashlib.sha1(run.header.run_id.encode()).hexdigest()
    python = run.header.machine.get("python") or ""
    started = moment(run.header.started_at)
    started_at_ms = None if started is None else round(started.timestamp() * 1000)
    results = {
        "version": RESULT_FORMAT,
        "commit_hash": commit,
        "env_name": ENVIRONMENT,
        "date": started_at_ms,
        "params": {**machine, "python": python},
        "python": python,
        "requirements": {name: version for name, version in run.header.packages.items() if version},
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": {name: _row(benchmarks[name], found, started_at_ms) for name, found in by_benchmark.items()},
        "durations": {},
    }
    folder = machine["machine"]
    return {
        f"{folder}/machine.json": _json({**machine, "version": MACHINE_FORMAT}),
        f"{folder}/{commit[:8]}-{ENVIRONMENT}.json": _json(results),
        BENCHMARKS: _json({**benchmarks, "version": BENCHMARKS_FORMAT}),
    }


def beside(content: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    """Add what ``folder`` holds already to ours, as asv does: one list describes the benchmarks of all runs in it, and
    of two runs of a commit the later one replaces what it measured and nothing else.

    Raises BenchError if a file there cannot be read or has another format.
    """
    return {name: _merged(data, path) if (path := folder / name).exists() else data for name, data in content.items()}


def _merged(data: bytes, path: Path) -> bytes:
    ours = json.loads(data)
    try:
        known = read_json(path)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} would be replaced and cannot be read ({error}): name another folder.") from error
    form = {name: ours[name] for name in ("version", "result_columns") if name in ours}
    if not isinstance(known, dict) or any(known.get(name, one) != one for name, one in form.items()):
        raise BenchError(f"{path} is not a file of asv's format {ours['version']}: name another folder.")
    if "results" in ours:
        ours["results"] = mapping(known.get("results")) | ours["results"]
    return _json(known | ours)


def _machine(run: Run) -> dict[str, str]:
    """Return asv's facts about a machine as text; GPUs are an additional entry, unknown to asv."""
    machine = run.header.machine
    cpu, cores, memory_bytes = machine.get("cpu_model"), machine.get("usable_cores"), machine.get("memory_bytes")
    name = f"{cpu or 'unknown'}-{cores or 'unknown'}-cores".lower()
    return {
        "machine": re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:80],  # a folder's name in any file system
        "os": machine.get("os") or "",
        "arch": machine.get("architecture") or "",
        "cpu": cpu or "",
        "num_cpu": "" if cores is None else str(cores),
        "ram": "" if memory_bytes is None else str(memory_bytes),
        "gpu": ", ".join(gpu.get("name") or "" for gpu in run.header.gpus),
    }


def _benchmark(name: str, found: Iterable[ExportSeries]) -> dict[str, Any]:
    """Return a benchmark as asv's discovery describes it; ``version`` changes with the measurement's meaning."""
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


def _row(benchmark: dict[str, Any], found: list[ExportSeries], started_at_ms: int | None) -> list[Any]:
    """Return the values of COLUMNS; asv reads the lists in the order of the parameter."""
    samples = [series.seconds for series in found]
    results = [median(seconds) for seconds in samples]
    return [results, benchmark["params"], benchmark["version"], started_at_ms, None, samples]


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False).encode()


def parse(document: dict[str, Any]) -> Foreign:
    """Return each timing benchmark with each combination of its parameters; asv keeps one list of samples each.

    A results file has no units: by asv's naming rule, ``time`` and ``timeraw`` benchmarks are in seconds.
    """
    facts = mapping(document.get("params"))
    machine = {
        "cpu_model": facts.get("cpu"),
        "usable_cores": facts.get("num_cpu"),
        "python": facts.get("python"),
        "os": facts.get("os"),
    }
    columns = document["result_columns"]
    parsed = parse_each(document["results"].items(), lambda entry: _parse_row(*entry, columns))
    return Foreign("asv", _iso(document.get("date")), machine, *parsed)


def _parse_row(name: str, row: list[Any], columns: list[str]) -> list[Benchmark]:
    if not re.match(r"time(raw)?(_|$)", name.rpartition(".")[2]):
        raise BenchError(f"{name} does not measure time and was left out.")
    values = dict(zip(columns, row, strict=False))  # asv leaves empty columns at the end out
    samples = values.get("samples")
    if samples is None:
        raise BenchError(f"{name} has results but no samples: measure it again with asv run --record-samples.")
    cases = list(product(*(values.get("params") or [])))
    if not isinstance(samples, list) or len(samples) != len(cases):
        raise BenchError(f"{name} has {len(cases)} combinations of parameters, but other samples: measure it again.")
    found = []
    for case, seconds in zip(cases, samples, strict=True):
        if seconds is not None:  # asv skipped it, or it failed
            full = f"{name}({', '.join(map(str, case))})" if case else name
            found.append(Benchmark(full, [finite_seconds(full, seconds)], {}))
    if not found:
        raise BenchError(f"{name} failed, or was skipped: it has no samples.")
    return found


def _iso(milliseconds: Any) -> str | None:
    """Convert asv's date, in milliseconds since 1970, to the ISO 8601 text of the records; None if invalid."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return None
