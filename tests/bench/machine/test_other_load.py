"""CPU use of other processes, and the notices of runs beside other work."""

import subprocess
import sys
from typing import NamedTuple

import pytest
from example_run import header, planned, replicates, run_header, write_example_run
from fakes import write

from bench.machine import other_load
from bench.machine.other_load import CpuTimes, other_cpu_percent
from bench.records.frames import load_runs
from bench.report.load import load_notices, start_notice
from bench.report.write import write_report


def test_what_others_use_is_what_is_busy_without_what_is_ours(monkeypatch):
    monkeypatch.setattr(other_load, "allowed_cores", lambda: 2)
    before, after = CpuTimes(10.0, 100.0, 5.0), CpuTimes(14.0, 107.0, 8.0)
    assert other_cpu_percent(before, after, usable_cores=2) == pytest.approx(100.0)
    assert other_cpu_percent(before, CpuTimes(14.0, 102.0, 8.0), 2) == 0  # ticks are coarser than our own clock
    assert other_cpu_percent(None, after, 2) is None


def test_under_a_quota_others_may_use_the_cores_that_we_leave_free(monkeypatch):
    monkeypatch.setattr(other_load, "allowed_cores", lambda: 64)
    before = CpuTimes(0.0, 0.0, 0.0)
    assert other_cpu_percent(before, CpuTimes(1.0, 24.0, 4.0), usable_cores=4) == 0
    assert other_cpu_percent(before, CpuTimes(1.0, 65.5, 4.0), usable_cores=4) == pytest.approx(150.0)


class Times(NamedTuple):
    user: float
    idle: float
    steal: float


@pytest.mark.parametrize(("online", "busy_and_steal"), [("0,2", (5.5, 0.5)), ("0-1", None), ("0-3", None)])
def test_cores_that_are_off_do_not_shift_the_others(monkeypatch, tmp_path, online, busy_and_steal):
    """Two cores are reported without their numbers; the load is unknown if an allowed one may not be among them."""
    monkeypatch.setattr(other_load.psutil, "cpu_times", lambda percpu: [Times(1.0, 9.0, 0.0), Times(4.0, 9.0, 0.5)])
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 2}, raising=False)
    found = other_load.read(write(tmp_path, {"sys/devices/system/cpu/online": online}))
    assert (found and (found.busy, found.steal)) == busy_and_steal


def test_a_child_that_has_ended_is_ours():
    before = other_load.read()
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    after = other_load.read()
    assert after.own - before.own > 0.05
    assert after.busy > before.busy


def with_load(percents, **changes):
    return [
        {**one, "other_cpu_percent": percent, **changes} for one, percent in zip(replicates(), percents, strict=False)
    ]


@pytest.mark.slow
def test_a_run_beside_other_work_says_so_in_the_first_section(tmp_path):
    machine = {**header()["machine"], "load_average_1min": 3.9}
    path = write_example_run(tmp_path, with_load([150.0] * 6 + [0.0] * 6), machine=machine)
    first = write_report(path).read_text().split("## ")[1]
    started = "in the minute before, 3.90 processes on average competed for the machine's 2 cores."
    assert f"Started under load: {started}" in first
    assert "beside 6 of 12 processes something else was computing, on 1.50 of 2 cores (median; 1.50 at most)." in first


def test_a_run_on_a_quiet_machine_says_nothing_of_load(tmp_path):
    path = write_example_run(tmp_path, with_load([3.0] * 12))
    assert load_notices(run_header(), load_runs(path)) == []


def test_others_may_use_a_core_that_a_process_does_not_want(tmp_path):
    one_thread = [{**one, "case": {**one["case"], "threads": 1}} for one in with_load([90.0] * 12)]
    assert load_notices(run_header(), load_runs(write_example_run(tmp_path, one_thread))) == []


def test_an_older_record_says_nothing_of_load(tmp_path):
    assert load_notices(run_header(machine={}), load_runs(write_example_run(tmp_path, replicates()))) == []
    assert start_notice({"load_average_1min": None, "usable_cores": 2}) is None


# --- a GPU ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ({"other_processes_now": 1, "utilization_percent_now": 0}, "GPU 1 was used by 1 other process."),
        ({"other_processes_now": 3, "utilization_percent_now": 99}, "GPU 1 was used by 3 other processes."),
        ({"other_processes_now": 0, "utilization_percent_now": 97}, "GPU 1 was in use for 97 % of the time before."),
        ({"other_processes_now": None, "utilization_percent_now": None}, None),
        ({"other_processes_now": 0, "utilization_percent_now": 3}, None),
        ({"name": "of a record without these facts"}, None),
    ],
)
def test_a_gpu_in_use_at_the_start_is_named_if_it_is_measured(gpu, words):
    machine = {"gpus": [{"other_processes_now": 0}, gpu]}
    assert start_notice(machine) is None
    found = start_notice(machine, on_gpu=True)
    assert found == (words and f"Started beside other work on the GPU: {words}")


def test_only_a_run_on_a_gpu_has_its_notice(tmp_path):
    machine, frames = {"gpus": [{"other_processes_now": 2}]}, load_runs(write_example_run(tmp_path, replicates()))
    plans = {device: [planned({"device": device})] for device in ("cpu", "cuda")}
    assert load_notices(run_header(machine=machine, plan=plans["cpu"]), frames) == []
    (notice,) = load_notices(run_header(machine=machine, plan=plans["cuda"]), frames)
    assert notice.startswith("Started beside other work on the GPU: GPU 0") and "idle machine" in notice
