"""CUDA devices by index, and messages of the NVIDIA driver and the frameworks."""

from __future__ import annotations

from collections.abc import Sequence

from mlp.availability import Unavailable
from mlp.cuda_driver import NO_DRIVER, OLDEST_CUDA, UPDATE_DRIVER, Driver, driver, find_driver

__all__ = [
    "NO_DRIVER",
    "OLDEST_CUDA",
    "UPDATE_DRIVER",
    "Driver",
    "check_index",
    "device_index",
    "driver",
    "find_driver",
    "first_line",
]


def device_index(device: str) -> int:
    """Return the index of a device: 0 for ``cuda``, 2 for ``cuda:2``."""
    return int(device.partition(":")[2] or 0)


def check_index(device: str, count: int) -> Unavailable | None:
    """Return None if ``device`` exists among ``count`` GPUs, else the reason."""
    if device_index(device) < count:
        return None
    return Unavailable(f"there is no {device}, only {count} GPU{'s' * (count != 1)}", "Choose cuda:0 or the next ones.")


def first_line(error: BaseException, most: int = 300) -> str:
    """Return a framework's error as one short line."""
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:most]
