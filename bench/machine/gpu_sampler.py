"""GPU sampling during work: memory, clock, power, temperature, throttling, and energy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

from bench.machine import nvml
from bench.machine.cuda_device import find_gpu
from bench.machine.nvml import Gpu, NvmlUnavailable
from bench.machine.process_sampler import PeriodicSampler

# Energy of shorter work is not reported.  Power and energy counter are refreshed in steps of tens of milliseconds, and
# power may be an average over the last second: Yang, Adamek and Armour, "Part-time Power Measurements: nvidia-smi's
# Lack of Attention", 2023 (arXiv 2312.02741).
MIN_ENERGY_SECONDS = 2.0


class GpuSampler(PeriodicSampler):
    """Sampler of ``Gpu.reading`` of the GPU that CUDA calls ``device``, beginning at time 0.

    If NVML or the GPU is not available, there are no samples, and ``reason`` says why.
    """

    def __init__(
        self,
        device: str,
        interval_seconds: float = 0.1,
        clock: Callable[[], float] = time.perf_counter,
        library: Any = None,
    ) -> None:
        super().__init__(interval_seconds, clock)
        self._device = device
        self._library = library
        self._opened = ExitStack()
        self._gpu: Gpu | None = None
        self._energy_joules: list[float | None] = [None, None]  # counter of the card at start and end
        self.reason: str | None = None

    def start(self) -> None:
        try:
            self._gpu = find_gpu(self._opened.enter_context(nvml.opened(self._library)), self._device)
        except NvmlUnavailable as error:
            self.reason = str(error)
        super().start()
        self._energy_joules[0] = self._gpu and self._gpu.energy_joules()
        self.take()

    def read(self) -> dict[str, Any] | None:
        return None if self._gpu is None else self._gpu.reading()

    def finish(self) -> None:
        self._energy_joules[1] = self._gpu and self._gpu.energy_joules()
        super().finish()
        self._gpu = None
        self._opened.close()

    @property
    def seconds_until_energy(self) -> float:
        """Seconds until the energy of the work is measurable; 0 if it is, or never will be."""
        if self._gpu is None:
            return 0.0
        return max(0.0, self._start_seconds + MIN_ENERGY_SECONDS - self._clock())

    @property
    def peak_memory_bytes(self) -> int | None:
        """Largest sample of the whole card in bytes; a peak between two samples is missed."""
        return max(self._known("gpu_memory_bytes"), default=None)

    @property
    def throttle_reasons(self) -> list[str] | None:
        """Throttle reasons of all samples in order of appearance; None if not available."""
        reasons = self._known("throttle_reasons")
        return list(dict.fromkeys(reason for sample in reasons for reason in sample)) if reasons else None

    def energy(self) -> tuple[float | None, str | None]:
        """Joules of the whole card from the first to the last sample, and their source.

        ``counter`` is the card's energy counter; ``power samples`` the trapezoidal rule over sampled power, for cards
        without one.  Both are None if the time was too short or the card provides neither.
        """
        if not self.timeline or self.timeline[-1]["t_seconds"] < MIN_ENERGY_SECONDS:
            return None, None
        before, after = self._energy_joules
        if before is not None and after is not None:
            # A counter that did not increase, or was reset with the driver, is ignored.
            return (after - before, "counter") if after > before else (None, None)
        powers = [(sample["t_seconds"], sample["power_watts"]) for sample in self.timeline]
        if any(watts is None for _, watts in powers):
            return None, None
        areas = ((t2 - t1) * (p1 + p2) / 2 for (t1, p1), (t2, p2) in pairwise(powers))
        return math.fsum(areas), "power samples"

    def _known(self, quantity: str) -> list[Any]:
        return [sample[quantity] for sample in self.timeline if sample[quantity] is not None]
