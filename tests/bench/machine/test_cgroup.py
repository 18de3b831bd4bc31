"""Limits of control groups, version 1 and 2, read from a folder that stands in for a machine's root."""

import pytest
from fakes import write

from bench.machine import cgroup

V1_UNLIMITED = 9_223_372_036_854_771_712  # what the kernel writes: the largest number of whole 4 KiB pages


def version_2(root, path="/", **files):
    """A machine whose process is in group ``path``; ``files`` are those of that group, dots written as underscores."""
    folder = f"sys/fs/cgroup{path.rstrip('/')}"
    content = {f"{folder}/{name.replace('_', '.', 1)}": text for name, text in files.items()}
    return write(root, {"proc/self/cgroup": f"0::{path}", **content})


def version_1(root, path="/", **files):
    """The same for version 1; ``files`` are named controller, two underscores, file with underscores."""
    content = {}
    for name, text in files.items():
        controller, _, file = name.partition("__")
        content[f"sys/fs/cgroup/{controller}{path.rstrip('/')}/{file.replace('_', '.', 1)}"] = text
    return write(root, {"proc/self/cgroup": f"4:memory:{path}\n2:cpu,cpuacct:{path}\n0::/", **content})


def test_a_quota_is_cores_per_period(tmp_path):
    assert cgroup.cpu_quota_cores(version_2(tmp_path, cpu_max="150000 100000")) == 1.5


def test_a_quota_of_version_1_is_cores_per_period(tmp_path):
    root = version_1(tmp_path, cpu__cpu_cfs_quota_us=250000, cpu__cpu_cfs_period_us=100000)
    assert cgroup.cpu_quota_cores(root) == 2.5


def test_no_limit_is_none_and_not_a_large_number(tmp_path):
    two = version_2(tmp_path / "2", cpu_max="max 100000", memory_max="max")
    one = version_1(
        tmp_path / "1",
        cpu__cpu_cfs_quota_us=-1,
        cpu__cpu_cfs_period_us=100000,
        memory__memory_limit_in_bytes=V1_UNLIMITED,
    )
    nowhere = tmp_path / "nowhere"
    for root in (two, one, nowhere):
        assert cgroup.cpu_quota_cores(root) is None
        assert cgroup.memory_limit_bytes(root) is None


def test_the_least_limit_of_all_enclosing_groups_counts(tmp_path):
    root = version_2(tmp_path, "/outer/inner", cpu_max="400000 100000", memory_max=2**33)
    write(root, {"sys/fs/cgroup/outer/cpu.max": "200000 100000", "sys/fs/cgroup/outer/memory.max": 2**34})
    assert cgroup.cpu_quota_cores(root) == 2.0
    assert cgroup.memory_limit_bytes(root) == 2**33


def test_memory_of_version_1_is_limited_in_bytes(tmp_path):
    assert cgroup.memory_limit_bytes(version_1(tmp_path, memory__memory_limit_in_bytes=2**32)) == 2**32


def test_free_memory_is_what_the_limit_leaves_and_old_pages_of_files(tmp_path):
    stat = "anon 500\ninactive_file 100\nactive_file 50"
    two = version_2(tmp_path / "2", memory_max=1000, memory_current=700, memory_stat=stat)
    one = version_1(
        tmp_path / "1", memory__memory_limit_in_bytes=1000, memory__memory_usage_in_bytes=700, memory__memory_stat=stat
    )
    assert cgroup.free_memory_bytes(two) == cgroup.free_memory_bytes(one) == 400
    assert cgroup.free_memory_bytes(version_2(tmp_path / "over", memory_max=1000, memory_current=1200)) == 0
    assert cgroup.free_memory_bytes(version_2(tmp_path / "max", memory_max="max", memory_current=700)) is None


def test_in_a_container_the_mounted_root_is_the_group(tmp_path):
    root = version_1(tmp_path, memory__memory_limit_in_bytes=2**32)
    write(root, {"proc/self/cgroup": "4:memory:/docker/0123456789"})
    assert cgroup.memory_limit_bytes(root) == 2**32


def test_a_group_of_another_controller_is_not_asked(tmp_path):
    root = version_1(tmp_path, "/mine", memory__memory_limit_in_bytes=2**32)
    write(root, {"proc/self/cgroup": "9:cpu:/mine", "sys/fs/cgroup/memory/mine/memory.limit_in_bytes": 2**20})
    assert cgroup.memory_limit_bytes(root) is None


@pytest.mark.parametrize("version", [version_1, version_2])
def test_throttled_periods_are_counted(tmp_path, version):
    stat = "nr_periods 90\nnr_throttled 7\nthrottled_usec 12345"
    root = version(tmp_path, **{"cpu__cpu_stat" if version is version_1 else "cpu_stat": stat})
    assert cgroup.throttled_periods(root) == 7


def test_a_group_without_a_quota_counts_no_periods(tmp_path):
    assert cgroup.throttled_periods(version_2(tmp_path, cpu_stat="usage_usec 5")) is None
