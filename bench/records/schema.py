"""Types and validation of the files of replicates.

A file can be valid JSON and still be damaged.  A damaged replicate is left out and named, because a text in place of a
number would fail the reading of all runs beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, Required, TypedDict

import msgspec

from bench.records.columns import CASE_COLUMNS, COLUMNS, COUNT, LARGE_COUNT, OF_ALL_SAMPLES, OF_PROCESSES, OWN, kind_of
from bench.records.json_file import finite, read_json
from bench.records.moments import moment
from bench.records.older_schemas import current_replicate

CASE_FIELDS = (*CASE_COLUMNS, "num_epochs")
Count = COUNT.value


def row_type(name: str, columns: Iterable[str], **more: Any) -> Any:
    """Return the type of a JSON object with a field for each column; each may be null or absent."""
    return TypedDict(name, {column: kind_of(column).value | None for column in columns} | more, total=False)


CaseFields = row_type("CaseFields", CASE_FIELDS)
STACK_FIELDS = {"backend": Required[str | None], "variant": Required[str | None], "device": Required[str]}
RecordedCase = row_type("RecordedCase", CASE_FIELDS, harness=Required[str], **STACK_FIELDS)
Epoch = row_type("Epoch", OWN["epochs"])
Moment = row_type("Moment", OWN["timeline"])
ScalingRow = row_type("ScalingRow", OWN["scaling"])
Extra = row_type(
    "Extra",
    [*COLUMNS["results"], *OF_ALL_SAMPLES],
    phases=dict[str, float | None] | None,
    epochs=list[Epoch] | None,
    timeline=list[Moment] | None,
    gpu_timeline=list[Moment] | None,
    gpu_reason=str | None,
    scaling=list[ScalingRow] | None,
)


class Measurement(TypedDict):
    """Samples of one measurement in one process; ``extra`` holds its other properties."""

    name: str
    seconds: list[float | None]
    params: CaseFields
    extra: Extra


OfProcess = row_type("OfProcess", OF_PROCESSES, started_at=str | None, reason=str | None, round=Count | None)


class Replicate(OfProcess):
    """Record of one process; unknown fields are not read."""

    case: RecordedCase
    sequence: Count
    status: Literal["ok", "failed"]
    measurements: list[Measurement]
    schema_version: NotRequired[int | None]
    replicate: NotRequired[Count | None]  # ``round`` up to schema 4, see bench.records.older_schemas


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
    if started_at is not None and moment(started_at) is None:
        raise ValueError(f"its started_at is {started_at!r}, not a time")
    return replicate


_NUMBERS = ("uptime_seconds", "steal_seconds", "cpu_pressure_seconds", "memory_pressure_seconds", "core_distance_ns")
_COUNTS = ("procs_running", "swapped_pages", "quota_throttled_periods", "thermal_throttle_events", "swap_used_bytes")
_COUNTS += ("cores_sharing_smt", "core_kinds", "numa_nodes_spanned", "aslr")
_NAMES = ("frequency_governor", "frequency_driver", "transparent_hugepages", "clocksource")
FitnessFacts = TypedDict(
    "FitnessFacts",
    {name: float | None for name in _NUMBERS}
    | {name: LARGE_COUNT.value | None for name in _COUNTS}
    | {name: str | None for name in _NAMES}
    | {name: bool | None for name in ("boost", "on_battery")}
    | {name: list[int] | None for name in ("allowed_cores", "isolated_cores")}
    | {"missing": dict[str, str]},
    total=False,
)


class Fitness(TypedDict, total=False):
    start: FitnessFacts | None
    end: FitnessFacts | None


def is_duration(value: Any) -> bool:
    """Return whether ``value`` is a positive finite number of seconds."""
    return value is not None and 0 < value < math.inf


def are_durations(values: Sequence[float | None]) -> bool:
    """Return whether all ``values``, at least one, are positive finite numbers of seconds."""
    return None not in values and is_duration(min(values)) and is_duration(max(values))
