"""A run folder -> what is compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bench.ceilings import Ceilings, ceilings_of
from bench.compare.comparable import Comparable, Metric
from bench.compare.naming import REFERENCE, metric_of, reference_measurement
from bench.convergence import Learning
from bench.frames import Frames, frames_of, trustworthy
from bench.record import RunFolder
from bench.report.comparability import has_canonical_recipe
from bench.report.learning import learning_verdicts
from bench.report.load import load_notices
from bench.report.processes import loaded_libraries, measured_packages
from bench.report.tables import of_whole_stacks
from bench.stack_key import CANONICAL_PRECISION, StackKey, by_stack, groups
from mlp.recipe import CANONICAL

Samples = dict[Metric, dict[int, list[float]]]


def comparable_run(path: Path, name: str) -> Comparable:
    """The run in ``path``, called ``name``; raises RecordError if it cannot be read."""
    folder = RunFolder.open(path)
    frames, left_out = trustworthy(frames_of([folder]))
    header = folder.header
    stacks = _stacks(frames)
    return Comparable(
        name=name,
        tool="mlp-bench",
        samples={**_timed(frames), **_reference_runs(frames)},
        facts=_facts(header, stacks),
        started_at=header.get("started_at"),
        mode=header["mode"],
        dataset=header.get("dataset") or {},
        recipe=header.get("recipe") or {},
        passed=passed_variables(header),
        precisions=precisions(stacks),
        ceilings=_ceilings(frames),
        devices={stack.name: stack.device for stack in stacks},
        canonical_stacks=_canonical_stacks(header, frames),
        learns_worse=_learns_worse(header, frames),
        energy_joules=_energy_joules(frames),
        notes=_notes(folder, frames, left_out),
    )


def _stacks(frames: Frames) -> list[StackKey]:
    timed = of_whole_stacks(frames.samples)
    return list(dict.fromkeys(stack for frame in (timed, frames.results) for stack, _ in by_stack(frame)))


def _ceilings(frames: Frames) -> dict[str, Ceilings]:
    found = {device: ceilings_of(frames, device) for device in frames.samples["device"].dropna().unique()}
    return {device: ceilings for device, ceilings in found.items() if ceilings is not None}


def _timed(frames: Frames) -> Samples:
    """What the harnesses timed, the reference runs aside: those have a clock of their own."""
    found: Samples = {}
    columns = [*StackKey._fields, "without", "harness", "cache", "batch_size", "measurement", "replicate", "process"]
    for keys, samples in groups(frames.samples[frames.samples["harness"] != REFERENCE], columns):
        metric = metric_of(keys)
        if metric is not None:
            processes = found.setdefault(metric, {})
            number = keys["replicate"]
            if number is None or number in processes:
                number = -keys["process"]  # a process that shares no round with other metrics
            processes[number] = list(samples["seconds"])
    return found


def _reference_runs(frames: Frames) -> Samples:
    """The reference clock and its phases, seed by seed; a phase that took no time is not compared."""
    found: Samples = {}
    for stack, results in by_stack(frames.results):
        phases = frames.phases[frames.phases["process"].isin(results["process"]) & (frames.phases["seconds"] > 0)]
        for result in results.itertuples():
            number = int(result.process if pd.isna(result.seed) else result.seed)
            clock = Metric(stack.name, reference_measurement(None, result.cache))
            found.setdefault(clock, {})[number] = [result.total_seconds]
            for phase in phases[phases["process"] == result.process].itertuples():
                metric = Metric(stack.name, reference_measurement(phase.phase, result.cache))
                found.setdefault(metric, {})[number] = [phase.seconds]
    return found


def _facts(header: dict[str, Any], stacks: list[StackKey]) -> dict[str, Any]:
    commit = header.get("commit") or {}
    threads = sorted({stack.threads for stack in stacks if stack.threads is not None})
    passed = passed_variables(header)
    environment = {} if passed is None else {"variables passed": [f"{name}={value}" for name, value in passed.items()]}
    machine = header.get("machine") or {}
    packages = {**(machine.get("packages") or {}), **measured_packages(header)}
    libraries = {"libraries loaded": loaded_libraries(header)} if header.get("processes") else {}
    machine = {**machine, "packages": packages} if packages else machine
    known = {**machine, "threads": threads or None, "mlp-bench commit": commit.get("id")}
    return {**known, **libraries, **environment}


def passed_variables(header: dict[str, Any]) -> dict[str, str] | None:
    """Those of --env; None in records of processes that inherited the caller's environment."""
    environment = header.get("environment")
    return None if environment is None else dict(environment.get("passed") or {})


def precisions(stacks: list[StackKey]) -> dict[str, frozenset[str]]:
    """{``backend/variant on device``: the precisions it was measured in}."""
    found: dict[str, set[str]] = {}
    for stack in stacks:
        precision = CANONICAL_PRECISION if stack.has_canonical_precision else str(stack.precision)
        found.setdefault(stack._replace(precision=None).name, set()).add(precision)
    return {name: frozenset(measured) for name, measured in found.items()}


def _canonical_stacks(header: dict[str, Any], frames: Frames) -> frozenset[str]:
    if not has_canonical_recipe(header):
        return frozenset()
    whole = frames.results["num_epochs"] == CANONICAL.num_epochs
    return frozenset(stack.name for stack, rows in by_stack(frames.results) if whole[rows.index].all())


def _learns_worse(header: dict[str, Any], frames: Frames) -> frozenset[str]:
    verdicts = learning_verdicts(header, frames).items()
    return frozenset(stack.name for stack, verdict in verdicts if verdict.learning is Learning.WORSE)


def _energy_joules(frames: Frames) -> dict[str, float]:
    medians = {stack.name: results["energy_joules"].median() for stack, results in by_stack(frames.results)}
    return {stack: float(joules) for stack, joules in medians.items() if pd.notna(joules)}


def _notes(folder: RunFolder, frames: Frames, left_out: list[str]) -> tuple[str, ...]:
    header = folder.header
    notes = []
    if header["status"] != "complete":
        notes.append(f"it is partial (status: {header['status']}); what it measured is compared")
    if header["mode"] == "quick":
        notes.append("it is a quick run, for a first look and not for a claim")
    if (header.get("commit") or {}).get("dirty"):
        notes.append("it was measured with uncommitted changes")
    if passed := passed_variables(header):
        notes.append(f"it was measured with {', '.join(f'{name}={value}' for name, value in passed.items())}")
    if len(frames.failures):
        notes.append(f"{len(frames.failures)} of its processes failed")
    notes += [notice.removesuffix(".") for notice in load_notices(header, frames)]
    return (*notes, *folder.problems, *left_out)
