"""Validation of record files.

A file can be valid JSON and still be damaged.  A damaged header stops the reading of its run; a damaged replicate is
left out and named, because a text in place of a number would fail the reading of all runs beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, Required, TypedDict

import msgspec

from bench.records.columns import CASE_COLUMNS, COLUMNS, COUNT, OF_ALL_SAMPLES, OWN, kind_of
from bench.records.json_file import finite, read_json
from bench.records.moments import moment
from bench.records.older_schemas import current_replicate

CASE_FIELDS = (*CASE_COLUMNS, "num_epochs")
Count = COUNT.value


def _row(name: str, columns: Iterable[str], **more: Any) -> Any:
    """Return the type of a JSON object with a field for each column; each may be null or absent."""
    return TypedDict(name, {column: kind_of(column).value | None for column in columns} | more, total=False)


CaseFields = _row("CaseFields", CASE_FIELDS)
STACK_FIELDS = {"backend": Required[str | None], "variant": Required[str | None], "device": Required[str]}
RecordedCase = _row("RecordedCase", CASE_FIELDS, harness=Required[str], **STACK_FIELDS)
Epoch = _row("Epoch", OWN["epochs"])
Moment = _row("Moment", OWN["timeline"])
Extra = _row(
    "Extra",
    [*COLUMNS["results"], *OF_ALL_SAMPLES],
    phases=dict[str, float | None] | None,
    epochs=list[Epoch] | None,
    timeline=list[Moment] | None,
    gpu_timeline=list[Moment] | None,
)


class Measurement(TypedDict):
    """Samples of one measurement in one process; ``extra`` holds its other properties."""

    name: str
    seconds: list[float | None]
    params: CaseFields
    extra: Extra


class Replicate(TypedDict):
    """Record of one process; unknown fields are not read."""

    case: RecordedCase
    sequence: Count
    status: Literal["ok", "failed"]
    measurements: list[Measurement]
    schema_version: NotRequired[int | None]
    round: NotRequired[Count | None]
    replicate: NotRequired[Count | None]  # ``round`` up to schema 4, see bench.records.older_schemas
    reason: NotRequired[str | None]
    started_at: NotRequired[str | None]
    wall_seconds: NotRequired[float | None]
    other_cpu_percent: NotRequired[float | None]
    code: NotRequired[str | None]
    steal_percent: NotRequired[float | None]
    core_distance_before_ns: NotRequired[float | None]
    core_distance_after_ns: NotRequired[float | None]


_decode = msgspec.json.Decoder(Replicate).decode


def read_replicate(path: Path) -> Replicate:
    """Return the replicate in a file; NaN, infinity and numbers out of range are None.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not JSON, or not a replicate.
    """
    try:
        replicate = _decode(path.read_bytes())
    except msgspec.DecodeError:  # Python reads more than strict JSON, and names the line of what is damaged
        replicate = msgspec.convert(finite(read_json(path)), Replicate)
    replicate = current_replicate(replicate)
    started_at = replicate.get("started_at")
    _require(started_at is None or is_time(started_at), "started_at", started_at)
    return replicate


_NUMBERS = ("uptime_seconds", "steal_seconds", "cpu_pressure_seconds", "memory_pressure_seconds", "core_distance_ns")
_COUNTS = ("procs_running", "swapped_pages", "quota_throttled_periods", "thermal_throttle_events", "swap_used_bytes")
_COUNTS += ("cores_sharing_smt", "core_kinds", "numa_nodes_spanned", "aslr")
_NAMES = ("frequency_governor", "frequency_driver", "transparent_hugepages", "clocksource")
FitnessFacts = TypedDict(
    "FitnessFacts",
    {name: float | None for name in _NUMBERS}
    | {name: int | None for name in _COUNTS}
    | {name: str | None for name in _NAMES}
    | {name: bool | None for name in ("boost", "on_battery")}
    | {name: list[int] | None for name in ("allowed_cores", "isolated_cores")}
    | {"missing": dict[str, str]},
    total=False,
)


class Fitness(TypedDict, total=False):
    start: FitnessFacts | None
    end: FitnessFacts | None


def check_header(header: dict[str, Any]) -> None:
    """Validate the header; raise KeyError or ValueError if a field is missing or has the wrong type."""
    for name in ("run_id", "status", "mode"):
        _require(isinstance(header[name], str), name, header[name])
    for name in ("machine", "dataset", "commit", "recipe", "chosen", "options", "environment", "dropout_masks"):
        _require(isinstance(header.get(name) or {}, dict), name, header.get(name))
    msgspec.convert(header.get("fitness"), Fitness | None)
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
    for name, value in machine.items():
        fits = is_number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else True
        _require(fits, f"machine's {name}", value)
    load = machine.get("load_average_1min")
    _require(load is None or is_number(load), "machine's load_average_1min", load)
    cores = machine.get("usable_cores")
    _require(cores is None or (isinstance(cores, int) and is_number(cores)), "machine's usable_cores", cores)
    for name, kind in (("cpu_model", str), ("packages", dict), ("gpus", list)):
        value = machine.get(name)
        _require(value is None or isinstance(value, kind), f"machine's {name}", value)
    for gpu in machine.get("gpus") or []:
        for name in ("other_processes_now", "utilization_percent_now") if isinstance(gpu, dict) else ():
            _require(gpu.get(name) is None or is_number(gpu[name]), f"GPU's {name}", gpu.get(name))


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


def are_durations(values: Sequence[float | None]) -> bool:
    """Return whether all ``values``, at least one, are positive finite numbers of seconds."""
    return None not in values and is_duration(min(values)) and is_duration(max(values))
