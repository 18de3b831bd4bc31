"""NVIDIA management library (NVML): constant facts and current readings of a GPU.

NVML queries the driver without CUDA, so that it takes no GPU memory and adds nothing to a timed region.  Values that a
card or its driver does not report are None, never 0.  UUIDs and serial numbers are not recorded.

Functions and units: NVML API Reference, "Device Queries".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from bench.errors import BenchError

# nvmlClocksEventReason* (before driver 535: nvmlClocksThrottleReason*) that hold the clock below what the work could
# use, named as in nvidia-smi's clocks_event_reasons.  A short hw slowdown may also be a change of power state.
THROTTLE_REASONS = {
    0x004: "gpu sw power cap",
    0x008: "gpu hw slowdown",
    0x010: "gpu sync boost",
    0x020: "gpu sw thermal slowdown",
    0x040: "gpu hw thermal slowdown",
    0x080: "gpu hw power brake slowdown",
    0x200: "gpu board limit",
    0x400: "gpu reliability",
}
# Not throttling: an idle GPU, and application or display clocks set by a user.
_NOT_THROTTLING = 0x001 | 0x002 | 0x100

# nvmlReturn_t of nvmlInit that a user can fix.
_INIT_ERRORS = {
    4: "this user may not ask the NVIDIA driver: give it access to /dev/nvidiactl",
    9: "the NVIDIA driver is not loaded: load its kernel module, or restart the machine",
    12: "no NVIDIA driver was found (libnvidia-ml.so.1 cannot be loaded)",
    18: "the NVIDIA driver's library does not match its kernel module: restart the machine, or reinstall the driver",
}


class NvmlUnavailable(BenchError):
    """NVML is not available; the message gives the reason in one sentence."""


@contextmanager
def opened(library: Any = None) -> Iterator[Nvml]:
    """Initialise NVML for the ``with`` block; ``library`` replaces ``pynvml`` in tests.

    Raises
    ------
    NvmlUnavailable
        If nvidia-ml-py or the driver is missing, or the driver does not answer.
    """
    if library is None:
        try:
            import pynvml as library
        except ImportError:
            raise NvmlUnavailable("nvidia-ml-py is not installed: pip install nvidia-ml-py") from None
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        raise NvmlUnavailable(_INIT_ERRORS.get(error.value, f"NVML does not start ({error})")) from error
    try:
        yield Nvml(library)
    finally:
        with suppress(library.NVMLError):  # the driver was unloaded meanwhile
            library.nvmlShutdown()


def describe_gpus(library: Any = None) -> tuple[list[dict[str, Any]], str | None]:
    """Return the facts of every GPU in NVML's order, and the reason why some or all are missing."""
    try:
        with opened(library) as nvml:
            found, problems = [], []
            for index in range(nvml.count()):
                try:
                    found.append(nvml.gpu(index).facts())
                except NvmlUnavailable as error:
                    problems.append(str(error))
            if not found and not problems:
                problems.append("the driver finds no GPU")
            return found, "; ".join(problems) or None
    except NvmlUnavailable as error:
        return [], str(error)


