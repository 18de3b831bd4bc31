"""Tidy pandas frames of run folders: one row per sample, phase or epoch; units in the column names."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from bench.advice import make_command
from bench.errors import RecordError, RecordWarning
from bench.records.blocks import RowBlocks, typed_frame
from bench.records.columns import ALL, CASE_COLUMNS, COLUMNS, FRAMES, MEASURED, OF_ALL_SAMPLES, OF_PROCESSES, OWN
from bench.records.header import RunHeader
from bench.records.run_folder import RunFolder
from bench.records.schema import CASE_FIELDS, Replicate

Read = TypeVar("Read")
NUMBERS = {name: "d" for own in OWN.values() for name in own if ALL[name].kind is MEASURED} | {"sample_index": "i"}


class Frames(NamedTuple):
    """Frames of runs; columns are documented in results/README.md.  Missing values are NA."""

    runs: pd.DataFrame
    samples: pd.DataFrame
    phases: pd.DataFrame
    epochs: pd.DataFrame
    results: pd.DataFrame  # one row for each reference run
    timeline: pd.DataFrame
    scaling: pd.DataFrame  # one row for each process of a measurement of a scaling harness
    machine: pd.DataFrame
    processes: pd.DataFrame  # one row for each process replicate
    failures: pd.DataFrame


def load_runs(path: str | Path = "results/runs") -> Frames:
    """Load the frames of one run folder, or of every run in a folder of runs.

    A damaged file is skipped with a warning (``RecordWarning``).

    Raises
    ------
    RecordError
        If no run is found, or none can be read (damaged or of a newer schema).
    """
    folders = open_runs(Path(path))
    frames = frames_of(folders)
    for folder in folders:
        for problem in folder.problems:
            warnings.warn(f"run {folder.path.name}: {problem}", RecordWarning, stacklevel=2)
    return frames


def open_runs(path: Path) -> list[RunFolder]:
    """Open the run in ``path``, or every run in the folders there; unreadable ones are skipped with a warning.

    Raises RecordError as ``load_runs`` does.
    """
    if (path / "run.json").exists():
        return [RunFolder.open(path)]
    found = sorted(file.parent for file in path.glob("*/run.json"))
    if not found:
        raise RecordError(f"{path} holds no runs: measure one with {make_command('bench')}.")
    return read_each(found, RunFolder.open, stacklevel=4)


def read_each(paths: Iterable[Path], read: Callable[[Path], Read], *, stacklevel: int) -> list[Read]:
    """Return what ``read`` makes of each path, those skipped with a warning for which it raises RecordError.

    ``stacklevel`` is that of ``warnings.warn``.  Raises the first RecordError if no path is left.
    """
    found, errors = [], []
    for path in paths:
        try:
            found.append(read(path))
        except RecordError as error:
            errors.append(error)
    if errors and not found:
        raise errors[0]
    for error in errors:
        warnings.warn(f"left out: {error}", RecordWarning, stacklevel=stacklevel)
    return found


def frames_of(folders: Iterable[RunFolder]) -> Frames:
    """Return the frames of open runs; unreadable parts are added to each folder's ``problems``."""
    rows: dict[str, Any] = {name: [] for name in COLUMNS if name not in OWN}
    rows |= {name: RowBlocks(FRAMES[name], own, NUMBERS) for name, own in OWN.items()}
    for folder in folders:
        _add_header(rows, folder.header)
        for replicate in measured_replicates(folder.header, folder.replicates()):
            _add_replicate(rows, folder.header.run_id, replicate)
    made = {
        name: rows.pop(name).frame() if name in OWN else typed_frame(rows.pop(name), columns)
        for name, columns in FRAMES.items()
    }
    return Frames(**made)


def measured_replicates(header: RunHeader, replicates: list[Replicate]) -> list[Replicate]:
    """Return the replicates of a run; failed ones that a resumed run repeated are stripped of measurements.

    Their partial measurements would count twice.
    """
    if all(one["status"] == "ok" for one in replicates):
        return replicates
    good = Counter(_key(one["case"]) for one in replicates if one["status"] == "ok")
    complete = {_key(entry.case) for entry in header.plan if good[_key(entry.case)] >= entry.replicates}
    return [
        {**one, "measurements": []} if one["status"] != "ok" and _key(one["case"]) in complete else one
        for one in replicates
    ]


def _key(case: dict[str, Any]) -> str:
    return json.dumps([case.get(name) for name in CASE_FIELDS])


