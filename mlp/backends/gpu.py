"""CUDA devices by index, and what the NVIDIA driver and the frameworks say about them."""

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
    """``cuda`` is 0, ``cuda:2`` is 2."""
    return int(device.partition(":")[2] or 0)


def check_index(device: str, count: int) -> Unavailable | None:
    """None if there is a GPU for ``device`` among ``count``."""
    if device_index(device) < count:
        return None
    return Unavailable(f"there is no {device}, only {count} GPU{'s' * (count != 1)}", "Choose cuda:0 or the next ones.")


def first_line(error: BaseException, most: int = 300) -> str:
    """A framework's complaint as one short line."""
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:most]
