"""``python -m tools.theano_gpu.opencl``: check if libgpuarray can compute through OpenCL on the CPU."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

LIBRARIES = ("libOpenCL.so", "libclblast.so")  # as libgpuarray 0.7.6 opens them; the second one multiplies matrices
INSTALL = (
    "run apt-get install --no-install-recommends pocl-opencl-icd ocl-icd-opencl-dev libclblast-dev as administrator."
)


def missing(load: Callable[[str], Any] = ctypes.CDLL) -> str | None:
    """Return a sentence on a missing part of OpenCL; None if a platform is available."""
    for name in LIBRARIES:
        try:
            load(name)
        except OSError:
            return f"{name} is not on the loader's path: {INSTALL}"
    count = ctypes.c_uint()
    load("libOpenCL.so").clGetPlatformIDs(0, None, ctypes.byref(count))
    return None if count.value else f"OpenCL has no platform, such as PoCL, to compute on: {INSTALL}"


if __name__ == "__main__":
    if sentence := missing():
        sys.exit(f"error: {sentence}")
