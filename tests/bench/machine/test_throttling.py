"""Slowing of the CPU is the growth of Linux's counters; a machine without them is not an unthrottled one."""

import pytest
from fakes import write

from bench.machine.throttling import CpuThrottling


def machine(root, thermal=(), nr_throttled=None):
    for number, (core, package) in enumerate(thermal):
        counters = {"core_throttle_count": core, "package_throttle_count": package, "core_throttle_total_time_ms": 99}
        folder = f"sys/devices/system/cpu/cpu{number}/thermal_throttle"
        write(root, {f"{folder}/{name}": value for name, value in counters.items()})
    if nr_throttled is not None:
        write(root, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.stat": f"nr_throttled {nr_throttled}"})
    return CpuThrottling.read(root)


def test_events_of_all_cores_and_packages_are_summed(tmp_path):
    assert machine(tmp_path, thermal=[(1, 2), (3, 4)], nr_throttled=5) == CpuThrottling(thermal=10, quota=5)


def test_without_counters_nothing_is_known(tmp_path):
    assert machine(tmp_path) == CpuThrottling(thermal=None, quota=None)


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ((10, 5), (10, 5), []),
        ((10, 5), (11, 5), ["cpu thermal"]),
        ((10, 5), (10, 6), ["cgroup cpu quota"]),
        ((0, 0), (1, 1), ["cpu thermal", "cgroup cpu quota"]),
        ((None, 5), (None, 6), ["cgroup cpu quota"]),
        ((None, None), (3, 3), []),
    ],
)
def test_only_growth_is_throttling(before, after, reasons):
    assert CpuThrottling(*after).reasons_since(CpuThrottling(*before)) == reasons
