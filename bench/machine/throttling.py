"""CPU throttling counted by Linux: thermal events of each core and package, quota events of each cgroup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.machine import cgroup
from bench.machine.sysfs import ROOT, read_number

THERMAL, QUOTA = "cpu thermal", "cgroup cpu quota"


def thermal_throttle_events(root: Path) -> int | None:
    """Return the thermal events of all cores and packages since the start of the machine; None if not counted."""
    files = root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [count for count in map(read_number, files) if count is not None]
    return sum(counts) if counts else None


@dataclass(frozen=True)
class CpuThrottling:
    """Event counts since the start of the machine or group; None if Linux does not count them.

    Thermal counts exist with Intel's driver on real hardware only, not in virtual machines or for other CPUs.
    """

    thermal: int | None
    quota: int | None

    @classmethod
    def read(cls, root: Path = ROOT) -> CpuThrottling:
        return cls(thermal_throttle_events(root), cgroup.throttled_periods(root))

    def reasons_since(self, before: CpuThrottling) -> list[str]:
        """Return the kinds of throttling since ``before`` was read."""
        kinds = ((THERMAL, before.thermal, self.thermal), (QUOTA, before.quota, self.quota))
        return [name for name, earlier, later in kinds if None not in (earlier, later) and later > earlier]
