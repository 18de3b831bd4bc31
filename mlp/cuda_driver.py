"""Detection of the NVIDIA driver without any framework.

``make`` selects by it what to install, ``doctor`` and ``run`` what to measure, so that they agree.  It uses only the
standard library of Python 3.8 or newer, because ``make`` runs it before there is an environment.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlp.availability import Unavailable, read_answer

LIBRARY_LIMIT_SECONDS = 10.0  # the first cuInit with many GPUs and no persistence daemon takes seconds
BANNER_LIMIT_SECONDS = 5.0
OLDEST_CUDA = (12, 0)  # of the builds that JAX offers; PyPI's PyTorch is built for CUDA 13
# CUDA 13 has no code for GPUs before Turing (CUDA Toolkit 13.0 Release Notes, "Deprecated Architectures").
OLDEST_GPU_OF_CUDA_13 = (7, 5)
RESTART = "Restart the machine, or reinstall the driver."
UPDATE_DRIVER = "Update the NVIDIA driver: 525.60 is the first for CUDA 12, 580.65 the first for CUDA 13."

# CUresult of cuInit (CUDA Driver API, "Data types used by CUDA driver") with a remedy.
_CU_INIT_ERRORS = {
    2: ("the GPU has no memory left", "End the processes that nvidia-smi lists, then try again."),
    34: ("the CUDA library is a stub without a driver", "Install the NVIDIA driver."),
    46: ("the GPU is used exclusively by another process", "Wait for it to end; nvidia-smi shows it."),
    100: ("the driver finds no GPU", "Attach one, or check CUDA_VISIBLE_DEVICES."),
    101: ("the driver rejects the chosen GPU", "Check CUDA_VISIBLE_DEVICES."),
    803: ("the driver's library does not match its kernel module", RESTART),
    804: ("this GPU does not support the installed compatibility driver", "Install a driver that matches the GPU."),
}
NO_DRIVER = Unavailable(
    "no NVIDIA driver was found (libcuda.so.1 cannot be loaded)",
    "Run on a machine with an NVIDIA GPU and its driver, or measure device cpu.",
)

NO_ANSWER = Unavailable(f"the NVIDIA driver did not answer within {LIBRARY_LIMIT_SECONDS:g} s", RESTART)


@dataclass(frozen=True)
class Driver:
    """Working driver: the newest CUDA it supports, and the compute capability of each GPU, if known."""

    cuda_version: tuple[int, int]
    compute_capabilities: tuple[tuple[int, int], ...]

    @property
    def build(self) -> int:
        """Major CUDA version, 12 or 13, of the newest builds that this driver and all its GPUs can run."""
        new_gpus = all(capability >= OLDEST_GPU_OF_CUDA_13 for capability in self.compute_capabilities)
        return 13 if self.cuda_version >= (13, 0) and new_gpus else 12


def driver(load: Callable[[str], Any] = ctypes.CDLL) -> Driver | Unavailable:
    """Query the CUDA driver's library in this process; ``load`` opens a shared library, for tests."""
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
        major, minor = ctypes.c_int(), ctypes.c_int()
        cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, index)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, index)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
        capabilities.append((major.value, minor.value))
    return Driver((version.value // 1000, version.value % 1000 // 10), tuple(capabilities))


def find_driver(
    environment: Mapping[str, str] = os.environ,
    ask: Callable[[], Driver | Unavailable] | None = None,
    banner: Callable[[], Driver | Unavailable] | None = None,
) -> Driver | Unavailable:
    """Return a driver that can run current builds on a visible GPU; else the reason why not.

    A separate process queries the driver's library within a time limit: a broken driver may crash or hang.  Without
    that library the banner of nvidia-smi is parsed.
    """
    if visible_devices(environment) == []:
        value = environment["CUDA_VISIBLE_DEVICES"]
        return Unavailable(f"CUDA_VISIBLE_DEVICES={value} hides every GPU", "Unset it, or measure device cpu.")
    answer = (ask or driver_elsewhere)()
    if answer == NO_DRIVER:
        answer = (banner or _driver_of_banner)()
    if isinstance(answer, Driver) and answer.cuda_version < OLDEST_CUDA:
        return Unavailable(
            "the NVIDIA driver supports CUDA {}.{}, and JAX and PyTorch have no build for less than CUDA 12".format(
                *answer.cuda_version
            ),
            UPDATE_DRIVER,
        )
    return answer


def visible_devices(environment: Mapping[str, str] = os.environ) -> list[str] | None:
    """Return the indexes and UUIDs in CUDA_VISIBLE_DEVICES; None if it is unset.

    An entry that is neither, such as -1, ends the list.  Source: CUDA Programming Guide, "CUDA Environment Variables".
    """
    value = environment.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return None
    names: list[str] = []
    for name in (part.strip() for part in value.split(",")):
        if not ((name.isascii() and name.isdigit()) or name.startswith(("GPU-", "MIG-"))):
            break
        names.append(name)
    return names


def driver_elsewhere() -> Driver | Unavailable:
    """Call ``driver`` in a separate process, within a time limit."""
    project = str(Path(__file__).resolve().parent.parent)
    code = f"import sys; sys.path.insert(0, {project!r}); from mlp.cuda_driver import answer; answer()"
    try:
        ended = _run([sys.executable, "-I", "-c", code], LIBRARY_LIMIT_SECONDS)
    except OSError as error:
        return Unavailable(f"{sys.executable} cannot be started ({error.strerror})", "Use a Python that you may run.")
    if ended is None:
        return NO_ANSWER
    exit_code, text = ended
    if exit_code:
        how = f"crashed ({signal.Signals(-exit_code).name})" if exit_code < 0 else f"ended with exit code {exit_code}"
        return Unavailable(f"asking the NVIDIA driver {how}", RESTART)
    try:
        fields = read_answer(text)
    except ValueError:
        return Unavailable("asking the NVIDIA driver gave no answer", RESTART)
    if "reason" in fields:
        return Unavailable(**fields)
    return Driver(tuple(fields["cuda_version"]), tuple(map(tuple, fields["compute_capabilities"])))


def answer() -> None:
    """Print the answer of ``driver`` as a line of JSON."""
    print(json.dumps(asdict(driver())))


def _driver_of_banner() -> Driver | Unavailable:
    try:
        ended = _run(["nvidia-smi"], BANNER_LIMIT_SECONDS)
    except OSError:
        return NO_DRIVER
    if ended is None:
        return Unavailable(f"nvidia-smi did not answer within {BANNER_LIMIT_SECONDS:g} s", RESTART)
    return driver_in_banner(*ended)


def driver_in_banner(exit_code: int, text: str) -> Driver | Unavailable:
    """Parse the banner of nvidia-smi: ``CUDA Version: 12.4``, from driver 610 on ``CUDA UMD Version: 13.3``."""
    found = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\S+)", text)
    version = re.fullmatch(r"(\d+)\.(\d+)", found[1]) if found else None
    if exit_code == 0 and version:
        return Driver((int(version[1]), int(version[2])), ())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if found and not version:
        words = f"CUDA Version: {found[1]}"
    else:
        words = (lines[0] if lines else "nothing")[:200].rstrip(".")
    ending = f" and exit code {exit_code}" if exit_code else ""
    return Unavailable(f"nvidia-smi answers: {words}{ending}", RESTART)


def _run(argv: list[str], limit_seconds: float) -> tuple[int, str] | None:
    """Return exit code and output of a process; None if it was killed because it ran longer than ``limit_seconds``.

    A process that waits for a broken driver may survive SIGKILL, so its end is not awaited.
    """
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None
    return process.returncode, output.decode(errors="replace")