class Nvml:
    """Open NVML.  Indexes are NVML's, in the order of the PCI bus, independent of CUDA_VISIBLE_DEVICES."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def count(self) -> int:
        """Return the number of GPUs; raise NvmlUnavailable if the driver does not tell it."""
        count = self.ask("nvmlDeviceGetCount")
        if count is None:
            raise NvmlUnavailable("the NVIDIA driver does not tell this user how many GPUs there are")
        return count

    def gpu(self, index: int) -> Gpu:
        """Return a GPU by index; raise NvmlUnavailable if it does not respond."""
        return self._found(f"GPU {index}", "nvmlDeviceGetHandleByIndex", index)

    def gpu_by_uuid(self, uuid: str) -> Gpu:
        """Return a GPU or MIG instance by its full UUID; raise NvmlUnavailable if not found or not responding."""
        return self._found("the GPU that CUDA_VISIBLE_DEVICES names", "nvmlDeviceGetHandleByUUID", uuid)

    def ask(self, function: str, *arguments: Any) -> Any:
        """Call ``function``; return None if card, driver, nvidia-ml-py or the user's rights do not support it.

        AttributeError: an older nvidia-ml-py lacks the function.  UnicodeDecodeError: it decodes names as UTF-8, and a
        driver may give other bytes.
        """
        try:
            return getattr(self._library, function)(*arguments)
        except (self._library.NVMLError, AttributeError, UnicodeDecodeError):
            return None

    def _found(self, what: str, function: str, key: int | str) -> Gpu:
        try:
            return Gpu(self, getattr(self._library, function)(key))
        except self._library.NVMLError as error:
            raise NvmlUnavailable(f"{what} does not respond ({error})") from error


class Gpu:
    """GPU, or MIG instance, which reports its memory but not the card's clocks, power or energy."""

    def __init__(self, nvml: Nvml, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle

    def facts(self) -> dict[str, Any]:
        """Return the constant facts, JSON-ready.

        PCIe generation and width are the maximum of card and slot together.  The ``_now`` values are current; an idle
        card lowers its generation, so a smaller one is not a fault.  ``other_processes_now`` compute on the card; those
        of other containers may be invisible, and show in the utilisation only.
        """
        capability = self._ask("nvmlDeviceGetCudaComputeCapability")
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        cuda_version = self._nvml.ask("nvmlSystemGetCudaDriverVersion")
        return {
            "name": self.name(),
            "compute_capability": None if capability is None else f"{capability[0]}.{capability[1]}",
            "driver": self._nvml.ask("nvmlSystemGetDriverVersion"),
            "cuda_version": None if cuda_version is None else f"{cuda_version // 1000}.{cuda_version % 1000 // 10}",
            "memory_bytes": None if memory is None else memory.total,
            "max_sm_clock_mhz": self._ask("nvmlDeviceGetMaxClockInfo", _CLOCK_SM),
            "power_limit_watts": _thousandth(self._ask("nvmlDeviceGetEnforcedPowerLimit")),
            "persistence_mode": _switch(self._ask("nvmlDeviceGetPersistenceMode")),
            "ecc_mode": _switch(_first(self._ask("nvmlDeviceGetEccMode"))),
            "mig_mode": self.mig_mode(),
            "pcie_generation": self._ask("nvmlDeviceGetMaxPcieLinkGeneration"),
            "pcie_generation_now": self._ask("nvmlDeviceGetCurrPcieLinkGeneration"),
            "pcie_width": self._ask("nvmlDeviceGetMaxPcieLinkWidth"),
            "pcie_width_now": self._ask("nvmlDeviceGetCurrPcieLinkWidth"),
            "other_processes_now": self._other_processes(),
            "utilization_percent_now": self._utilization_percent(),
            "sm_clock_mhz_now": self._sm_clock_mhz(),
            "throttle_reasons_now": self._throttle_reasons(),
        }

    def name(self) -> str | None:
        return self._ask("nvmlDeviceGetName")

    def uuid(self) -> str | None:
        """UUID to compare with CUDA_VISIBLE_DEVICES only: it identifies the card, so it is not recorded."""
        return self._ask("nvmlDeviceGetUUID")

    def mig_mode(self) -> bool | None:
        """Return whether the card is divided into MIG instances."""
        return _switch(_first(self._ask("nvmlDeviceGetMigMode")))

    def reading(self) -> dict[str, Any]:
        """Return the current state, JSON-ready.

        Memory and power are those of the whole card, for all its users.  Utilisation is the fraction of NVML's last
        sample period (1/6 s to 1 s) in which a kernel ran; it does not say how much of the card that kernel filled.
        From Ampere on, except on the A100, power is itself an average over one second.
        """
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        return {
            "gpu_memory_bytes": None if memory is None else memory.used,
            "sm_clock_mhz": self._sm_clock_mhz(),
            "power_watts": _thousandth(self._ask("nvmlDeviceGetPowerUsage")),
            "temperature_celsius": self._ask("nvmlDeviceGetTemperature", _TEMPERATURE_GPU),
            "gpu_utilization_percent": self._utilization_percent(),
            "throttle_reasons": self._throttle_reasons(),
        }

    def energy_joules(self) -> float | None:
        """Return the energy used by the whole card since its driver was loaded (Volta and newer)."""
        return _thousandth(self._ask("nvmlDeviceGetTotalEnergyConsumption"))

    def _sm_clock_mhz(self) -> int | None:
        return self._ask("nvmlDeviceGetClockInfo", _CLOCK_SM)

    def _utilization_percent(self) -> int | None:
        utilization = self._ask("nvmlDeviceGetUtilizationRates")
        return None if utilization is None else utilization.gpu

    def _other_processes(self) -> int | None:
        """Return the number of processes that compute on the card, without this one and its children."""
        running = self._ask("nvmlDeviceGetComputeRunningProcesses")
        if running is None:
            return None
        own = {process.pid for process in psutil.Process().children(recursive=True)} | {os.getpid()} if running else ()
        return sum(process.pid not in own for process in running)

    def _throttle_reasons(self) -> list[str] | None:
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:  # drivers before 535 have only the old name
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return None if bits is None else throttle_reasons(bits)

    def _ask(self, function: str, *arguments: Any) -> Any:
        return self._nvml.ask(function, self._handle, *arguments)


def throttle_reasons(bits: int) -> list[str]:
    """Return the names of the throttling reasons in ``bits``.

    Unknown bits count too, by number: with a driver newer than this table, a throttled clock must not look free.
    """
    bits &= ~_NOT_THROTTLING
    set_bits = (1 << position for position in range(bits.bit_length()) if bits >> position & 1)
    return [THROTTLE_REASONS.get(bit, f"gpu reason {bit:#x}") for bit in set_bits]


_CLOCK_SM = 1  # nvmlClockType_t: NVML_CLOCK_SM
_TEMPERATURE_GPU = 0  # nvmlTemperatureSensors_t: NVML_TEMPERATURE_GPU


def _thousandth(value: int | None) -> float | None:
    """Convert NVML's milliwatts and millijoules."""
    return None if value is None else value / 1000


def _switch(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _first(values: Any) -> Any:
    """Return the current mode; NVML returns it with the pending one."""
    return None if values is None else values[0]
