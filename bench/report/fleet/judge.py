"""Judgement of the hosts of a fleet: outliers among equal ones, phase by phase, and their ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.errors import RecordError
from bench.records.fleet import FleetFolder, HostState
from bench.report.compare.comparable import TRAIN_EPOCH, StackMeasurement
from bench.report.fleet.baseline import Baseline, learn
from bench.report.fleet.hosts import EqualHosts, MeasuredHost, equal_hosts, measured_host
from bench.stats.outliers import MachineDeviation, against, outliers
from bench.stats.ranking import Rank, rank_unpaired

CLOCK, MEMORY, DISK, COMPILER = "clock", "memory", "disk", "compiler"
# Parts of a machine, each with the measurements that depend on it most; the first that matches by its beginning counts.
PARTS = (
    ("copy", MEMORY),
    ("page_fault", MEMORY),
    ("elementwise", MEMORY),
    ("gemm", CLOCK),
    ("python_call", CLOCK),
    ("random_numbers", CLOCK),
    ("decompress", CLOCK),
    ("read", DISK),
    ("first_load", DISK),
    ("load_memory_mapped", DISK),
    ("import", DISK),
    ("compile", COMPILER),
)


@dataclass(frozen=True)
class Outlier:
    """Host that differs from healthy ones in a metric; ``part`` of the machine that explains it, None if several do."""

    host: str
    metric: StackMeasurement
    deviation: MachineDeviation

    @property
    def part(self) -> str | None:
        return next((part for start, part in PARTS if self.metric.measurement.startswith(start)), None)

    @property
    def is_slow(self) -> bool:
        return self.deviation.ratio > 1


@dataclass(frozen=True)
class Ranked:
    """Host at its place by the training epoch of a stack."""

    stack: str
    host: str
    rank: Rank | None
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class FleetJudgement:
    """Groups of equal hosts with their outliers, and the baseline that the healthy ones give.

    ``unread`` has a sentence for each run folder that cannot be read, ``alone`` the hosts without enough equals.
    """

    groups: tuple[EqualHosts, ...]
    outliers: tuple[Outlier, ...]
    alone: tuple[str, ...]
    baseline: Baseline | None
    ranking: tuple[Ranked, ...]
    unread: tuple[str, ...]


def judge(folder: FleetFolder, baseline: Baseline | None = None) -> FleetJudgement:
    """Judge the hosts of a fleet run against each other, or against ``baseline``."""
    hosts, unread = _read(folder.runs())
    groups = equal_hosts(hosts)
    judged = [outliers(one.values) if baseline is None else against(baseline.of(one), one.values) for one in groups]
    found = [
        Outlier(name, metric, deviation)
        for deviations in judged
        for metric, by_host in deviations.items()
        for name, deviation in by_host.items()
        if deviation.is_outlier
    ]
    found.sort(key=lambda one: (one.host, one.deviation.p))
    unjudged = [group for group, deviations in zip(groups, judged, strict=True) if not deviations]
    alone = [host.name for group in unjudged for host in group.hosts]
    complete = {host.name for host in folder.header.hosts if host.state is HostState.COMPLETE}
    return FleetJudgement(
        tuple(groups),
        tuple(found),
        tuple(alone),
        learn(folder.header, [_only(group, complete) for group in groups], judged),
        tuple(_ranking(hosts)),
        tuple(unread),
    )


def _only(group: EqualHosts, names: set[str]) -> EqualHosts:
    return EqualHosts(group.identity, tuple(host for host in group.hosts if host.name in names))


def _read(paths: Sequence[Path]) -> tuple[list[MeasuredHost], list[str]]:
    hosts, unread = [], []
    for path in paths:
        try:
            hosts.append(measured_host(path))
        except RecordError as error:
            unread.append(f"{path.name}: {error}")
    return hosts, unread


def _ranking(hosts: Sequence[MeasuredHost]) -> list[Ranked]:
    """Rank all hosts by the training epoch, for each stack that at least two measured."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for host in hosts:
        for metric, processes in host.processes.items():
            if metric.measurement == TRAIN_EPOCH:
                seconds.setdefault(metric.stack, {})[host.name] = processes
    return [
        Ranked(stack, host, rank, tuple(by_host[host]))
        for stack, by_host in seconds.items()
        if len(by_host) > 1
        for host, rank in sorted(rank_unpaired(by_host).items(), key=lambda one: _place(one, by_host))
    ]


def _place(entry: tuple[str, Rank | None], seconds: Mapping[str, Sequence[float]]) -> Any:
    host, rank = entry
    return (rank is None, rank.number if rank else 0, median(seconds[host]))
