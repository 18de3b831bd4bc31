"""Energy of the processor packages, as Linux's powercap (RAPL) counts it.

Kernels since 5.10 let only root read the counters; ``problem`` says what allows it to others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bench.machine.process_sampler import PeriodicSampler
from bench.machine.sysfs import ROOT, read, read_number

ZONES = "sys/class/powercap"
INTERVAL_SECONDS = 30.0  # a counter of 65 kJ wraps around after 160 s at 400 W
ALLOW = "sudo chmod a+r /sys/class/powercap/*/energy_uj allows it until the next start"


class PackageCounter:
    """Counter of one package; ``joules`` is what it counted since the first reading, wrap-around included."""

    def __init__(self, zone: Path) -> None:
        self._zone = zone
        self._range_uj = read_number(zone / "max_energy_range_uj")
        self._last_uj = read_number(zone / "energy_uj")
        self.joules: float | None = None if self._last_uj is None else 0.0

    def update(self) -> None:
        """Read the counter; the energy is unknown if that fails, or it fell and its range is unknown."""
        now_uj = read_number(self._zone / "energy_uj")
        if self.joules is None or now_uj is None or (now_uj < self._last_uj and self._range_uj is None):
            self.joules = None
            return
        gained = now_uj - self._last_uj
        self.joules += (gained if gained >= 0 else gained + self._range_uj) * 1e-6
        self._last_uj = now_uj


def packages(root: Path = ROOT) -> list[Path]:
    """Return the zones of whole packages; parts, the platform and the copy in intel-rapl-mmio would count twice."""
    return [
        zone
        for zone in sorted((root / ZONES).glob("intel-rapl:*"))
        if (read(zone / "name") or "").startswith("package")
    ]


def problem(root: Path = ROOT, may_read: Callable[[Path, int], bool] = os.access) -> str | None:
    """Return the reason why the energy of this CPU cannot be read, with what allows it; None if it can."""
    zones = packages(root)
    if not zones:
        return "the kernel shows no energy counters of the processor (powercap); virtual machines have none"
    if not all(may_read(zone / "energy_uj", os.R_OK) for zone in zones):
        return f"the processor's energy counters may be read by root only: {ALLOW}"
    return None


class CpuEnergySampler(PeriodicSampler):
    """Context manager around work; ``joules`` is the energy of all packages meanwhile, None if it cannot be read."""

    def __init__(self, root: Path = ROOT, interval_seconds: float = INTERVAL_SECONDS) -> None:
        super().__init__(interval_seconds)
        self._root = root
        self._counters: list[PackageCounter] = []

    def start(self) -> None:
        super().start()
        self._counters = [PackageCounter(zone) for zone in packages(self._root)]

    def read(self) -> None:
        for counter in self._counters:
            counter.update()

    @property
    def joules(self) -> float | None:
        joules = [counter.joules for counter in self._counters]
        return sum(joules) if joules and None not in joules else None
