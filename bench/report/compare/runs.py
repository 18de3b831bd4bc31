"""Side of a comparison from a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.records.ceilings import Ceilings
from bench.records.comparability import settings_text
from bench.records.comparison_key import comparison_keys
from bench.records.core_states import core_states
from bench.records.frames import Frames, measured_replicates
from bench.records.header import RunHeader
from bench.records.run_folder import RunFolder
from bench.records.stack_key import CANONICAL_PRECISION, StackKey, by_stack
from bench.report import load
from bench.report.compare.comparable import Comparable
from bench.report.compare.timed import timed
from bench.report.core_states import states_notice
from bench.report.run.analysis import RunAnalysis
from bench.report.run.canonical import has_canonical_recipe
from bench.report.run.processes import loaded_libraries, measured_packages
from bench.report.run.tables import exclude_ablation
from bench.roofline.ceilings import ceilings_of
from mlp.recipe import CANONICAL


def comparable_run(path: Path, name: str) -> Comparable:
    """Return the run in ``path`` as the side ``name``; raises RecordError if it cannot be read."""
    folder = RunFolder.open(path)
    run = timed_run(folder, name)
    analysis = RunAnalysis(folder)
    frames, header = analysis.frames, analysis.header
    stacks = list(dict.fromkeys(stack for stack, _ in by_stack(exclude_ablation(frames.samples))))
    return replace(
        run,
        precisions=precisions(stacks),
        ceilings=_ceilings(frames),
        devices={stack.name: stack.device for stack in stacks},
        canonical_stacks=_canonical_stacks(header, frames),
        learns_worse=frozenset(stack.name for stack in analysis.worse),
        not_conforming=frozenset(stack.name for stack in stacks if stack[:3] in header.violations),
        energy_joules=_energy_joules(frames),
        thread_scalings=analysis.thread_scalings,
        copy_scalings=analysis.copy_scalings,
        device_points=analysis.device_points,
    )


def timed_run(folder: RunFolder, name: str) -> Comparable:
    """Return the durations, work and machine of a run without its frames, for a history of thousands of runs."""
    header, replicates = folder.header, measured_replicates(folder.header, folder.replicates())
    found = timed(replicates)
    return Comparable(
        name=name,
        tool="mlp-bench",
        samples=found.samples,
        facts=run_facts(header, found.stacks),
        started_at=header.started_at,
        mode=header.mode,
        dataset=header.dataset,
        recipe=header.recipe,
        passed=header.environment.passed,
        keys=comparison_keys(header, replicates),
        notes=(*_notes(header, replicates), *folder.problems, *found.left_out),
    )


def _ceilings(frames: Frames) -> dict[str, Ceilings]:
    found = {device: ceilings_of(frames, device) for device in frames.samples["device"].dropna().unique()}
    return {device: ceilings for device, ceilings in found.items() if ceilings is not None}


def run_facts(header: RunHeader, stacks: list[StackKey]) -> dict[str, Any]:
    """Return the machine and the software of a run, JSON-ready."""
    threads = sorted({stack.threads for stack in stacks if stack.threads is not None})
    passed = header.environment.passed
    environment = {} if passed is None else {"variables passed": [f"{name}={value}" for name, value in passed.items()]}
    packages = {**header.packages, **measured_packages(header)}
    libraries = {"libraries loaded": loaded_libraries(header)} if header.processes else {}
    machine = {**header.machine, "packages": packages} if packages else header.machine
    known = {**machine, "threads": threads or None, "mlp-bench commit": header.commit.id}
    return {**known, **libraries, **environment}


def precisions(stacks: list[StackKey]) -> dict[str, frozenset[str]]:
    """Return {``backend/variant on device``: the precisions it was measured in}."""
    found: dict[str, set[str]] = {}
    for stack in stacks:
        precision = CANONICAL_PRECISION if stack.has_canonical_precision else str(stack.precision)
        found.setdefault(stack._replace(precision=None).name, set()).add(precision)
    return {name: frozenset(measured) for name, measured in found.items()}


def _canonical_stacks(header: RunHeader, frames: Frames) -> frozenset[str]:
    if not has_canonical_recipe(header):
        return frozenset()
    whole = frames.results["num_epochs"] == CANONICAL.num_epochs
    return frozenset(stack.name for stack, rows in by_stack(frames.results) if whole[rows.index].all())


def _energy_joules(frames: Frames) -> dict[str, float]:
    medians = {stack.name: results["energy_joules"].median() for stack, results in by_stack(frames.results)}
    return {stack: float(joules) for stack, joules in medians.items() if pd.notna(joules)}


def _notes(header: RunHeader, replicates: list[dict[str, Any]]) -> list[str]:
    notes = []
    if header.status != "complete":
        notes.append(f"it is partial (status: {header.status}); what it measured is compared")
    if header.mode == "quick":
        notes.append("it is a quick run, for a first look and not for a claim")
    if header.commit.dirty:
        notes.append("it was measured with uncommitted changes")
    if header.environment.passed:
        notes.append(f"it was measured with {settings_text(header.environment.passed)}")
    if failed := sum(one["status"] != "ok" for one in replicates):
        notes.append(f"{failed} of its processes failed")
    processes = [(one["case"].get("threads"), one.get("other_cpu_percent")) for one in replicates]
    known = [(threads, percent) for threads, percent in processes if None not in (threads, percent)]
    distances = [(one.get("core_distance_before_ns"), one.get("core_distance_after_ns")) for one in replicates]
    notices = [*load.notices(header, known), states_notice(core_states(distances))]
    return [*notes, *(notice.removesuffix(".") for notice in notices if notice is not None)]
