"""Durations of a run's processes, read from its replicates without frames, for thousands of runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bench.records.columns import SCALING
from bench.records.frames import CASE_COLUMNS, clean_samples, left_out_sentence
from bench.records.schema import are_durations, is_duration
from bench.records.stack_key import WITHOUT_STACKS, StackKey, stack_from_keys
from bench.report.compare.comparable import StackMeasurement
from bench.report.compare.naming import REFERENCE, metric_of, reference_measurement

TimedSamples = dict[StackMeasurement, dict[int, list[float]]]


class Timed(NamedTuple):
    """Durations of a run; ``stacks`` in order of first measurement, ``left_out`` sentences on invalid samples."""

    samples: TimedSamples
    stacks: list[StackKey]
    left_out: list[str]


def timed(replicates: Iterable[dict[str, Any]]) -> Timed:
    """Return the durations in ``replicates``, by the rules of ``bench.records.frames.drop_invalid``."""
    durations: TimedSamples = {}
    reference_runs: TimedSamples = {}
    stacks: dict[StackKey, None] = {}
    left_out: list[str] = []
    for replicate in replicates:
        for keys, measurement, seconds in _trusted(replicate, left_out):
            stack = stack_from_keys(keys)
            if stack is not None and keys["harness"] not in (*WITHOUT_STACKS, *SCALING):
                stacks[stack] = None
            if keys["harness"] == REFERENCE:
                _add_reference_run(reference_runs, stack, keys, measurement)
            elif (metric := metric_of(keys)) is not None:
                _add(durations, metric, keys, seconds)
    return Timed({**durations, **reference_runs}, list(stacks), left_out)


def _trusted(
    replicate: dict[str, Any], left_out: list[str]
) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[float]]]:
    """Yield (keys, measurement, seconds) of measurements with valid samples only; extend ``left_out`` by the others."""
    whole = {name: replicate["case"].get(name) for name in CASE_COLUMNS}
    process = {"process": replicate["sequence"], "round": replicate.get("round")}
    measured = []
    for measurement in replicate["measurements"]:
        own = {name: value for name, value in measurement["params"].items() if name in CASE_COLUMNS}
        seconds = clean_samples(measurement)
        if seconds:
            measured.append(({**process, **whole, **own, "measurement": measurement["name"]}, measurement, seconds))
    bad = {_kind(keys) for keys, _, seconds in measured if not are_durations(seconds)}
    counts: dict[str, int] = {}
    for keys, measurement, seconds in measured:
        if _kind(keys) in bad:
            counts[measurement["name"]] = counts.get(measurement["name"], 0) + len(seconds)
        else:
            yield keys, measurement, seconds
    left_out += [left_out_sentence(process["process"], count, name) for name, count in counts.items()]


def _kind(keys: dict[str, Any]) -> tuple[str, int | None]:
    return keys["measurement"], keys["batch_size"]


def _add(samples: TimedSamples, metric: StackMeasurement, keys: dict[str, Any], seconds: list[float]) -> None:
    """Add under the round; a process that shares no round with other metrics has a negative number."""
    processes = samples.setdefault(metric, {})
    number = keys["round"]
    if number is None or number in processes:
        number = -keys["process"]
    processes.setdefault(number, []).extend(seconds)


def _add_reference_run(samples: TimedSamples, stack: StackKey | None, keys: dict[str, Any], measurement: Any) -> None:
    """Add the reference clock and its phases under the seed; a phase that took no time is not compared."""
    phases = measurement["extra"].get("phases")
    if stack is None or not phases:
        return
    number = keys["process"] if keys["seed"] is None else keys["seed"]
    clock = {None: measurement["seconds"][0], **{phase: one for phase, one in phases.items() if is_duration(one)}}
    for phase, seconds in clock.items():
        metric = StackMeasurement(stack.name, reference_measurement(phase, keys["cache"]))
        samples.setdefault(metric, {})[number] = [seconds]
