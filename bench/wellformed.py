"""Validation of record files.

A file can be valid JSON and still be damaged.  A damaged header stops the reading of its run; a damaged replicate is
left out and named, because a text in place of a number would fail the reading of all runs beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator
from typing import Any

from bench.moments import moment

TABLES = ("epochs", "timeline", "gpu_timeline")  # of a measurement's ``extra``: lists of rows

Fits = Callable[[str, Any], bool]


def check_header(header: dict[str, Any]) -> None:
    """Validate the header; raise KeyError or ValueError if a field is missing or has the wrong type."""
    for name in ("run_id", "status", "mode"):
        _require(isinstance(header[name], str), name, header[name])
    for name in ("machine", "dataset", "commit", "recipe", "chosen", "options", "environment", "dropout_masks"):
        _require(isinstance(header.get(name) or {}, dict), name, header.get(name))
    for option, values in (header.get("options") or {}).items():
        _require(isinstance(values, list), f"option {option}", values)
    for name in ("started_at", "finished_at"):
        _require(header.get(name) is None or is_time(header[name]), name, header.get(name))
    for name, fact in (("dataset", "identity"), ("commit", "id")):
        value = (header.get(name) or {}).get(fact)
        _require(value is None or isinstance(value, str), f"{name}'s {fact}", value)
    for name, kind in (("passed", dict), ("dropped", list)):
        value = (header.get("environment") or {}).get(name)
        _require(value is None or isinstance(value, kind), f"environment's {name}", value)
    processes = header.get("processes") or []
    _require(isinstance(processes, list) and all(_is_process(one) for one in processes), "processes", processes)
    for name, plan in (("plan", header["plan"]), ("candidates", header.get("candidates") or [])):
        _require(isinstance(plan, list) and all(_is_planned(entry) for entry in plan), name, plan)
    for name, value in (header.get("recipe") or {}).items():
        values = value if isinstance(value, list) else [value]
        _require(all(one is None or is_number(one) for one in values), f"recipe's {name}", value)
    widths = (header.get("recipe") or {}).get("layer_widths", [])
    _require(isinstance(widths, list), "recipe's layer_widths", widths)
    skipped = header.get("skipped") or []
    _require(isinstance(skipped, list) and all(_is_skipped(entry) for entry in skipped), "skipped", skipped)
    machine = header.get("machine") or {}
    cores = machine.get("usable_cores")
    _require(cores is None or (isinstance(cores, int) and is_number(cores)), "machine's usable_cores", cores)
    for name, kind in (("cpu_model", str), ("packages", dict), ("gpus", list)):
        value = machine.get(name)
        _require(value is None or isinstance(value, kind), f"machine's {name}", value)


def _require(holds: bool, name: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"its {name} is {repr(value)[:60]}")


def _is_process(facts: Any) -> bool:
    if not isinstance(facts, dict) or not isinstance(facts.get("packages"), dict):
        return False
    libraries = facts.get("libraries")
    return isinstance(libraries, list) and all(isinstance(one, dict) for one in libraries)


def _is_skipped(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in ("what", "reason", "remedy"))


def _is_planned(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("case"), dict) and isinstance(entry.get("replicates"), int)


def is_time(value: Any) -> bool:
    """Return whether ``value`` is a date and time in ISO 8601."""
    return moment(value) is not None


def is_number(value: Any) -> bool:
    """Return whether ``value`` is a number that fits into 64 bits; JSON integers may have any number of digits."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)


def is_duration(value: Any) -> bool:
    """Return whether ``value`` is a positive finite number of seconds."""
    return value is not None and 0 < value < math.inf


def check_replicate(replicate: Any) -> None:
    """Validate a replicate; raise ValueError if a field is missing or has the wrong type."""
    if not isinstance(replicate, dict) or not isinstance(replicate.get("case"), dict):
        raise ValueError("it has no case")
    if not isinstance(replicate.get("sequence"), int) or replicate.get("status") not in ("ok", "failed"):
        raise ValueError("its sequence or status is missing")
    measurements = replicate.get("measurements")
    if not isinstance(measurements, list):
        raise ValueError("it has no measurements")
    for measurement in measurements:
        if not isinstance(measurement, dict) or not isinstance(measurement.get("name"), str):
            raise ValueError("a measurement has no name")
        seconds = measurement.get("seconds")
        if not isinstance(seconds, list) or not (set(map(type, seconds)) <= {float} or all(map(_is_sample, seconds))):
            raise ValueError(f"the seconds of {measurement['name']} are not a list of numbers")
        if not all(isinstance(measurement.get(name), dict) for name in ("params", "extra")):
            raise ValueError(f"the parameters of {measurement['name']} are missing")


def _is_sample(value: Any) -> bool:
    """Return whether ``value`` is a number or null; NaN passes, as invalid durations are dropped later."""
    return value is None or isinstance(value, float) or is_number(value)


def misfit(replicate: dict[str, Any], fits: Fits, always: Container[tuple[str, type]] = ()) -> str | None:
    """Return the reason why ``replicate`` cannot be read; None if it can.

    ``fits`` tests a value of a column; ``always`` has the (column, type) pairs that need no test.
    """
    for column, value in _values(replicate, always):
        if not fits(column, value):
            shown = repr(value)
            return f"its {column} is {shown if len(shown) <= 60 else shown[:60] + '…'}"
    return None


def _values(replicate: dict[str, Any], always: Container[tuple[str, type]]) -> Iterator[tuple[str, Any]]:
    """Yield (column, value) of everything that becomes a cell, in no order, except pairs in ``always``."""
    yield "process", replicate["sequence"]
    for name in ("replicate", "started_at", "wall_seconds", "other_cpu_percent"):
        yield name, replicate.get(name)
    yield from replicate["case"].items()
    for measurement in replicate["measurements"]:
        yield from measurement["params"].items()
        for name, value in measurement["extra"].items():
            if name == "phases":
                yield from _phases(value)
            elif name in TABLES:
                yield from _cells(name, value, always)
            else:
                yield name, value


def _phases(phases: Any) -> Iterator[tuple[str, Any]]:
    if phases is not None and not isinstance(phases, dict):
        yield "phase", phases
        return
    for seconds in (phases or {}).values():
        yield "seconds", seconds


def _cells(table: str, rows: Any, always: Container[tuple[str, type]]) -> Iterator[tuple[str, Any]]:
    if rows is None:
        return
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        yield "measurement", {table: rows}
        return
    for row in rows:
        for column, value in row.items():
            if (column, type(value)) not in always:
                yield column, value
