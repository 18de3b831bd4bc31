"""Mapping of CUDA devices to GPUs of NVML, which ignores CUDA_VISIBLE_DEVICES.

The rules are those of the CUDA Programming Guide, "CUDA Environment Variables".  They are implemented here because
querying CUDA would initialize it before a clock starts.  Ambiguous cases are errors: numbers of another GPU would be
worse than none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from bench.machine.nvml import Gpu, Nvml, NvmlUnavailable
from mlp.backends.gpu import device_index
from mlp.cuda_driver import visible_devices


def find_gpu(nvml: Nvml, device: str, environment: Mapping[str, str] = os.environ) -> Gpu:
    """Return the GPU that CUDA calls ``device`` (``cuda`` or ``cuda:<index>``) in a process with ``environment``.

    Raises
    ------
    NvmlUnavailable
        If the GPU is not found, does not respond, or is ambiguous.
    """
    index = device_index(device)
    names = visible_devices(environment)
    if names is not None:
        if index >= len(names):
            raise NvmlUnavailable(f"there is no {device}: CUDA_VISIBLE_DEVICES names {len(names)} GPUs for CUDA to see")
        if not names[index].isdigit():
            return _by_uuid(nvml, names[index])
        index = int(names[index])
    if index >= nvml.count():
        raise NvmlUnavailable(f"there is no GPU {index}, NVML knows {nvml.count()}")
    _require_bus_order(nvml, environment)
    gpu = nvml.gpu(index)
    if gpu.mig_mode():
        raise NvmlUnavailable(
            f"GPU {index} is divided into MIG instances: name the one to sample by its UUID in CUDA_VISIBLE_DEVICES"
        )
    return gpu


def num_visible(num_gpus: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of GPUs, of the machine's ``num_gpus``, that CUDA sees in a process with ``environment``."""
    names = visible_devices(environment)
    return num_gpus if names is None else min(num_gpus, len(names))


def _by_uuid(nvml: Nvml, name: str) -> Gpu:
    """Find a GPU by its UUID or a unique prefix of it, among those that respond."""
    if name.startswith("MIG-"):
        return nvml.gpu_by_uuid(name)
    gpus = []
    for index in range(nvml.count()):
        with suppress(NvmlUnavailable):  # another one that fell off the bus does not matter
            gpus.append(nvml.gpu(index))
    matching = [gpu for gpu in gpus if (gpu.uuid() or "").startswith(name)]
    if len(matching) != 1:
        raise NvmlUnavailable(f"CUDA_VISIBLE_DEVICES names a UUID that {len(matching)} GPUs have")
    return matching[0]


def _require_bus_order(nvml: Nvml, environment: Mapping[str, str]) -> None:
    """Raise NvmlUnavailable unless CUDA orders the GPUs by bus: by setting, or because all are equal."""
    if environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return
    if len({nvml.gpu(index).name() for index in range(nvml.count())}) > 1:
        raise NvmlUnavailable(
            "the GPUs differ, so CUDA may number them otherwise than NVML: set CUDA_DEVICE_ORDER=PCI_BUS_ID"
        )
