"""A run as a list of benchmarks, each with raw samples by process: the common input of the exporters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from bench.advice import make_command
from bench.errors import BenchError
from bench.records.frames import Frames, drop_invalid, frames_of
from bench.records.header import RunHeader
from bench.records.run_folder import RunFolder
from bench.records.stack_key import CANONICAL_PRECISION, groups
from bench.stats import estimates

# Columns that identify a benchmark; seeds of the same case are processes of one benchmark, as in the report.
SERIES_COLUMNS = ["harness", "measurement", "backend", "variant", "device", "precision", "threads", "batch_size"]
SERIES_COLUMNS += ["cache", "without", "dataset", "num_epochs", "copies", "devices"]
UNMARKED = {"precision": CANONICAL_PRECISION, "dataset": "mnist"}  # default values, omitted from names


@dataclass(frozen=True)
class ProcessSamples:
    """Samples of one process; ``seconds`` in the order in which they were taken."""

    number: int
    round: int | None
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class ExportSeries:
    """Benchmark; ``keys`` are the known values of ``SERIES_COLUMNS``."""

    keys: dict[str, Any]
    processes: tuple[ProcessSamples, ...]

    @property
    def harness(self) -> str:
        return self.keys["harness"]

    @property
    def measurement(self) -> str:
        return self.keys["measurement"]

    @property
    def params(self) -> dict[str, Any]:
        """All keys except harness and measurement."""
        return {name: value for name, value in self.keys.items() if name not in ("harness", "measurement")}

    @property
    def label(self) -> str:
        """Name of the case, the same in every run, e.g. ``theano/tuned,device=cpu,threads=2,batch_size=500``."""
        marked = {name: value for name, value in self.params.items() if UNMARKED.get(name) != value}
        stack = "/".join(marked.pop(name) for name in ("backend", "variant") if name in marked)
        return ",".join(filter(None, [stack, *(f"{name}={value}" for name, value in marked.items())]))

    @property
    def name(self) -> str:
        """Name that is unique in its run, e.g. ``epoch/train_epoch[theano/tuned,device=cpu,threads=2]``."""
        return f"{self.harness}/{self.measurement}[{self.label}]"

    @property
    def seconds(self) -> list[float]:
        """All samples, grouped by process."""
        return list(chain.from_iterable(process.seconds for process in self.processes))

    def estimate(self) -> estimates.Estimate:
        return estimates.estimate([process.seconds for process in self.processes])


@dataclass(frozen=True)
class Run:
    """Input of every format.

    Attributes
    ----------
    header : RunHeader
    replicates : list of dict
        The readable files of ``replicates/``.
    frames : Frames
        All recorded values, also invalid ones.
    series : list of ExportSeries
        Benchmarks without measurements that have an invalid sample.
    left_out : list of str
        A sentence for each measurement left out and each unreadable file.
    """

    header: RunHeader
    replicates: list[dict[str, Any]]
    frames: Frames
    series: list[ExportSeries]
    left_out: list[str]


def open_run(path: Path) -> Run:
    """Open the run in ``path``.

    Raises
    ------
    RecordError
        If it cannot be read.
    BenchError
        If nothing in it can be exported.
    """
    folder = RunFolder.open(path)
    frames = frames_of([folder])
    trusted, left_out = drop_invalid(frames)
    series = series_of(trusted)
    if not series:
        why = f" ({folder.problems[0]})" if folder.problems else ""
        none = f"run {folder.path.name} holds no samples to export{why}"
        raise BenchError(f"{none}: measure with {make_command('bench')}.")
    return Run(folder.header, folder.replicates(), frames, series, folder.problems + left_out)


def series_of(frames: Frames) -> list[ExportSeries]:
    """Return a series for each measurement of each case, in the order of first measurement."""
    epochs = frames.results[["run_id", "process", "num_epochs"]]
    samples = frames.samples.merge(epochs, on=["run_id", "process"], how="left", sort=False)
    columns = [*SERIES_COLUMNS, "process", "round"]
    processes_of: dict[tuple[Any, ...], list[ProcessSamples]] = {}
    for keys, rows in groups(samples[[*columns, "seconds"]], columns):
        process, round_ = keys.pop("process"), keys.pop("round")
        of_series = processes_of.setdefault(tuple(keys.values()), [])
        of_series.append(ProcessSamples(process, round_, tuple(rows["seconds"].tolist())))
    return [ExportSeries(_known(values), tuple(processes)) for values, processes in processes_of.items()]


def _known(values: tuple[Any, ...]) -> dict[str, Any]:
    return {name: value for name, value in zip(SERIES_COLUMNS, values, strict=True) if value is not None}
