"""Monitoring during timed work: throttling and, on a GPU, its samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.machine.gpu_sampler import GpuSampler
from bench.machine.throttling import CpuThrottling


class Watch:
    """Context manager around the work; ``extra_info`` afterwards returns the values for the record."""

    def __init__(
        self,
        device: str,
        make_sampler: Callable[[str], GpuSampler] = GpuSampler,
        read_cpu: Callable[[], CpuThrottling] = CpuThrottling.read,
    ) -> None:
        self._gpu = None if device == "cpu" else make_sampler(device)
        self._read_cpu = read_cpu

    def __enter__(self) -> Watch:
        if self._gpu is not None:
            self._gpu.__enter__()
        self._cpu_before = self._read_cpu()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._cpu_after = self._read_cpu()
        if self._gpu is not None:
            self._gpu.__exit__(*exc_info)

    def wants_more(self) -> bool:
        """True if the work has been too short to measure the GPU's energy."""
        return self._gpu is not None and self._gpu.seconds_until_energy > 0

    def extra_info(self, num_epochs: int | None = None) -> dict[str, Any]:
        """Return JSON-serializable values; ``num_epochs`` is the number of equal epochs, if the work was only these.

        ``throttled`` is True if throttling was observed, False if the counters of the device of this work (the GPU's
        clocks, or the CPU's thermal counters) observed none, and None if these are not available.
        """
        cpu_reasons = self._cpu_after.reasons_since(self._cpu_before)
        if self._gpu is None:
            return _throttling(cpu_reasons, is_known=self._cpu_after.thermal is not None)
        gpu_reasons = self._gpu.throttle_reasons
        joules, source = self._gpu.energy()
        return {
            **_throttling([*(gpu_reasons or []), *cpu_reasons], is_known=gpu_reasons is not None),
            "gpu_timeline": self._gpu.timeline,
            "gpu_reason": self._gpu.reason,
            "peak_gpu_memory_bytes": self._gpu.peak_memory_bytes,
            "energy_joules": joules,
            "energy_per_epoch_joules": joules / num_epochs if joules is not None and num_epochs else None,
            "energy_source": source,
        }


def _throttling(reasons: list[str], is_known: bool) -> dict[str, Any]:
    if not reasons and not is_known:
        return {"throttled": None, "throttle_reasons": None}
    return {"throttled": bool(reasons), "throttle_reasons": reasons}
