"""Facts about a machine's fitness, read from folders that stand in for machines, and what is said about them."""

import json
import os

import pytest
from fakes import write

from bench.machine.fitness import CPU, NODE, allowed_cores, fitness_now, read_fitness
from bench.machine.sysfs import ROOT, cores_of
from bench.records.fitness import disturbances, hindrances

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
SUPPLY = "sys/class/power_supply"


def machine(root, allowed="0-1", steal_seconds=0, running=1, **files):
    """A machine with two cores on which this process may use those of ``allowed``."""
    stat = (
        f"cpu  100 0 100 1000 0 0 0 {steal_seconds * TICKS} 0 0\ncpu0 50 0 50 500 0 0 0 0 0 0\nprocs_running {running}"
    )
    status = f"Name:\tpython\nCpus_allowed_list:\t{allowed}"
    files = {"proc/stat": stat, "proc/self/status": status, "proc/uptime": "100.00 150.00", **files.pop("more", {})}
    return write(root, files)


def advice(root):
    return [f"{one.detail}: {one.advice}" for one in hindrances(read_fitness(root))]


def test_a_system_that_shows_nothing_has_a_reason_for_each_fact_and_no_hindrance(tmp_path):
    found = read_fitness(tmp_path)
    missing = found.pop("missing")
    assert set(found.values()) == {None} and missing.keys() == found.keys()
    assert all(missing.values()) and list(hindrances(found)) == []


def test_this_machine_has_facts_that_fit_into_a_record(monkeypatch):
    found = fitness_now()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert all(found[name] is None for name in found["missing"] if name in found)


def test_a_core_that_is_off_is_not_allowed(monkeypatch):
    """A virtual machine with two of 128 possible cores: its /proc/self/status says 0-127."""
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {2, 0}, raising=False)
    assert allowed_cores(ROOT) == [0, 2]


def test_a_virtual_machine_shows_steal_and_no_frequencies(tmp_path):
    before = read_fitness(machine(tmp_path / "1", steal_seconds=3))
    after = read_fitness(machine(tmp_path / "2", steal_seconds=13, more={"proc/uptime": "200.00 1.00"}))
    assert (before["steal_seconds"], before["frequency_governor"]) == (3, None)
    assert "virtual machines" in before["missing"]["frequency_governor"]
    assert disturbances(before, after) == ["the host gave 5.0 % of the cores' time to others (steal)"]
    assert disturbances(before, before) == []


