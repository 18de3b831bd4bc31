"""Is there an NVIDIA GPU, and does its driver answer?  Asked of the driver itself, before any framework is started."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlp.backends.base import Unavailable

# CUresult of cuInit (CUDA Driver API, "Data types used by CUDA driver") that a user can do something about.
_CU_INIT_ERRORS = {
    2: ("the GPU has no memory left", "End the processes that nvidia-smi lists, then try again."),
    34: ("the CUDA library is a stub without a driver", "Install the NVIDIA driver."),
    46: ("the GPU is used exclusively by another process", "Wait for it to end; nvidia-smi shows it."),
    100: ("the driver finds no GPU", "Attach one, or check CUDA_VISIBLE_DEVICES."),
    101: ("the driver rejects the chosen GPU", "Check CUDA_VISIBLE_DEVICES."),
    803: ("the driver's library does not match its kernel module", "Restart the machine, or reinstall the driver."),
    804: ("this GPU does not support the installed compatibility driver", "Install a driver that matches the GPU."),
}
NO_DRIVER = Unavailable(
    "no NVIDIA driver was found (libcuda.so.1 cannot be loaded)",
    "Run on a machine with an NVIDIA GPU and its driver, or measure device cpu.",
)


@dataclass(frozen=True)
class Driver:
    """A driver that answers: the newest CUDA it supports, and the compute capability of each GPU."""

    cuda_version: tuple[int, int]
    compute_capabilities: tuple[tuple[int, int], ...]


def driver(load: Callable[[str], Any] = ctypes.CDLL) -> Driver | Unavailable:
    """What the CUDA driver says; ``load`` opens a shared library, for tests."""
    try:
        cuda = load("libcuda.so.1")
    except OSError:
        return NO_DRIVER
    code = cuda.cuInit(0)
    if code:
        reason, remedy = _CU_INIT_ERRORS.get(code, ("the CUDA driver does not start", "nvidia-smi may say more."))
        return Unavailable(f"{reason} (cuInit returned {code})", remedy)
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        return Unavailable(*_CU_INIT_ERRORS[100])
    capabilities = []
    for index in range(count.value):
        parts = []
        for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
            value = ctypes.c_int()
            cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, index)
            parts.append(value.value)
        capabilities.append(tuple(parts))
    return Driver((version.value // 1000, version.value % 1000 // 10), tuple(capabilities))


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
