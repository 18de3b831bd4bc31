"""Columns of the frames: names, types of their values in a file, and types in a frame."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from msgspec import Meta

CASE_COLUMNS = ["harness", "backend", "variant", "device", "precision", "batch_size", "threads", "cache", "dataset"]
CASE_COLUMNS += ["seed", "without"]
KEYS = ["run_id", "process", "replicate", *CASE_COLUMNS]
COLUMNS = {
    "runs": ["run_id", "started_at", "finished_at", "status", "mode", "dataset", "commit", "cpu_model", "usable_cores"],
    "samples": [
        *KEYS,
        *("measurement", "round", "seconds", "examples", "flop", "bytes", "throttled", "throttle_reasons"),
        *("energy_per_epoch_joules", "energy_source"),
    ],
    "phases": [*KEYS, "phase", "seconds"],
    "epochs": [
        *KEYS,
        *("epoch", "train_loss", "validation_loss", "validation_accuracy", "train_seconds", "validate_seconds"),
    ],
    "results": [
        *KEYS,
        *("total_seconds", "rest_seconds", "import_seconds", "num_epochs", "test_loss", "test_accuracy"),
        *("test_examples", "peak_rss_bytes", "peak_gpu_memory_bytes", "energy_joules", "energy_source"),
        *("throttled", "throttle_reasons"),
    ],
    "timeline": [
        *KEYS,
        *("measurement", "t_seconds", "rss_bytes", "cpu_percent", "gpu_memory_bytes", "sm_clock_mhz", "power_watts"),
        *("temperature_celsius", "gpu_utilization_percent", "throttle_reasons"),
    ],
    "machine": ["run_id", "property", "value"],
    "processes": [*KEYS, "started_at", "wall_seconds", "other_cpu_percent"],
    "failures": [*KEYS, "reason"],
}
# Columns that vary within one measurement of one process; the others are its keys.
OWN = {
    "samples": ("round", "seconds"),
    "phases": ("phase", "seconds"),
    "epochs": tuple(name for name in COLUMNS["epochs"] if name not in KEYS),
    "timeline": tuple(name for name in COLUMNS["timeline"] if name not in (*KEYS, "measurement")),
}
# Properties of a measurement, repeated in each of its samples.
OF_ALL_SAMPLES = ("examples", "flop", "bytes", "throttled", "throttle_reasons")
OF_ALL_SAMPLES += ("energy_per_epoch_joules", "energy_source")

NAMES = {"run_id", "harness", "backend", "variant", "device", "precision", "cache", "dataset", "measurement", "phase"}
NAMES |= {"status", "mode", "energy_source", "without"}
COUNTS = {"process", "replicate", "threads", "seed", "round", "epoch", "num_epochs"}
COUNTS |= {"usable_cores"}
# What is multiplied with FLOP or bytes, which 32 bits would not hold.
LARGE_COUNTS = {"batch_size", "examples", "test_examples"}
UNITS = ("seconds", "flop", "loss", "accuracy", "percent", "bytes", "joules", "mhz", "watts", "celsius")


class ColumnKind(NamedTuple):
    """Kind of a column: type of its values in a file, where each may be null, and dtype in a frame.

    ``dtype`` is None if pandas may choose it.
    """

    value: Any
    dtype: str | None


def _integer(bits: int) -> Any:
    return Annotated[int, Meta(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)]


NAME, REASONS, FLAG = ColumnKind(str, "category"), ColumnKind(list[str], "category"), ColumnKind(bool, "boolean")
# Half the bytes of Int64, in seven columns that a million rows repeat.
COUNT, LARGE_COUNT = ColumnKind(_integer(32), "Int32"), ColumnKind(_integer(64), "Int64")
MEASURED, OTHER = ColumnKind(float, "float64"), ColumnKind(Any, None)


def kind_of(column: str) -> ColumnKind:
    kinds = [(NAMES, NAME), (COUNTS, COUNT), (LARGE_COUNTS, LARGE_COUNT)]
    kinds += [({"throttled"}, FLAG), ({"throttle_reasons"}, REASONS)]
    named = next((kind for names, kind in kinds if column in names), None)
    return named or (MEASURED if column.endswith(UNITS) else OTHER)
