"""The benchmarks of the fleet: a small one of simulated hosts, and the verdict on a worker's influence."""

import random

import pytest

pytest.importorskip("distributed", reason="Dask is not installed: make .venv/installed-fleet adds it")
pytest.importorskip("cryptography", reason="cryptography is not installed: make .venv/installed-fleet adds it")

from pathlib import Path

from bench.gate.verdict import Verdict
from benchmarks import fleet_disturbance, fleet_hosts
from benchmarks.fleet_disturbance import ALONE, CONTROL, WORKER

PROJECT = Path(__file__).resolve().parents[2]


def blocks(factor, num_blocks=8):
    generator = random.Random(1)
    sides = {ALONE: 1.0, CONTROL: 1.0, WORKER: factor}
    return [
        {side: {"copy": one * generator.uniform(0.995, 1.005)} for side, one in sides.items()}
        for _ in range(num_blocks)
    ]


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, Verdict.UNCHANGED), (1.2, Verdict.UNDECIDED)])
def test_the_gate_judges_the_suite_under_a_worker(factor, verdict):
    decision = fleet_disturbance.judge(blocks(factor))
    assert [one.verdict for one in decision.judgements] == [verdict]
    assert decision.to_confirm == (("copy",) if factor > 1 else ())


@pytest.mark.slow
def test_records_of_simulated_hosts_are_collected_and_the_slow_one_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(fleet_hosts, "write_fleet", lambda report: [])
    found = fleet_hosts.measure(8, fleet_hosts.RECORD, 0.001, tmp_path)
    assert found["num_replicates"] == 8 * 95
    assert found["outliers"] == [found["slow_host"]] == ["host-005"]
    assert 0 < found["cpu_seconds_per_replicate"] < 1