def drop_invalid(frames: Frames) -> tuple[Frames, list[str]]:
    """Drop invalid values; return ``frames`` without them, and a sentence for each measurement without its durations.

    One sample that is missing, zero, negative or infinite invalidates all samples of that measurement in that process,
    because the clock cannot be trusted.
    """
    bad = frames.samples.assign(bad=~_is_duration(frames.samples["seconds"]))
    together = bad.groupby(["process", "run_id", "measurement", "batch_size"], observed=True, dropna=False)["bad"]
    tainted = together.transform("any").astype(bool)
    counts = bad[tainted].groupby(["process", "measurement"], observed=True).size()
    left_out = [left_out_sentence(process, count, measurement) for (process, measurement), count in counts.items()]
    results = frames.results[_is_duration(frames.results["total_seconds"])]
    results = results.assign(
        test_accuracy=results["test_accuracy"].where(results["test_accuracy"].between(0, 1)),
        test_examples=results["test_examples"].where(results["test_examples"] > 0),
    )
    return frames._replace(samples=frames.samples[~tainted], results=results), left_out


def left_out_sentence(process: int, count: int, measurement: str) -> str:
    return f"process {process}: all {count} samples of {measurement} were left out, because one is invalid"


def _is_duration(seconds: pd.Series) -> pd.Series:
    return np.isfinite(seconds) & (seconds > 0)


def _add_header(rows: dict[str, Any], header: RunHeader) -> None:
    rows["runs"].append(
        {
            **{name: getattr(header, name) for name in ("run_id", "started_at", "finished_at", "status", "mode")},
            "dataset": header.dataset_identity,
            "commit": header.commit.id,
            "cpu_model": header.machine.get("cpu_model"),
            "usable_cores": header.machine.get("usable_cores"),
        }
    )
    for name, value in header.machine.items():
        text = value if isinstance(value, str) or value is None else json.dumps(value)
        rows["machine"].append({"run_id": header.run_id, "property": name, "value": text})


def _add_replicate(rows: dict[str, Any], run_id: str, replicate: dict[str, Any]) -> None:
    case = {name: replicate["case"].get(name) for name in CASE_COLUMNS}
    keys = {"run_id": run_id, "process": replicate["sequence"], "round": replicate.get("round"), **case}
    rows["processes"].append({**keys, **{name: replicate.get(name) for name in OF_PROCESSES}})
    if replicate["status"] != "ok":
        rows["failures"].append({**keys, "reason": replicate.get("reason")})
    for measurement in replicate["measurements"]:
        own = {**keys, **{name: value for name, value in measurement["params"].items() if name in CASE_COLUMNS}}
        _add_samples(rows["samples"], own, measurement)
        for frame, field in (("timeline", "timeline"), ("timeline", "gpu_timeline"), ("scaling", "scaling")):
            if found := measurement["extra"].get(field):
                beside = {**own, "measurement": measurement["name"]}
                rows[frame].add(beside, **_by_column(found, OWN[frame]))
        if measurement["extra"].get("phases") and measurement["seconds"]:
            _add_reference_run(rows, own, measurement)


def _add_samples(samples: RowBlocks, keys: dict[str, Any], measurement: dict[str, Any]) -> None:
    indices, seconds = range(len(measurement["seconds"])), clean_samples(measurement)
    if len(seconds) < len(indices):
        indices = [index for index in indices if measurement["seconds"][index] != 0]
    what = {name: measurement["extra"].get(name) for name in OF_ALL_SAMPLES}
    samples.add({**keys, "measurement": sys.intern(measurement["name"]), **what}, sample_index=indices, seconds=seconds)


def clean_samples(measurement: dict[str, Any]) -> list[float | None]:
    """Return the seconds of a measurement; an unused C compiler (0 at schema 2, in a warm process) has no sample."""
    seconds = measurement["seconds"]
    return [one for one in seconds if one != 0] if measurement["name"] == "compile_c_compiler" else seconds


def _add_reference_run(rows: dict[str, Any], keys: dict[str, Any], measurement: dict[str, Any]) -> None:
    extra = measurement["extra"]
    phases, epochs = extra["phases"], extra.get("epochs") or []
    rows["phases"].add(keys, phase=list(phases), seconds=list(phases.values()))
    rows["epochs"].add(keys, **_by_column(epochs, OWN["epochs"]))
    known = {name: extra.get(name) for name in COLUMNS["results"] if name not in keys}
    total = {"total_seconds": measurement["seconds"][0], "num_epochs": len(epochs)}
    rows["results"].append({**keys, **known, **total})


def _by_column(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return a list for each column; None for missing values."""
    known = set().union(*rows)  # of the timeline of a machine without a GPU three columns of many
    return {name: [row.get(name) for row in rows] if name in known else [None] * len(rows) for name in columns}
