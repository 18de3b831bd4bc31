"""The host's side of a profile: per step, by thread, by phase; and what is said where something cannot be had."""

import mmap
import os
import stat
import sys
import threading
import time
from dataclasses import replace

import pytest
from example_ceilings import ceilings_replicate, example_ceilings
from example_profile import TUNED, recorded
from example_run import case, measurement, replicate, write_example_run

import bench
from bench.machine.perf import HardwareCounters
from bench.measure.case import Stack
from bench.measure.profiling import context
from bench.measure.profiling.context import loading_steps
from bench.measure.profiling.host import MemoryTimeline, flame_graph, memory_by_phase, watch
from bench.measure.worker import WorkerResult
from bench.report.profile.data import data_sections
from bench.report.profile.host import host_sections

# --- watching ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_perf(monkeypatch):
    monkeypatch.setattr("bench.machine.perf.shutil.which", lambda name: None)


@pytest.mark.slow
def test_page_faults_are_those_of_one_step(no_perf):
    """8 MiB of fresh memory in each of two steps a call are 2048 pages of 4 KiB, or four huge ones."""

    def two_steps():
        for _ in range(2):
            with mmap.mmap(-1, 8 * 2**20) as fresh:
                for page in range(0, len(fresh), 4096):
                    fresh[page] = 1

    host = watch(two_steps, 2, "cpu")
    assert host["num_steps"] % 2 == 0
    assert 4 <= host["page_faults_per_step"] < 3 * 2048


@pytest.mark.slow
def test_a_busy_thread_is_seen_with_its_share_of_a_core(no_perf):
    def spin():
        sum(range(200_000))

    host = watch(spin, 1, "cpu")
    busiest = host["threads"][0]
    assert 0 < busiest["cpu_percent"] < 200
    assert host["voluntary_context_switches_per_step"] >= 0
    assert {"throttled", "throttle_reasons"} <= host.keys()


def test_memory_has_a_peak_in_the_phase_that_made_it():
    timeline = [
        {"phase": "import", "rss_bytes": 10},
        {"phase": "compile", "rss_bytes": 50},
        {"phase": "compile", "rss_bytes": 30},
        {"phase": "train_step", "rss_bytes": 40},
    ]
    found = memory_by_phase(timeline)
    assert [one["phase"] for one in found] == ["import", "compile", "train_step"]
    assert found[1] == {"phase": "compile", "first_rss_bytes": 50, "last_rss_bytes": 30, "peak_rss_bytes": 50}


def test_a_sample_belongs_to_the_phase_of_its_moment():
    phase = ["load"]
    timeline = MemoryTimeline(lambda: phase[0], interval_seconds=60)
    with timeline:
        timeline.take()
        phase[0] = "train"
    assert [sample["phase"] for sample in timeline.timeline] == ["load", "train"]
    assert all(sample["rss_bytes"] > 0 for sample in timeline.timeline)


def test_nothing_is_sampled_while_something_is_timed_but_before_and_after_it():
    timeline = MemoryTimeline(lambda: "train", interval_seconds=0.001)
    with timeline:
        with timeline.paused():
            before = len(timeline.timeline)
            time.sleep(0.02)
            timeline.take()
            assert len(timeline.timeline) == before > 0
        assert len(timeline.timeline) > before


def test_a_sample_under_way_ends_before_what_is_timed_begins():
    begun, may_end = threading.Event(), threading.Event()

    def phase():
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert may_end.wait(30)
        return "train"

    with MemoryTimeline(phase, interval_seconds=0.001) as timeline:
        assert begun.wait(30)
        threading.Timer(0.05, may_end.set).start()
        with timeline.paused():
            assert may_end.is_set()


def test_the_flame_graph_shows_the_functions_of_the_driver(tmp_path, monkeypatch):
    pytest.importorskip("pyinstrument")
    monkeypatch.setattr("bench.measure.profiling.host.WATCHED_SECONDS", 0.1)

    def a_name_that_only_this_test_has():
        sum(range(100_000))

    assert flame_graph(a_name_that_only_this_test_has, tmp_path / "flame.html") is None
    assert "a_name_that_only_this_test_has" in (tmp_path / "flame.html").read_text()


def test_a_flame_graph_that_cannot_be_written_costs_a_sentence(tmp_path, monkeypatch):
    pytest.importorskip("pyinstrument")
    monkeypatch.setattr("bench.measure.profiling.host.WATCHED_SECONDS", 0.01)
    problem = flame_graph(lambda: None, tmp_path / "nowhere" / "flame.html")
    assert "is missing: cannot write" in problem and "(No such file or directory)" in problem


# --- hardware events --------------------------------------------------------------------------------------------------


