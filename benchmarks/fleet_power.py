"""``python -m benchmarks.fleet_power``: how often a fleet names a sick host, and a healthy one, in simulation.

The hosts of a fleet are equal.  Their values of each metric are normal on a logarithmic scale and independent of each
other, and one host is slower by a factor in what depends on its memory.  The metrics are those of a committed record,
and the p-values those of ``bench.stats.outliers``.  The same fleets are judged for each factor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.measure.git import state_of
from bench.measure.process import PROJECT
from bench.records import files
from bench.report.compare.comparable import StackMeasurement
from bench.report.fleet.hosts import measured_host
from bench.stats.outliers import ALPHA, adjusted_p_values, p_values
from bench.stats.rate import Rate

RECORD = Path("results/records/amd-epyc-2-cores/2026-11-26-a5af2a5")
HEALTHY_SPREAD = 0.01  # one standard deviation of the logarithms
MEMORY = ("copy", "page_fault", "elementwise")  # measurements that a host with slow memory does more slowly
SICK = 0  # number of the sick host
SIZES = {20: 200, 200: 50}  # hosts -> simulated fleets
FACTORS = (1.0, 1.02, 1.03, 1.04, 1.05, 1.06, 1.08, 1.1)
WHAT = "simulated: equal hosts, normal logarithms of seconds, one host with slow memory; no host was measured"

Values = Mapping[StackMeasurement, Mapping[int, float]]
PValues = dict[StackMeasurement, dict[int, float]]


def healthy_fleet(metrics: Sequence[StackMeasurement], num_hosts: int, seed: Sequence[int]) -> Values:
    """Return {metric: {host: logarithm of seconds}} of a fleet without a sick host."""
    logs = HEALTHY_SPREAD * np.random.default_rng(seed).standard_normal((len(metrics), num_hosts))
    return {metric: dict(enumerate(row.tolist())) for metric, row in zip(metrics, logs, strict=True)}


def judge(fleet: Values, raw: PValues, factor: float) -> tuple[bool, bool]:
    """Return whether the sick host is named for its memory, and whether a healthy host is named.

    ``raw`` has the p-values of the healthy fleet.
    """
    slow = {one: dict(values) for one, values in fleet.items() if one.measurement in MEMORY}
    for values in slow.values():
        values[SICK] += math.log(factor)
    raw = {**raw, **{metric: p_values(values) for metric, values in slow.items()}}
    adjusted = adjusted_p_values(raw)
    is_named = any(adjusted[metric][SICK] < ALPHA and values[SICK] > 0 for metric, values in slow.items())
    healthy = (host for found in adjusted.values() for host, p in found.items() if p < ALPHA)
    return is_named and factor != 1, any(host != SICK or factor == 1 for host in healthy)


def rows(metrics: Sequence[StackMeasurement], num_hosts: int, num_fleets: int, seed: int) -> list[dict[str, Any]]:
    """Return a row for each factor: of ``num_fleets``, in how many the sick or a healthy host was named."""
    counts = {factor: [0, 0] for factor in FACTORS}
    for number in range(num_fleets):
        fleet = healthy_fleet(metrics, num_hosts, (seed, num_hosts, number))
        raw = {metric: p_values(values) for metric, values in fleet.items()}
        for factor, count in counts.items():
            for place, happened in enumerate(judge(fleet, raw, factor)):
                count[place] += happened
    return [
        {"hosts": num_hosts, "factor": factor, "fleets": num_fleets, "named": named, "false_alarms": false_alarms}
        for factor, (named, false_alarms) in counts.items()
    ]


def simulate(sizes: Mapping[int, int], seed: int) -> dict[str, Any]:
    """Return all rows with what is needed to compute them again, JSON-ready."""
    metrics = list(measured_host(PROJECT / RECORD).processes)
    commit = state_of(PROJECT)
    return {
        "what": WHAT,
        "command": f"python -m benchmarks.fleet_power --seed {seed}",
        "commit": commit.commit,
        "uncommitted_changes": commit.dirty,
        "seed": seed,
        "record": RECORD.as_posix(),
        "num_metrics": len(metrics),
        "sick_measurements": MEMORY,
        "healthy_spread": HEALTHY_SPREAD,
        "alpha": ALPHA,
        "rows": [row for size, number in sizes.items() for row in rows(metrics, size, number, seed)],
    }


def text_of(found: dict[str, Any]) -> str:
    lines = [f"{found['what']} ({found['num_metrics']} metrics)"]
    for row in found["rows"]:
        named, alarms = Rate(row["named"], row["fleets"]), Rate(row["false_alarms"], row["fleets"])
        lines.append(f"{row['hosts']} hosts, {row['factor']:g}: named in {named}; false alarms in {alarms}")
    return "\n".join(lines)


@click.command()
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="File to write as JSON.")
def main(seed: int, output: Path | None) -> None:
    """Simulate fleets and say how often a host is named that is sick, or that is not.

    \b
    Examples:
      python -m benchmarks.fleet_power
      python -m benchmarks.fleet_power --output results/simulated/fleet-power.json
    """
    found = simulate(SIZES, seed)
    if output is not None:
        files.write_with_folders(output, json.dumps(found, indent=1) + "\n", "free space, or name another file")
    click.echo(text_of(found))


if __name__ == "__main__":
    main()
