"""Placement of threads on fake machines: SMT, NUMA nodes, hybrid cores, masks with holes and quotas."""

import os

import pytest
from fakes import write
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.machine.fitness import CPU, NODE
from bench.machine.sysfs import cores_of
from bench.machine.topology import (
    counts_up_to,
    cpus_text,
    describe,
    logical_cores,
    own_cores,
    pinned,
    share_cores,
    usable_threads,
)


def machine(root, siblings, nodes=(), allowed=None, **files):
    """``siblings`` and ``nodes`` are the kernel's lists of the logical cores of each physical core and node."""
    every = [core for text in siblings for core in cores_of(text)]
    found = {"proc/self/status": f"Cpus_allowed_list:\t{allowed or cpus_text(every)}"}
    for text in siblings:
        found |= {f"{CPU}/cpu{core}/topology/thread_siblings_list": text for core in cores_of(text)}
    found |= {f"{NODE}/node{number}/cpulist": text for number, text in enumerate(nodes)}
    return write(root, found | files.get("more", {}))


def order(root):
    return [one.number for one in logical_cores(root)]


def counts(root):
    cores = logical_cores(root)
    return counts_up_to(cores, usable_threads(cores, root))


def quota(cores):
    return {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": f"{int(cores * 100_000)} 100000"}


def test_every_physical_core_of_a_node_comes_before_the_next_node_and_siblings_come_last(tmp_path):
    root = machine(tmp_path, ["0,4", "1,5", "2,6", "3,7"], ["0,2,4,6", "1,3,5,7"])
    assert order(root) == [0, 2, 1, 3, 4, 6, 5, 7]
    assert counts(root) == (1, 2, 4, 8)


def test_neighbouring_numbers_may_be_siblings(tmp_path):
    assert order(machine(tmp_path, ["0-1", "2-3"])) == [0, 2, 1, 3]


def test_two_cores_without_smt_are_two_counts(tmp_path):
    assert counts(machine(tmp_path, ["0", "1"])) == (1, 2)


def test_the_number_of_physical_cores_is_a_count_although_it_is_no_power_of_two(tmp_path):
    assert counts(machine(tmp_path, [f"{core},{core + 6}" for core in range(6)])) == (1, 2, 4, 6, 12)


def test_a_mask_with_holes_is_used_as_it_is(tmp_path):
    root = machine(tmp_path, ["0,4", "1,5", "2,6", "3,7"], allowed="1,3,7")
    assert order(root) == [1, 3, 7]
    assert counts(root) == (1, 2, 3)
    assert describe([3, 7], root)["physical_cores"] == 1


def test_a_sibling_whose_first_thread_may_not_be_used_is_a_core_of_its_own(tmp_path):
    root = machine(tmp_path, ["0,2", "1,3"], allowed="0,3")
    assert [one.sibling for one in logical_cores(root)] == [0, 0]


def test_fast_cores_of_a_hybrid_processor_come_first(tmp_path):
    more = {"sys/devices/cpu_core/cpus": "2-5", "sys/devices/cpu_atom/cpus": "0-1"}
    root = machine(tmp_path, ["0", "1", "2-3", "4-5"], more=more)
    assert order(root) == [2, 4, 0, 1, 3, 5]
    assert counts(root) == (1, 2, 4, 6)
    assert describe([2, 4, 0], root)["core_kinds"] == 2


def test_capacities_of_arm_name_the_kinds_too(tmp_path):
    more = {f"{CPU}/cpu{core}/cpu_capacity": capacity for core, capacity in enumerate((446, 446, 1024))}
    assert order(machine(tmp_path, ["0", "1", "2"], more=more)) == [2, 0, 1]


@pytest.mark.parametrize(("cores", "expected"), [(0.5, (1,)), (1.0, (1,)), (2.5, (1, 2, 3)), (64, (1, 2, 4, 8))])
def test_a_quota_limits_the_counts_and_below_one_core_leaves_one_thread(tmp_path, cores, expected):
    root = machine(tmp_path, ["0,4", "1,5", "2,6", "3,7"], more=quota(cores))
    assert counts(root) == expected


def test_a_system_that_names_no_cores_has_none(tmp_path):
    assert logical_cores(tmp_path) == []
    assert describe([], tmp_path) == {}


def test_copies_get_cores_of_their_own_and_whole_physical_ones(tmp_path):
    cores = logical_cores(machine(tmp_path, ["0,4", "1,5", "2,6", "3,7"]))
    assert share_cores(cores, 2, 2) == [[0, 1], [2, 3]]
    assert share_cores(cores, 4, 2) == [[0, 4], [1, 5], [2, 6], [3, 7]]
    with pytest.raises(BenchError, match="3 times 3 threads need 9 cores, and this process may use 8"):
        share_cores(cores, 3, 3)


@given(st.sets(st.integers(0, 300)))
def test_a_list_of_cores_reads_back(cores):
    assert set(cores_of(cpus_text(cores))) == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity: run on Linux")
def test_pinning_ends_with_its_block():
    before = own_cores()
    with pinned([min(before)]):
        assert own_cores() == {min(before)}
    assert own_cores() == before
    with pinned([]):
        assert own_cores() == before
