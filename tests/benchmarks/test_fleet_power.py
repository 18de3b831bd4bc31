"""The simulated power of a fleet: judged as a fleet judges, and kept with what repeats it."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.report.compare.comparable import StackMeasurement
from bench.report.fleet.hosts import measured_host
from bench.stats.outliers import outliers, p_values
from benchmarks import fleet_power
from benchmarks.fleet_power import FACTORS, SICK, healthy_fleet, judge, rows

METRICS = [StackMeasurement("host", name) for name in ("copy", "page_fault", "elementwise", "gemm_square", "compile")]
KEPT = Path(__file__).resolve().parents[2] / "results" / "simulated" / "fleet-power.json"


@pytest.mark.parametrize("factor", [1.0, 1.04, 1.2])
def test_a_fleet_is_judged_as_the_report_does(factor):
    for number in range(10):
        fleet = healthy_fleet(METRICS, 12, (7, number))
        slow = {
            metric: {host: log + math.log(factor) * (host == SICK) for host, log in values.items()}
            if metric.measurement in fleet_power.MEMORY
            else values
            for metric, values in fleet.items()
        }
        found = {
            (metric, host)
            for metric, by_host in outliers(slow).items()
            for host, one in by_host.items()
            if one.is_outlier and (host != SICK or one.ratio > 1)
        }
        named = any(host == SICK and metric.measurement in fleet_power.MEMORY for metric, host in found)
        raw = {metric: p_values(values) for metric, values in fleet.items()}
        is_named, is_alarm = judge(fleet, raw, factor)
        assert is_named == (named and factor != 1)
        assert is_alarm == any(host != SICK or factor == 1 for _, host in found)


def test_a_sicker_host_is_named_more_often_and_healthy_ones_seldom():
    found = rows(METRICS, 20, 40, seed=1)
    named = [row["named"] for row in found]
    assert named == sorted(named) and (named[0], named[-1]) == (0, 40)
    assert max(row["false_alarms"] for row in found) <= 8
    assert found == rows(METRICS, 20, 40, seed=1) != rows(METRICS, 20, 40, seed=2)


@pytest.mark.slow
def test_the_kept_file_is_what_its_command_computes():
    """Of its fleets of 20 hosts, which take seconds."""
    kept = json.loads(KEPT.read_text())
    own = [row for row in kept["rows"] if row["hosts"] == 20]
    metrics = list(measured_host(fleet_power.PROJECT / kept["record"]).processes)
    assert len(metrics) == kept["num_metrics"] and not kept["uncommitted_changes"]
    assert rows(metrics, 20, own[0]["fleets"], kept["seed"]) == own
    assert {row["hosts"]: row["fleets"] for row in kept["rows"]} == fleet_power.SIZES


def test_the_file_repeats_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr(fleet_power, "SIZES", {8: 2})
    path = tmp_path / "folder" / "power.json"
    done = CliRunner().invoke(fleet_power.main, ["--seed", "3", "--output", str(path)])
    assert done.exit_code == 0 and "8 hosts, 1.1: named in " in done.output
    found = json.loads(path.read_text())
    assert found["command"] == "python -m benchmarks.fleet_power --seed 3" and found["seed"] == 3
    assert [row["factor"] for row in found["rows"]] == list(FACTORS)
    assert {row["fleets"] for row in found["rows"]} == {2} and found["num_metrics"] > 100
