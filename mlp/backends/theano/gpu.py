"""Theano on a GPU: its environment, and the probe of its requirements.

Theano uses a GPU through libgpuarray and pygpu, which still exist as Debian's binaries for Python 3.11 and NumPy 1.
``make theano-gpu`` unpacks them into a separate environment.  The probe changes nothing and imports neither Theano nor
pygpu, which would initialize the device.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlp.backends import gpu
from mlp.backends.base import Available, Unavailable

ENVIRONMENT = Path(__file__).resolve().parents[3] / ".venv-theano-gpu"
PYTHON_VARIABLE = "MLP_BENCH_THEANO_GPU_PYTHON"
# Names that libgpuarray 0.7.6 opens at run time (src/loaders), exactly these, without a version.
DRIVER_LIBRARY = "libcuda.so"
TOOLKIT_LIBRARIES = ("libnvrtc.so", "libcublas.so")
# libgpuarray formats the architecture in a buffer of two digits, so that compute_100 becomes compute_10.
FIRST_UNNAMEABLE_CAPABILITY = 10

BUILD = "make theano-gpu"
Load = Callable[[str], Any]


def interpreter() -> Path:
    """Return the environment's Python, or the one in MLP_BENCH_THEANO_GPU_PYTHON."""
    named = os.environ.get(PYTHON_VARIABLE)
    return Path(named).expanduser() if named else ENVIRONMENT / "bin" / "python"


def library_folder(python: Path) -> Path:
    """Return the folder of libgpuarray and of links to CUDA's libraries in the environment of ``python``."""
    return python.parent.parent / "lib"


def interpreter_variables() -> dict[str, str]:
    """Return LD_LIBRARY_PATH with the environment's libraries first; the loader reads it at process start."""
    folders = [str(library_folder(interpreter())), os.environ.get("LD_LIBRARY_PATH")]
    return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, folders))}


def examine(
    device: str,
    load: Load = ctypes.CDLL,
    find_module: Callable[[str], Any] = importlib.util.find_spec,
) -> Available | Unavailable:
    """Check if Theano can use ``device``, a CUDA device, from this process.

    Reasons that no installation can remove come first.  ``load`` opens a shared library, ``find_module`` a Python
    module.
    """
    driver = gpu.driver(load)
    if isinstance(driver, Unavailable):
        return driver
    problem = (
        gpu.check_index(device, len(driver.compute_capabilities))
        or _capability_problem(device, driver)
        or _environment_problem(find_module)
        or _library_problem("libgpuarray.so.3", load)
        or _library_problem(DRIVER_LIBRARY, load)
        or toolkit_problem(driver, load)
    )
    return problem or Available(
        "Theano 1.0.5 through pygpu and libgpuarray, "
        f"NVRTC {_dotted(_nvrtc_version(load))}, driver for CUDA {_dotted(driver.cuda_version)}"
    )


def toolkit_problem(driver: gpu.Driver, load: Load = ctypes.CDLL) -> Unavailable | None:
    """Return the problem of the CUDA toolkit that this process would load; None if ``driver`` supports it."""
    for name in TOOLKIT_LIBRARIES:
        if problem := _library_problem(name, load):
            return problem
    version = _nvrtc_version(load)
    if version > driver.cuda_version:
        return Unavailable(
            f"NVRTC {_dotted(version)} is newer than the driver, which supports CUDA {_dotted(driver.cuda_version)} "
            "and would refuse its code",
            f"Update the driver, or let {BUILD} install an older NVRTC.",
        )
    return None


def _capability_problem(device: str, driver: gpu.Driver) -> Unavailable | None:
    capability = driver.compute_capabilities[gpu.device_index(device)]
    if capability[0] < FIRST_UNNAMEABLE_CAPABILITY:
        return None
    return Unavailable(
        f"{device} has compute capability {_dotted(capability)}, and libgpuarray 0.7.6 can name none from "
        f"{FIRST_UNNAMEABLE_CAPABILITY}.0 on",
        "Use a GPU of the Hopper generation or older, or another backend.",
    )


def _environment_problem(find_module: Callable[[str], Any]) -> Unavailable | None:
    if find_module("pygpu") is not None:
        return None
    python = interpreter()
    if not python.exists():
        remedy = f"Correct {PYTHON_VARIABLE}." if os.environ.get(PYTHON_VARIABLE) else f"Run {BUILD}."
        return Unavailable(f"Theano's GPU environment was not found ({python} does not exist)", remedy)
    if python.parent.parent.resolve() == Path(sys.prefix).resolve():  # prefixes, because its Python is a link
        return Unavailable(f"pygpu is missing from Theano's GPU environment ({python})", f"Run {BUILD} again.")
    return Unavailable(
        "pygpu is not installed for this Python, only in Theano's GPU environment",
        f"Start {python} instead, with LD_LIBRARY_PATH={library_folder(python)}.",
    )


def _library_problem(name: str, load: Load) -> Unavailable | None:
    try:
        load(name)
    except OSError:
        folder = library_folder(interpreter())
        return Unavailable(
            f"{name}, which libgpuarray opens by exactly that name, is not on the loader's path",
            f"Run {BUILD}; by hand, start Python with LD_LIBRARY_PATH={folder}.",
        )
    return None


def _nvrtc_version(load: Load) -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    load("libnvrtc.so").nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def _dotted(version: tuple[int, int]) -> str:
    return "{}.{}".format(*version)
