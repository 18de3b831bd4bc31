"""pytest-benchmark JSON, as ``pytest --benchmark-json`` writes it with its version 5.

The format has one list of samples per benchmark; ``extra_info`` has the number of samples of each process.
"""

from __future__ import annotations

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

VERSION = "5.3.1"  # of pytest-benchmark, whose layout this is


def render(run: Run) -> dict[str, Any]:
    return {
        "machine_info": _machine_info(run),
        "commit_info": {
            "id": run.header.commit.id,
            "time": None,
            "author_time": None,
            "dirty": run.header.commit.dirty,
            "project": "mlp-bench",
            "branch": None,
        },
        "benchmarks": [_benchmark(series) for series in run.series],
        "datetime": run.header.started_at,
        "version": VERSION,
    }


def _machine_info(run: Run) -> dict[str, Any]:
    """Return pytest-benchmark's facts about the machine; the host name is deliberately not recorded."""
    machine = run.header.machine
    implementation, _, version = (machine.get("python") or "").partition(" ")
    system, _, release = (machine.get("os") or "").partition(" ")
    return {
        "node": None,
        "processor": machine.get("cpu_model"),
        "machine": machine.get("architecture"),
        "python_compiler": machine.get("compiler"),
        "python_implementation": implementation or None,
        "python_implementation_version": version or None,
        "python_version": version or None,
        "python_build": [],
        "release": release or None,
        "system": system or None,
        "cpu": {
            "brand_raw": machine.get("cpu_model"),
            "arch_string_raw": machine.get("architecture"),
            "count": machine.get("usable_cores"),
            "l1_data_cache_size": machine.get("l1d_bytes"),
            "l2_cache_size": machine.get("l2_bytes"),
            "l3_cache_size": machine.get("l3_bytes"),
        },
    }


def _benchmark(series: ExportSeries) -> dict[str, Any]:
    from pytest_benchmark.stats import Stats  # the tool's own statistics, so that its tables agree with it

    statistics = Stats()
    for seconds in series.seconds:
        statistics.update(seconds)
    processes = [
        {"process": process.number, "round": process.round, "num_samples": len(process.seconds)}
        for process in series.processes
    ]
    return {
        "group": f"{series.harness}/{series.measurement}",
        "name": f"{series.measurement}[{series.label}]",
        "fullname": series.name,
        "params": series.params,
        "param": series.label,
        "extra_info": {"keys": series.keys, "processes": processes},
        "options": {
            "disable_gc": False,
            "timer": "perf_counter",
            "min_rounds": 1,
            "max_time": 0.0,
            "min_time": 0.0,
            "warmup": False,
        },
        "stats": {**statistics.as_dict(), "data": statistics.data, "iterations": 1},
    }


def parse(document: dict[str, Any]) -> Foreign:
    """Return each benchmark's samples; a file of another project counts as one process."""
    info = mapping(document.get("machine_info"))
    cpu = mapping(info.get("cpu"))
    machine = {
        "cpu_model": cpu.get("brand_raw"),
        "usable_cores": cpu.get("count"),
        "python": _joined(info, "python_implementation", "python_version"),
        "os": _joined(info, "system", "release"),
    }
    return Foreign(
        "pytest-benchmark", document.get("datetime"), machine, *parse_each(document["benchmarks"], _parse_benchmark)
    )


def _joined(info: dict[str, Any], *names: str) -> str | None:
    return " ".join(str(info[name]) for name in names if info.get(name)) or None


def _parse_benchmark(benchmark: dict[str, Any]) -> Benchmark:
    name, data = text_of(benchmark["fullname"], "the name of a benchmark"), benchmark["stats"].get("data")
    if data is None:
        raise BenchError(f"{name} has statistics but no samples: save it again with --benchmark-save-data.")
    extra = mapping(benchmark.get("extra_info"))
    keys = case_keys(extra.get("keys"))
    # Other projects' extra_info may have ``processes``, too.
    sizes = [process["num_samples"] for process in extra.get("processes") or []] if keys else []
    return Benchmark(name, split_by_process(name, finite_seconds(name, data), sizes), keys)