@pytest.fixture
def perf(tmp_path, monkeypatch):
    """A perf that prints ``text`` when it is interrupted, as ``perf stat -x ,`` does."""

    def perf(text, exits_at_once=False):
        script = tmp_path / "perf"
        wait = "" if exits_at_once else "signal.pause()"
        script.write_text(
            f"#!{sys.executable} -S\nimport signal, sys\n"
            f"signal.signal(signal.SIGINT, lambda *_: None)\n{wait}\nsys.stderr.write({text!r})\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("bench.machine.perf.START_SECONDS", 0.3)
        return str(script)

    return perf


def counted(perf):
    with HardwareCounters(perf) as counters:
        pass
    return counters.counts(), counters.problem


def test_hardware_events_are_read_from_perfs_columns(perf):
    text = "123456,,cycles:u,1000,100.00,,\n654321,,instructions:u,1000,100.00,5.3,insn per cycle\n"
    assert counted(perf(text)) == ({"cycles": 123456.0, "instructions": 654321.0}, None)


@pytest.mark.slow
def test_events_that_the_machine_does_not_have_are_missing_and_not_zero(perf):
    events, problem = counted(perf("<not supported>,,cycles,0,100.00,,\n77,,branch-misses,1,100.00,,\n"))
    assert events == {"branch-misses": 77.0} and problem is None
    events, problem = counted(perf("<not supported>,,cycles,0,100.00,,\n"))
    assert events == {} and "this machine shows none" in problem


def test_without_permission_it_says_so_and_that_the_rest_was_done(perf):
    events, problem = counted(perf("Error:\nNo permission to enable cycles event.\n", exits_at_once=True))
    assert events == {}
    assert "perf may not look at this process" in problem and "all else was measured" in problem


def test_without_perf_it_says_so(no_perf):
    assert counted(None) == ({}, "Hardware events were not counted: perf is not installed; all else was measured.")


# --- as sections ------------------------------------------------------------------------------------------------------


def test_the_peak_is_attributed_to_its_phase():
    phases = [
        {"phase": name, "first_rss_bytes": 2**20, "last_rss_bytes": 2**20, "peak_rss_bytes": peak}
        for name, peak in (("import", 2**21), ("compile", 2**29), ("train_step", 2**28))
    ]
    (section,) = host_sections(replace(recorded(TUNED), host={"memory_by_phase": phases}))
    assert section.sentences == ["The peak, 512 MiB, falls into the phase compile."]


def test_what_was_not_counted_has_no_row():
    host = {"num_steps": 40, "page_faults_per_step": 12.5, "major_page_faults_per_step": None}
    (section,) = host_sections(replace(recorded(TUNED), host=host))
    assert section.cells == [["page faults without disk", "12.5"]]
    assert host_sections(replace(recorded(TUNED), host={})) == []


def test_loading_is_held_against_a_copy_and_its_slowest_step_is_named(tmp_path):
    steps = [
        measurement("read", [0.01], bytes=11_000_000),
        measurement("decompress", [0.06], bytes=55_000_000),
        measurement("convert", [0.03], bytes=220_000_000),
    ]
    path = write_example_run(tmp_path, [replicate(case("data", backend=None, variant=None, cache=None), steps)])
    data = loading_steps(bench.load_runs(path))
    profile = replace(recorded(TUNED), data=data, ceilings=example_ceilings())
    (section,) = data_sections(profile)
    assert section.sentences == ["Most of it goes to decompress: 60 % of 100 ms."]
    # 220 MB in 30 ms are 7.33 GB/s; a copy that moves 10 GB/s copies 5 GB/s.
    assert section.cells[2][-1] == "146.7 %"


# --- ceilings beside a profile ----------------------------------------------------------------------------------------


@pytest.fixture
def measured_cases(monkeypatch):
    """The cases that were measured, in order; each process of the ceilings takes twice as long as the one before."""
    cases = []

    def measure(self, one):
        cases.append(one.harness)
        if one.harness == "data":
            return WorkerResult([measurement("read", [0.01], bytes=1000)], None, 1.0)
        factor = 2.0 ** (cases.count("ceilings") - 1)
        return WorkerResult(ceilings_replicate(0, factor)["measurements"], None, 1.0)

    monkeypatch.setattr(context.WorkerPool, "measure", measure)
    return cases


def test_ceilings_are_measured_before_and_after_and_loading_once(measured_cases, tmp_path):
    with context.ContextRun(Stack("theano", "tuned", "cpu"), recorded(TUNED), tmp_path) as beside:
        beside.measure()
        beside.measure()
        profile = beside.added_to(recorded(TUNED))
    assert measured_cases == ["ceilings", "data", "ceilings"]
    copy = next(one for one in profile.ceilings.measured if one.name == "copy")
    assert copy.num_processes == 2 and copy.seconds == pytest.approx(0.02)  # the faster of the two
    assert profile.data["read"]["bytes"] == 1000


def test_ceilings_that_fail_cost_the_profile_nothing_but_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(context.WorkerPool, "measure", lambda self, one: WorkerResult([], "it crashed (SIGSEGV)", 1.0))
    with context.ContextRun(Stack("theano", "tuned", "cpu"), recorded(TUNED), tmp_path) as beside:
        beside.measure()
        profile = beside.added_to(recorded(TUNED))
    assert profile.ceilings is None and profile.data is None
    assert profile.operations == recorded(TUNED).operations
    assert "ceilings and loading: it crashed (SIGSEGV)" in profile.problems


def test_nothing_is_left_behind(measured_cases, tmp_path):
    with context.ContextRun(Stack("theano", "tuned", "cpu"), recorded(TUNED), tmp_path) as beside:
        folder = beside._scratch
        assert os.listdir(folder)
    assert not folder.exists()
