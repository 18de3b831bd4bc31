"""Was the CPU slowed down meanwhile?  Linux counts it: by heat in each core and package, by quota in each cgroup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.machine import cgroup
from bench.machine.sysfs import ROOT, read_number

THERMAL, QUOTA = "cpu thermal", "cgroup cpu quota"


@dataclass(frozen=True)
class CpuThrottling:
    """Event counts since the machine, or the group, was started; None where Linux does not count them.

    The thermal ones are kept by Intel's driver on real hardware; virtual machines and other CPUs have none.
    """

    thermal: int | None
    quota: int | None

    @classmethod
    def read(cls, root: Path = ROOT) -> CpuThrottling:
        files = root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
        counts = [count for count in map(read_number, files) if count is not None]
        return cls(sum(counts) if counts else None, cgroup.throttled_periods(root))

    def reasons_since(self, before: CpuThrottling) -> list[str]:
        """Which kinds happened after ``before`` was read."""
        kinds = ((THERMAL, before.thermal, self.thermal), (QUOTA, before.quota, self.quota))
        return [name for name, earlier, later in kinds if None not in (earlier, later) and later > earlier]
