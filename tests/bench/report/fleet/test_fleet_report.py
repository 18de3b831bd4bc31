"""The report of a fleet run: which host is an outlier, by which part, and the files that are written."""

import json

import numpy as np
import pytest
from example_run import case, measurement, planned, reference_replicate, replicate, run_header

from bench.errors import BenchError
from bench.records.fleet import FleetFolder, FleetHeader, HostRecord, HostState
from bench.records.run_folder import RunFolder
from bench.report.fleet.baseline import read_baseline
from bench.report.fleet.write import fleet_report, write_fleet

SECONDS = {"copy": 0.02, "gemm_square": 0.05, "page_fault": 0.001}
HOSTS = [f"node-{number}" for number in range(1, 9)]


def write_host(fleet, name, generator, **slow):
    """A host whose times differ by 1 % from the others', and by the factors ``slow``."""
    path = fleet.run_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = RunFolder.create(path.parent, run_header(run_id=name, plan=[planned(case("epoch"))]))
    host = {metric: 1 + 0.01 * generator.standard_normal() for metric in (*SECONDS, "train_epoch")}
    for number in range(4):
        noise = 1 + 0.001 * generator.standard_normal()
        times = {name: [host[name] * noise * slow.get(name, 1) * seconds] for name, seconds in SECONDS.items()}
        ceilings = case("ceilings", backend=None, variant=None, cache=None)
        epoch = [measurement("train_epoch", [host["train_epoch"] * noise * slow.get("train_epoch", 1) * 0.5])]
        for one, measured in ((ceilings, [measurement(*item) for item in times.items()]), (case("epoch"), epoch)):
            folder.append({**replicate(one, measured), "round": number})
    for seed in (1, 2, 3):
        folder.append(reference_replicate(seed, 0.983, train_seconds=9 + 0.1 * generator.standard_normal()))
    return folder.path


@pytest.fixture
def fleet(tmp_path):
    records = tuple(HostRecord(name, HostState.COMPLETE, price_per_hour=0.5) for name in HOSTS)
    folder = FleetFolder.create(tmp_path, FleetHeader("fleet", "hosts", (), "1" * 40, "code", {}, records))
    generator = np.random.default_rng(5)
    for name in HOSTS:
        slow = {"copy": 1.5, "page_fault": 1.4, "train_epoch": 1.2} if name == "node-3" else {}
        write_host(folder, name, generator, **slow)
    return folder


def test_a_host_with_slow_memory_is_named_with_that_part(fleet):
    report = fleet_report(fleet)
    assert {one.host for one in report.judgement.outliers} == {"node-3"}
    assert {one.metric.measurement for one in report.judgement.outliers} == {"copy", "page_fault", "train_epoch"}
    (outliers,) = [section for section in report.sections if section.title == "Outliers"]
    assert outliers.sentences[-1].startswith("node-3 has a slower memory than equal hosts: copy 1.5")
    assert report.first_line == "Fleet fleet: 8 of 8 hosts measured completely; outliers: node-3."


def test_the_slow_host_is_the_last_of_the_ranking(fleet):
    ranking = [one for one in fleet_report(fleet).judgement.ranking if one.stack == "theano/as_published on cpu"]
    assert ranking[-1].host == "node-3" and ranking[-1].rank.number == 8 and not ranking[-1].rank.shared


@pytest.mark.slow
def test_all_files_are_written_and_the_baseline_judges_a_single_host(fleet, tmp_path):
    assert write_fleet(fleet_report(fleet)) == []
    written = {path.name for path in fleet.path.iterdir()}
    assert {"fleet.md", "outliers.json", "healthy.json", "comparison.html", "comparison.csv", "board"} <= written
    assert json.loads((fleet.path / "outliers.json").read_text())["outliers"][0]["host"] == "node-3"
    baseline = read_baseline(fleet.path / "healthy.json")
    alone = FleetFolder.create(tmp_path, FleetHeader("next", "hosts", (), None, "code", {}, (HostRecord("new"),)))
    write_host(alone, "new", np.random.default_rng(9), gemm_square=1.3)
    judgement = fleet_report(alone, baseline).judgement
    assert {(one.metric.measurement, one.part) for one in judgement.outliers} == {("gemm_square", "clock")}


def test_a_baseline_of_other_code_is_refused(fleet):
    baseline = fleet_report(fleet).judgement.baseline
    other = FleetHeader("x", "hosts", ("--quick",), None, "other", {}, ())
    with pytest.raises(BenchError, match="was learnt with other code and options"):
        baseline.check_same(other)


@pytest.mark.slow
def test_hosts_without_equals_are_not_judged_and_named(tmp_path):
    records = (HostRecord("a", HostState.COMPLETE), HostRecord("b", HostState.NOT_MEASURED, "it is down"))
    folder = FleetFolder.create(tmp_path, FleetHeader("fleet", "hosts", (), None, "code", {}, records))
    write_host(folder, "a", np.random.default_rng(1))
    report = fleet_report(folder)
    assert report.judgement.alone == ("a",) and report.judgement.baseline is None
    assert "no outliers are sought: too few equal hosts" in report.first_line
    assert not report.all_complete and not report.has_outliers
    assert write_fleet(report) == []


def test_a_host_with_another_plan_says_so(fleet):
    run = RunFolder.open(fleet.run_path("node-2"))
    run.update_header(plan=[planned(case("epoch", threads=4)), planned(case("data"))])
    (hosts,) = [section for section in fleet_report(fleet).sections if section.title == "Hosts"]
    reasons = {row[0]: row[-1] for row in hosts.rows}
    assert reasons["node-2"] == "its plan differs from that of node-1 in 1 case" and reasons["node-3"] is None


def test_a_damaged_run_costs_one_host(fleet):
    (fleet.run_path("node-1") / "run.json").write_text("{")
    report = fleet_report(fleet)
    assert report.judgement.unread[0].startswith("node-1: ")
    assert {one.host for one in report.judgement.outliers} == {"node-3"}


def test_a_host_cannot_write_outside_its_run(fleet):
    for name in ("../../x.json", "/etc/x", "replicates/../x.json", "report.html"):
        with pytest.raises(BenchError, match="which is not a file of a run"):
            fleet.keep("node-1", name, "{}")


def test_the_fleet_file_is_read_back(fleet):
    fleet.update_host("node-2", state=HostState.PARTIAL, reason="it went away")
    again = FleetFolder.open(fleet.path)
    assert again.header == fleet.header
