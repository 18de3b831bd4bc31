"""Hosts of a fleet run by their numbers: one value for each metric, in groups of equal machines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from bench.records.comparability import contradictions, identity, machine_name
from bench.records.frames import measured_replicates
from bench.records.run_folder import RunFolder
from bench.records.schema import are_durations
from bench.report.compare.comparable import Comparable, StackMeasurement
from bench.report.compare.runs import timed_run
from bench.roofline.ceilings import HARNESS as CEILINGS
from bench.roofline.ceilings import HOST

Values = dict[StackMeasurement, dict[str, float]]  # metric -> host -> logarithm of seconds


@dataclass(frozen=True)
class MeasuredHost:
    """Host with its durations: those of a comparison, and for each ceiling the fastest sample of each process.

    ``plan`` has the planned cases, without their threads: the default is the cores of each host.
    """

    name: str
    timed: Comparable
    ceilings: Mapping[StackMeasurement, Sequence[float]]
    plan: frozenset[tuple[tuple[str, Any], ...]]

    @cached_property
    def identity(self) -> dict[str, Any]:
        return identity(self.timed.facts)

    @cached_property
    def processes(self) -> dict[StackMeasurement, list[float]]:
        """{metric: seconds of each process}, without metrics that are a detail of another."""
        own = {one: list(self.timed.medians(one).values()) for one in self.timed.samples if not one.is_detail}
        return {**{one: list(seconds) for one, seconds in self.ceilings.items()}, **own}


@dataclass(frozen=True)
class EqualHosts:
    """Hosts whose machines have the same hardware and limits."""

    identity: Mapping[str, Any]
    hosts: tuple[MeasuredHost, ...]

    @property
    def machine(self) -> str:
        return machine_name(self.identity)

    @cached_property
    def values(self) -> Values:
        found: Values = {}
        for host in self.hosts:
            for metric, seconds in host.processes.items():
                found.setdefault(metric, {})[host.name] = math.log(median(seconds))
        return found


def measured_host(path: Path) -> MeasuredHost:
    """Return the host whose run folder is ``path``; raises RecordError if it cannot be read."""
    folder = RunFolder.open(path)
    plan = frozenset(
        tuple(sorted((name, value) for name, value in entry.case.items() if name != "threads"))
        for entry in (*folder.header.plan, *folder.header.candidates)
    )
    replicates = measured_replicates(folder.header, folder.replicates())
    return MeasuredHost(path.name, timed_run(folder, path.name), _ceilings(replicates), plan)


def _ceilings(replicates: Sequence[Mapping[str, Any]]) -> dict[StackMeasurement, list[float]]:
    found: dict[StackMeasurement, list[float]] = {}
    for replicate in replicates:
        case = replicate["case"]
        for one in replicate["measurements"] if case["harness"] == CEILINGS else []:
            if one["seconds"] and are_durations(one["seconds"]):
                stack = f"{CEILINGS} of {case['backend'] or HOST} on {case['device']}"
                found.setdefault(StackMeasurement(stack, one["name"]), []).append(min(one["seconds"]))
    return found


def equal_hosts(hosts: Sequence[MeasuredHost]) -> list[EqualHosts]:
    """Return the groups of equal hosts, in order of appearance."""
    groups: list[list[MeasuredHost]] = []
    for host in hosts:
        same = next((group for group in groups if not contradictions(group[0].identity, host.identity)), None)
        if same is None:
            groups.append([host])
        else:
            same.append(host)
    return [EqualHosts(group[0].identity, tuple(group)) for group in groups]