def test_pressure_is_the_time_in_which_threads_waited(tmp_path):
    some = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9"
    before = machine(tmp_path / "1", more={f"proc/pressure/{one}": some.format(0) for one in ("cpu", "memory")})
    later = {"proc/pressure/cpu": some.format(60_000_000), "proc/pressure/memory": some.format(5_000_000)}
    after = machine(tmp_path / "2", more={**later, "proc/uptime": "200.00 1.00"})
    assert disturbances(read_fitness(before), read_fitness(after)) == [
        "threads waited for a core during 60 % of the time",
        "threads waited for memory during 5 % of the time",
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_quota_is_counted_in_either_version_of_cgroups(tmp_path, version):
    where = {1: ("2:cpu,cpuacct:/a", "sys/fs/cgroup/cpu/a/cpu.stat"), 2: ("0::/a", "sys/fs/cgroup/a/cpu.stat")}[version]

    def throttled(count, uptime):
        files = {"proc/self/cgroup": where[0], where[1]: f"nr_periods 90\nnr_throttled {count}"}
        return read_fitness(machine(tmp_path / str(count), more={**files, "proc/uptime": f"{uptime} 1.00"}))

    assert disturbances(throttled(4, 100), throttled(11, 200)) == ["the control group's CPU quota stopped it 7 times"]


def test_after_a_new_start_of_the_machine_nothing_is_compared(tmp_path):
    before = read_fitness(machine(tmp_path / "1", steal_seconds=5))
    after = read_fitness(machine(tmp_path / "2", steal_seconds=90, more={"proc/uptime": "20.00 1.00"}))
    assert disturbances(before, after) == []


def test_a_laptop_on_its_battery_is_told_to_be_plugged_in(tmp_path):
    battery = {f"{SUPPLY}/BAT0/type": "Battery", f"{SUPPLY}/BAT0/status": "Discharging", f"{SUPPLY}/AC/type": "Mains"}
    unplugged = machine(tmp_path / "1", more={**battery, f"{SUPPLY}/AC/online": 0})
    plugged = machine(tmp_path / "2", more={**battery, f"{SUPPLY}/AC/online": 1})
    assert advice(unplugged) == ["it runs on its battery, which limits the clocks: plug it in"]
    assert advice(plugged) == []


def test_a_governor_that_follows_the_load_is_named_with_its_driver(tmp_path):
    files = {
        f"{CPU}/cpu{core}/cpufreq/scaling_governor": name for core, name in enumerate(("schedutil", "performance"))
    }
    files |= {f"{CPU}/cpu{core}/cpufreq/scaling_driver": "acpi-cpufreq" for core in (0, 1)}
    (found,) = advice(machine(tmp_path, more=files))
    assert found.startswith("clocks follow the load (governor schedutil, driver acpi-cpufreq): sudo cpupower")
    assert advice(machine(tmp_path, allowed="1", more=files)) == []


def test_a_hybrid_processor_has_two_kinds_of_cores_unless_one_is_left_out(tmp_path):
    kinds = {"sys/devices/cpu_core/cpus": "0-7", "sys/devices/cpu_atom/cpus": "8-15"}
    assert "of 2 kinds" in advice(machine(tmp_path, "0-15", more=kinds))[0]
    assert advice(machine(tmp_path, "0-7", more=kinds)) == []
    assert read_fitness(machine(tmp_path, "0-7", more=kinds))["core_kinds"] == 1


def test_an_arm_processor_with_two_capacities_has_two_kinds(tmp_path):
    capacities = {f"{CPU}/cpu{core}/cpu_capacity": value for core, value in enumerate((446, 1024))}
    assert read_fitness(machine(tmp_path, more=capacities))["core_kinds"] == 2


def test_siblings_and_nodes_count_only_where_the_affinity_reaches(tmp_path):
    files = {f"{CPU}/cpu{core}/topology/thread_siblings_list": f"{core % 2},{core % 2 + 2}" for core in range(4)}
    files |= {f"{NODE}/node{number}/cpulist": cores for number, cores in enumerate(("0,2", "1,3"))}
    found = advice(machine(tmp_path, "0-3", more=files))
    assert found[0].startswith("4 usable cores are threads that share") and "2 NUMA nodes" in found[1]
    assert advice(machine(tmp_path, "0", more=files)) == []


def test_isolated_cores_that_are_not_used_are_offered(tmp_path):
    more = {f"{CPU}/isolated": "2-3"}
    assert advice(machine(tmp_path, more=more)) == [
        "the cores 2,3 are isolated from other work, and not used: taskset -c 2,3"
    ]
    assert advice(machine(tmp_path, "2-3", more=more)) == []


def test_others_that_run_swap_and_a_slow_clock_are_named(tmp_path):
    files = {
        "proc/meminfo": "MemTotal: 9 kB\nSwapTotal:  2048 kB\nSwapFree:  1024 kB",
        "proc/vmstat": "pswpin 3\npswpout 4",
    }
    files["sys/devices/system/clocksource/clocksource0/current_clocksource"] = "hpet"
    root = machine(tmp_path, running=4, more=files)
    assert [one.partition(":")[0] for one in advice(root)] == [
        "3 other threads want to run now on 2 cores",
        "1.00 MiB of memory are swapped out",
        "the clock is read from hpet, which takes about a microsecond",
    ]
    assert read_fitness(root)["swapped_pages"] == 7


def test_a_setting_that_changed_in_between_is_a_disturbance(tmp_path):
    before = read_fitness(machine(tmp_path / "1"))
    after = read_fitness(machine(tmp_path / "2", allowed="0", more={"proc/uptime": "200.00 1.00"}))
    assert disturbances(before, after) == ["allowed cores: [0, 1] at the start and [0] at the end"]


def test_a_list_of_cores_has_ranges():
    assert cores_of("0-2,8") == [0, 1, 2, 8]
    assert cores_of("") == []
