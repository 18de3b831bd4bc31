"""Clock of cores while work runs on them, as the kernel shows it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.machine.fitness import CPU
from bench.machine.process_sampler import PeriodicSampler
from bench.machine.sysfs import ROOT, read, read_number

INTERVAL_SECONDS = 0.25


def clock_mhz(cores: Collection[int], root: Path = ROOT) -> float | None:
    """Return the mean current clock of ``cores`` in MHz; None if the kernel shows none.

    From cpufreq, else from /proc/cpuinfo, where many virtual machines show one constant number.
    """
    khz = [read_number(root / CPU / f"cpu{core}/cpufreq/scaling_cur_freq") for core in cores]
    if khz and None not in khz:
        return fmean(khz) / 1000
    blocks = re.split(r"\n\s*\n", read(root / "proc/cpuinfo") or "")
    found = [(_field(block, "processor"), _field(block, "cpu MHz")) for block in blocks]
    mhz = [float(value) for number, value in found if number and value and int(number) in cores]
    return fmean(mhz) if mhz else None


def _field(block: str, name: str) -> str | None:
    match = re.search(rf"^{name}\s*:\s*([\d.]+)\s*$", block, re.MULTILINE)
    return match[1] if match else None


class ClockSampler(PeriodicSampler):
    """Context manager around work; ``mean_mhz`` is the mean clock of ``cores`` meanwhile, None if unknown."""

    def __init__(self, cores: Collection[int], root: Path = ROOT) -> None:
        super().__init__(INTERVAL_SECONDS)
        self._cores, self._root = cores, root

    def read(self) -> dict[str, Any] | None:
        mhz = clock_mhz(self._cores, self._root)
        return None if mhz is None else {"clock_mhz": mhz}

    @property
    def mean_mhz(self) -> float | None:
        return fmean(one["clock_mhz"] for one in self.timeline) if self.timeline else None
