"""Registry of the columns of all frames: type, unit, meaning, and the schema version that added each.

Lists of columns, types in files and frames, Parquet metadata and the tables of results/README.md are generated from it;
``python -m bench.records.columns`` rewrites the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

README = Path(__file__).resolve().parents[2] / "results" / "README.md"
BEGIN, END = "<!-- columns:begin -->", "<!-- columns:end -->"


class ColumnKind(NamedTuple):
    """Kind of a column: type of its values in a file, where each may be null, and dtype in a frame.

    ``dtype`` is None if pandas may choose it.
    """

    value: Any
    dtype: str | None


def _integer(bits: int) -> Any:
    return Annotated[int, Meta(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)]


NAME, REASONS, FLAG = ColumnKind(str, "category"), ColumnKind(list[str], "category"), ColumnKind(bool, "boolean")
# Half the bytes of Int64, in the columns that a million rows repeat.
COUNT, LARGE_COUNT = ColumnKind(_integer(32), "Int32"), ColumnKind(_integer(64), "Int64")
MEASURED, TEXT = ColumnKind(float, "float64"), ColumnKind(Any, None)


@dataclass(frozen=True)
class FrameColumn:
    """Column of a frame; ``unit`` is None for names and plain counts, ``since`` the first schema version with it."""

    name: str
    kind: ColumnKind
    meaning: str
    unit: str | None = None
    since: int = 1


def _category(name: str, meaning: str, since: int = 1) -> FrameColumn:
    return FrameColumn(name, NAME, meaning, since=since)


def _count(name: str, meaning: str, since: int = 1) -> FrameColumn:
    return FrameColumn(name, COUNT, meaning, since=since)


def _large_count(name: str, meaning: str) -> FrameColumn:
    """Count of examples, which is multiplied with FLOP or bytes: 32 bits would not hold the product."""
    return FrameColumn(name, LARGE_COUNT, meaning, "examples")


def _number(name: str, unit: str | None, meaning: str, since: int = 1) -> FrameColumn:
    return FrameColumn(name, MEASURED, meaning, unit, since)


# Harnesses that measure stacks at other numbers of threads than the run's, or in several processes at once.
SCALING = ("threads", "copies", "devices")
RUN_ID = _category("run_id", "the run's folder")
DATASET = _category("dataset", "`mnist`, `surrogate` or `custom`, by SHA-256")
BACKEND = _category(
    "backend",
    "the framework; empty for loading. Of `ceilings` the framework whose libraries were measured; empty for the host's",
)
VARIANT = _category("variant", "the variant of the backend")
DEVICE = _category("device", "`cpu`, `cuda` or `cuda:N`")
CASE = (
    _category(
        "harness",
        "`ceilings`, `data`, `compile`, `epoch`, `batch_size`, `reference`, `ablation`; of scaling `threads`, `copies` "
        "and `devices`",
    ),
    *(BACKEND, VARIANT, DEVICE),
    _category("precision", "of the matrix products: `float64`, `float32` (canonical), `tf32`, `bfloat16`", since=2),
    _large_count("batch_size", "examples per minibatch"),
    _count("threads", "threads of the BLAS; of each process, where several run at once"),
    _category("cache", "state of the compile cache: `cold` or `warm`"),
    DATASET,
    _count("seed", "seed of weights, minibatch order and dropout masks"),
    _category("without", "optimizations of `theano/tuned` that were left out, separated by commas", since=3),
    _count("copies", "trainings side by side; empty outside of `copies`", since=7),
    _count("devices", "devices that share one training; empty for one without communication", since=7),
)
SHARED = (
    RUN_ID,
    _count("process", "number of the process replicate, in the order of execution; the unit of statistics"),
    _count(
        "round",
        "interleaved round of the process: processes of one round ran one after another (`replicate` up to schema 4)",
        since=5,
    ),
    *CASE,
)
THROTTLED = FrameColumn("throttled", FLAG, 'see "Throttling and energy"; the same for all samples', since=2)
THROTTLE_REASONS = FrameColumn("throttle_reasons", REASONS, 'see "Throttling and energy"', since=2)
ENERGY_SOURCE = _category(
    "energy_source", "`counter`: the card's own; `power samples`: the integral of sampled power", since=2
)

FRAMES: dict[str, tuple[FrameColumn, ...]] = {
    "runs": (
        RUN_ID,
        FrameColumn("started_at", TEXT, "start of the run, ISO 8601", "UTC"),
        FrameColumn("finished_at", TEXT, "end of the run, ISO 8601", "UTC"),
        _category("status", "`complete`, `interrupted` or `running`"),
        _category("mode", "`full` or `quick`"),
        DATASET,
        FrameColumn("commit", TEXT, "commit of mlp-bench"),
        FrameColumn("cpu_model", TEXT, "the machine's CPU"),
        _count("usable_cores", "cores that the run could use"),
    ),
    "samples": (
        *SHARED,
        _category(
            "measurement",
            "the timed work, e.g. `train_epoch`. `first_step` (`first_epoch` for variants that run an epoch as one "
            "call) is the first training of a process; `first_load` the first loading, `load` a later one; a process "
            "of epochs also has `first_load`, `build`, `transfer` and `compile`, under the harnesses `data` and "
            "`compile`; of the ablation, `mean_train_step` is an epoch divided by its steps and `eight_products` the "
            "matrix products of a step alone; for the ceilings, see below",
        ),
        _count("sample_index", "number of the sample within its process (`round` up to schema 4)", since=5),
        _number("seconds", "s", "the duration"),
        _large_count("examples", "examples of one epoch; empty for other measurements"),
        _number("flop", "FLOP", "floating-point operations of one sample of a ceiling; empty elsewhere", since=4),
        _number("bytes", "B", "bytes read or written by one loading step or one sample of a ceiling; empty elsewhere"),
        *(THROTTLED, THROTTLE_REASONS),
        _number("energy_per_epoch_joules", "J", "energy of one epoch, of the whole card; empty on the CPU", since=2),
        ENERGY_SOURCE,
    ),
    "phases": (
        *SHARED,
        _category("phase", "part of the reference clock: load, build, transfer, compile, train, validate, test"),
        _number("seconds", "s", "duration of the phase"),
    ),
    "epochs": (
        *SHARED,
        _count("epoch", "number of the epoch, from 1"),
        _number("train_loss", "nat", "mean cross-entropy over whole minibatches, in training"),
        _number("validation_loss", "nat", "the same on the validation set"),
        _number("validation_accuracy", "1", "fraction of the validation set"),
        _number("train_seconds", "s", "duration of the training epoch"),
        _number("validate_seconds", "s", "duration of the validation epoch"),
    ),
    "results": (
        *SHARED,
        _number("total_seconds", "s", "the reference clock"),
        _number("rest_seconds", "s", "the part of it that is in no phase"),
        _number("import_seconds", "s", "import of the framework, outside the reference clock"),
        _count("num_epochs", "epochs trained"),
        _number("test_loss", "nat", "mean cross-entropy on the test set"),
        _number("test_accuracy", "1", "fraction of the test set"),
        _large_count("test_examples", "examples tested"),
        _number("peak_rss_bytes", "B", "largest sampled resident memory, children included"),
        _number("peak_gpu_memory_bytes", "B", "largest sampled memory in use on the whole card", since=2),
        _number("energy_joules", "J", "energy of the whole card over the whole reference run", since=2),
        _number(
            "cpu_energy_joules",
            "J",
            "energy of the processor packages over the whole reference run, all programs included; empty if its "
            "counters cannot be read",
            since=6,
        ),
        *(ENERGY_SOURCE, THROTTLED, THROTTLE_REASONS),
    ),
    "timeline": (
        *SHARED,
        _category("measurement", "the measurement during which the sample was taken"),
        _number("t_seconds", "s", "time since the start of that measurement"),
        _number("rss_bytes", "B", "resident memory, children included"),
        _number("cpu_percent", "%", "CPU use; 100 is one core"),
        _number("gpu_memory_bytes", "B", "memory in use on the whole card, for all its users", since=2),
        _number("sm_clock_mhz", "MHz", "clock of the multiprocessors", since=2),
        _number("power_watts", "W", "of the whole card; on most cards since 2020 an average over one second", since=2),
        _number("temperature_celsius", "°C", "of the GPU", since=2),
        _number(
            "gpu_utilization_percent",
            "%",
            "share of the last 1/6 s to 1 s in which any kernel ran, independent of the part of the GPU in use",
            since=2,
        ),
        FrameColumn("throttle_reasons", REASONS, "reasons that limited the GPU's clock at this moment", since=2),
    ),
    "scaling": (
        *SHARED,
        _category("measurement", "the timed work of a scaling harness"),
        _count("copy", "number of the copy or of the process of a device, from 1; empty for a single process", since=7),
        FrameColumn("cpus", TEXT, "logical cores that the process was pinned to, e.g. `0-2,8`; empty if none", since=7),
        _count("physical_cores", "physical cores among them: fewer than `cpus` if SMT siblings are used", since=7),
        _count("numa_nodes", "NUMA nodes that they belong to", since=7),
        _count("core_kinds", "kinds of cores among them, more than 1 on a hybrid processor", since=7),
        _number("clock_mhz", "MHz", "mean clock of these cores meanwhile, as the kernel shows it", since=7),
        _number("total_seconds", "s", "of a copy: its training by the reference clock, in `epochs` epochs", since=7),
        _number("start_seconds", "s", "of it: everything that happens once, before and after the epochs", since=7),
        _count("epochs", "epochs trained when the accuracy was measured", since=7),
        _number("validation_loss", "nat", "mean cross-entropy on the validation set", since=7),
        _number("validation_accuracy", "1", "fraction of the validation set", since=7),
        _number("cpu_energy_joules", "J", "energy of the processor packages meanwhile, for all copies", since=7),
        FrameColumn("emulated", FLAG, "true if the devices share the cores of one processor", since=7),
    ),
    "machine": (
        RUN_ID,
        FrameColumn("property", TEXT, "name of a fact of the fingerprint"),
        FrameColumn("value", TEXT, "its value, JSON unless it is text; the unit is in the name"),
    ),
    "processes": (
        *SHARED,
        FrameColumn("started_at", TEXT, "start of the process replicate, ISO 8601", "UTC"),
        _number("wall_seconds", "s", "duration of the process replicate, its start and end included"),
        _number("other_cpu_percent", "%", "CPU use of other processes on the usable cores; 100 is one core", since=4),
        _number("steal_percent", "%", "the part of it that a virtual machine's host took (steal)", since=6),
        _number(
            "core_distance_before_ns",
            "ns",
            "round trip of a cache line between the two usable cores farthest from each other (of many cores, in a "
            "sample of pairs), before the process; empty with one core or without a compiler",
            since=6,
        ),
        _number("core_distance_after_ns", "ns", "the same after the process", since=6),
        _category("code", "digest of the workload's source that the process executed", since=6),
    ),
    "failures": (*SHARED, FrameColumn("reason", TEXT, "the reason of the failure")),
}
OPERATIONS = (
    _category("profile_id", "the profile's folder; the frame is `bench.load_operations(path)`"),
    *(BACKEND, VARIANT, DEVICE),
    _category("function", "`train_step` or `evaluate`, which the operation is a part of"),
    FrameColumn("name", TEXT, "the framework's name of the operation"),
    _category("kind", "gemm, elementwise, rng, reduction, copy, softmax, update, host or program"),
    _number("calls", None, "calls in one call of the function"),
    _number("seconds", "s", "duration of all these calls together"),
    _number("share", "1", "fraction of the profiled call"),
    _number("flop", "FLOP", "operations of all these calls together; empty if unknown"),
    _number("bytes", "B", "bytes of all these calls together; empty if unknown"),
    _number("flop_per_second", "FLOP/s", "rate while it ran"),
    _number("bytes_per_second", "B/s", "rate while it ran"),
    _number("share_of_ceiling", "1", "its time at this machine's measured best, divided by its time"),
    FrameColumn("input_shapes", TEXT, "shapes of its inputs, separated by semicolons"),
    FrameColumn("output_shapes", TEXT, "shapes of its outputs, separated by semicolons"),
    FrameColumn("source", TEXT, "file and line that called it"),
)
ALL = {column.name: column for columns in FRAMES.values() for column in columns}


def names(columns: tuple[FrameColumn, ...]) -> list[str]:
    return [column.name for column in columns]


CASE_COLUMNS, KEYS = names(CASE), names(SHARED)
COLUMNS = {frame: names(columns) for frame, columns in FRAMES.items()}
OF_PROCESSES = [name for name in COLUMNS["processes"] if name not in KEYS]
# Columns that vary within one measurement of one process; the others are its keys.
OWN = {
    "samples": ("sample_index", "seconds"),
    "phases": ("phase", "seconds"),
    "epochs": tuple(name for name in COLUMNS["epochs"] if name not in KEYS),
    "timeline": tuple(name for name in COLUMNS["timeline"] if name not in (*KEYS, "measurement")),
    "scaling": tuple(name for name in COLUMNS["scaling"] if name not in (*KEYS, "measurement")),
}
# Properties of a measurement, repeated in each of its samples.
OF_ALL_SAMPLES = ("examples", "flop", "bytes", "throttled", "throttle_reasons")
OF_ALL_SAMPLES += ("energy_per_epoch_joules", "energy_source")


def kind_of(column: str) -> ColumnKind:
    """Return the kind of a column of any frame; ``TEXT`` if it is in none."""
    return ALL[column].kind if column in ALL else TEXT


def units(columns: tuple[FrameColumn, ...]) -> dict[str, str]:
    """Return {name: unit} of the columns that have one."""
    return {one.name: one.unit for one in columns if one.unit is not None}


def readme_tables() -> str:
    """Return the tables of results/README.md: the shared columns, then the own columns of each frame."""
    frames = {**FRAMES, "operations": OPERATIONS}
    own = {frame: [one for one in columns if one not in SHARED] for frame, columns in frames.items()}
    rows = [(frame if not number else "", one) for frame, columns in own.items() for number, one in enumerate(columns)]
    return "\n".join(
        [
            "| column | meaning | unit | type | since schema |",
            "|---|---|---|---|---|",
            *(f"| {_cells(one)} |" for one in SHARED),
            "",
            "| frame | column | meaning | unit | type | since schema |",
            "|---|---|---|---|---|---|",
            *(f"| {f'`{frame}`' if frame else ''} | {_cells(one)} |" for frame, one in rows),
        ]
    )


def _cells(column: FrameColumn) -> str:
    dtype = column.kind.dtype or "text"
    return f"`{column.name}` | {column.meaning} | {column.unit or ''} | {dtype} | {column.since}"


def with_tables(readme: str) -> str:
    """Return ``readme`` with the generated tables between its two marks."""
    head, _, rest = readme.partition(BEGIN)
    return f"{head}{BEGIN}\n{readme_tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
