"""pyperf JSON, version 1.0: a benchmark for each series, a run for each process, its samples as values in seconds.

Layout and metadata: https://pyperf.readthedocs.io/en/latest/api.html#metadata (values are text or numbers, never
empty, never null).
"""

from __future__ import annotations

from typing import Any

from bench.errors import BenchError
from bench.records.formats.foreign import Benchmark, Foreign, case_keys, finite_seconds, mapping, parse_each, text_of
from bench.records.formats.series import ExportSeries, Run
from bench.records.moments import moment

KEY = "mlp_bench_"  # prefix of our own metadata, from which the case is read back


def render(run: Run) -> dict[str, Any]:
    machine = run.header.machine
    shared = {
        "unit": "second",
        "cpu_model_name": machine.get("cpu_model"),
        "cpu_count": machine.get("usable_cores"),
        "platform": machine.get("os"),
        "python_version": machine.get("python"),
        "load_avg_1min": machine.get("load_average_1min"),
        "commit_id": run.header.commit.id,
    }
    return {
        "version": "1.0",
        "metadata": _known(shared),
        "benchmarks": [_benchmark(series, _process_facts(run)) for series in run.series],
    }


def _process_facts(run: Run) -> dict[int, dict[str, Any]]:
    """Return {process number: its start date and duration}."""
    return {
        entry["sequence"]: _known({"date": _date(entry.get("started_at")), "duration": entry.get("wall_seconds")})
        for entry in run.replicates
    }


def _date(started_at: str | None) -> str | None:
    """Convert ``2026-11-24T22:14:56+00:00`` to pyperf's format ``2026-11-24 22:14:56.000000``."""
    started = moment(started_at)
    return started.strftime("%Y-%m-%d %H:%M:%S.%f") if started else None


def _benchmark(series: ExportSeries, facts: dict[int, dict[str, Any]]) -> dict[str, Any]:
    keys = {f"{KEY}{name}": value for name, value in series.keys.items()}
    return {
        "metadata": _known({"name": series.name, "loops": 1, **keys}),
        "runs": [
            {"metadata": facts.get(process.number, {}), "values": list(process.seconds)} for process in series.processes
        ],
    }


def _known(metadata: dict[str, Any]) -> dict[str, Any]:
    """Drop unknown values and join lines: pyperf refuses null, empty text and line breaks."""
    one_line = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in metadata.items()}
    return {name: value for name, value in one_line.items() if value not in (None, "")}


def parse(document: dict[str, Any]) -> Foreign:
    """Return each benchmark's values; each of pyperf's runs is a process."""
    shared = mapping(document.get("metadata"))
    machine = {
        "cpu_model": shared.get("cpu_model_name"),
        "usable_cores": shared.get("cpu_count"),
        "python": shared.get("python_version"),
        "os": shared.get("platform"),
    }
    parsed = parse_each(document["benchmarks"], lambda benchmark: _parse_benchmark(benchmark, shared))
    return Foreign("pyperf", _first_date(document), machine, *parsed)


def _parse_benchmark(benchmark: dict[str, Any], shared: dict[str, Any]) -> Benchmark:
    """Parse one benchmark; its name and facts may be in the metadata of the file, the benchmark or a run."""
    runs = [run for run in benchmark["runs"] if run.get("values")]  # calibration and warm-up have none
    of_run = mapping(runs[0].get("metadata")) if runs else {}
    facts = {**shared, **mapping(benchmark.get("metadata")), **of_run}
    name = text_of(facts["name"], "the name of a benchmark")
    if not runs:
        raise BenchError(f"{name} has no values: measure it again.")
    if facts.get("unit", "second") != "second":
        raise BenchError(f"{name} is measured in {facts['unit']}, not in seconds: give a file of durations.")
    keys = {key.removeprefix(KEY): value for key, value in facts.items() if key.startswith(KEY)}
    return Benchmark(name, [finite_seconds(name, run["values"]) for run in runs], case_keys(keys))


def _first_date(document: dict[str, Any]) -> str | None:
    benchmarks = [one for one in document["benchmarks"] if isinstance(one, dict) and isinstance(one.get("runs"), list)]
    facts = [mapping(mapping(run).get("metadata")) for benchmark in benchmarks for run in benchmark["runs"]]
    return min((date for fact in facts if isinstance(date := fact.get("date"), str)), default=None)
