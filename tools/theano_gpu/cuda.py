"""Put CUDA's libraries where libgpuarray finds them: by names without a version, in the environment's ``lib``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlp.backends import gpu
from mlp.backends.base import Unavailable
from mlp.backends.theano.gpu import BUILD, DRIVER_LIBRARY, library_folder, toolkit_problem
from tools.theano_gpu.commands import PIP_INSTALL, BuildError, run

PINS = Path(__file__).resolve().parents[2] / "requirements" / "theano-gpu-cuda.txt"
OLDEST_CUDA = (12, 0)  # of NVRTC in PINS
OLDEST_DRIVER = "525.60"  # the first driver for CUDA 12.0 on Linux (CUDA Toolkit Release Notes, table 3)


def add(python: Path, load: Callable[[str], Any] = ctypes.CDLL) -> str:
    """Install the missing CUDA libraries into the environment of ``python``; return a sentence on the result.

    A toolkit on the loader's path is used as it is, unless its compiler is newer than the driver.

    Raises
    ------
    BuildError
        If the driver is too old for the pinned libraries, or they cannot be installed.
    """
    driver = gpu.driver(load)
    if isinstance(driver, Unavailable):
        return f"CUDA's libraries were left out, because {driver.reason}: run {BUILD} again where the GPU is."
    folder = library_folder(python)
    _link_driver(folder, load)
    if (folder / "libnvrtc.so").exists():
        return "CUDA's libraries are in the environment."
    problem = toolkit_problem(driver, load)
    if problem is None:
        return "CUDA's libraries are those on the loader's path."
    if driver.cuda_version < OLDEST_CUDA:
        raise BuildError(
            f"{problem.reason}, and the driver supports CUDA {driver.cuda_version[0]}.{driver.cuda_version[1]} while "
            f"the libraries to be installed instead need 12.0: update the driver to {OLDEST_DRIVER} or newer."
        )
    run(
        [python, PIP_INSTALL, "--requirement", PINS],
        "connect to a package index with these packages, or put a CUDA toolkit on LD_LIBRARY_PATH.",
    )
    link_wheels(python, folder)
    return f"CUDA's libraries were installed into the environment, because {problem.reason}."


def link_wheels(python: Path, folder: Path) -> None:
    """Link every library of the nvidia wheels into ``folder``, under its own name and under the one without version.

    Own names too, because NVRTC opens its built-ins and cuBLAS its other half by them.
    """
    site_packages = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], "").strip())
    for library in site_packages.glob("nvidia/*/lib/lib*.so.*"):
        plain = library.name.partition(".so.")[0] + ".so"
        for name in (library.name, plain):
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(library)


def _link_driver(folder: Path, load: Callable[[str], Any]) -> None:
    """Link ``libcuda.so`` if only ``libcuda.so.1`` exists, as in many containers."""
    try:
        load(DRIVER_LIBRARY)
    except OSError:
        link = folder / DRIVER_LIBRARY
        link.unlink(missing_ok=True)
        link.symlink_to(_loaded_from("libcuda.so"))


def _loaded_from(prefix: str) -> Path:
    """Return the file of a library that this process has loaded."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith(prefix):
            return path.with_name(f"{prefix}.1")  # the stable name of the versioned file
    raise BuildError(f"{prefix}.1 is loaded, but not from a file that can be linked: create a link {prefix} to it.")
