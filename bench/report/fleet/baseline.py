"""Healthy baseline: how long equal, healthy hosts take, learnt from a fleet and kept as a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import BenchError
from bench.records.comparability import contradictions
from bench.records.fleet import FleetHeader
from bench.records.json_file import decode, read_json
from bench.report.compare.comparable import StackMeasurement
from bench.report.fleet.hosts import EqualHosts
from bench.stats.outliers import LEAST_MACHINES, Healthy, MachineDeviation, healthy_of

BASELINE_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class MetricBaseline:
    """Distribution of one metric over healthy hosts; ``seconds`` is its geometric mean."""

    stack: str
    measurement: str
    seconds: float
    deviation: float
    num_machines: int

    @property
    def healthy(self) -> Healthy:
        return Healthy(math.log(self.seconds), self.deviation, self.num_machines)


@dataclass(frozen=True)
class MachineBaseline:
    """Metrics of the healthy hosts of one kind of machine."""

    machine: dict[str, Any]
    metrics: tuple[MetricBaseline, ...]

    @property
    def healthy(self) -> dict[StackMeasurement, Healthy]:
        return {StackMeasurement(one.stack, one.measurement): one.healthy for one in self.metrics}


@dataclass(frozen=True)
class Baseline:
    """Baseline of a fleet, valid for its code, data and options."""

    fleet_id: str
    code: str
    options: tuple[str, ...]
    dataset: dict[str, Any]
    machines: tuple[MachineBaseline, ...]
    baseline_schema_version: int = BASELINE_SCHEMA_VERSION

    def of(self, group: EqualHosts) -> dict[StackMeasurement, Healthy]:
        """Return the distributions for a group's machine; empty if the baseline has no such machine."""
        same = (one for one in self.machines if not contradictions(one.machine, group.identity))
        found = next(same, None)
        return {} if found is None else found.healthy

    def check_same(self, header: FleetHeader) -> None:
        """Raise BenchError if it was learnt with other code, data or options."""
        other = [name for name in ("code", "options", "dataset") if getattr(self, name) != getattr(header, name)]
        if other:
            raise BenchError(
                f"the baseline of fleet {self.fleet_id} was learnt with other {' and '.join(other)}: learn another, "
                "or measure as it did."
            )

    def to_json(self) -> dict[str, Any]:
        return msgspec.to_builtins(self)


def read_baseline(path: Path | None) -> Baseline | None:
    """Read a baseline file; raise BenchError if it cannot be read or is damaged."""
    if path is None:
        return None
    try:
        return decode(read_json(path), Baseline)
    except OSError as error:
        raise BenchError(f"the baseline {path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path} is not a baseline of a fleet ({error}): name a healthy.json.") from error


def learn(
    header: FleetHeader,
    groups: Sequence[EqualHosts],
    judged: Sequence[Mapping[StackMeasurement, Mapping[str, MachineDeviation]]],
) -> Baseline | None:
    """Return the baseline of the hosts that are not outliers; None if no group has enough of them."""
    machines = []
    for group, deviations in zip(groups, judged, strict=True):
        metrics = []
        for metric, values in group.values.items():
            found = deviations.get(metric, {})
            healthy = {name: one for name, one in values.items() if name not in found or not found[name].is_outlier}
            if len(healthy) >= LEAST_MACHINES - 1:
                known = healthy_of(healthy)
                metrics.append(MetricBaseline(*metric, math.exp(known.mean), known.deviation, known.num_machines))
        if metrics:
            machines.append(MachineBaseline(dict(group.identity), tuple(metrics)))
    if not machines:
        return None
    return Baseline(header.fleet_id, header.code, header.options, header.dataset, tuple(machines))
