"""Stands in for the module ``pynvml``: GPUs whose answers are literals, in NVML's own units."""

import inspect
from types import SimpleNamespace

import pynvml

SYSTEM = {"nvmlSystemGetDriverVersion": "580.65.06", "nvmlSystemGetCudaDriverVersion": 13000}

H200 = {
    "nvmlDeviceGetName": "NVIDIA H200",
    "nvmlDeviceGetUUID": "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
    "nvmlDeviceGetCudaComputeCapability": (9, 0),
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=150_754_820_096, used=2**30),
    "nvmlDeviceGetMaxClockInfo": 1980,
    "nvmlDeviceGetEnforcedPowerLimit": 700_000,
    "nvmlDeviceGetPersistenceMode": 1,
    "nvmlDeviceGetEccMode": [1, 1],
    "nvmlDeviceGetMigMode": [0, 0],
    "nvmlDeviceGetMaxPcieLinkGeneration": 5,
    "nvmlDeviceGetCurrPcieLinkGeneration": 1,
    "nvmlDeviceGetMaxPcieLinkWidth": 16,
    "nvmlDeviceGetCurrPcieLinkWidth": 16,
    "nvmlDeviceGetClockInfo": 1785,
    "nvmlDeviceGetPowerUsage": 412_500,
    "nvmlDeviceGetTemperature": 51,
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=97, memory=12),
    "nvmlDeviceGetCurrentClocksEventReasons": 0,
    "nvmlDeviceGetTotalEnergyConsumption": 1_000_000,
    "nvmlDeviceGetComputeRunningProcesses": [],
}
UNSUPPORTED = {"nvmlDeviceGetName": "Old GPU"}  # everything else raises NVMLError_NotSupported


class FakeNvml:
    """``gpus`` map names of functions to answers: a value, an exception, or a callable that gives one of them.

    What a GPU does not list is not supported; a GPU that is an exception has no handle.  Names and arguments are those
    of the real pynvml, or the call fails as it would there.  ``calls`` holds (name, arguments).
    """

    NVMLError = pynvml.NVMLError

    def __init__(self, *gpus, init_error=None, mig=None, count=None):
        self._gpus = gpus
        self._init_error = init_error
        self._mig = mig or {}
        self._count = count
        self.calls = []
        self.num_open = 0

    def nvmlInit(self):
        if self._init_error is not None:
            raise self._init_error
        self.num_open += 1

    def nvmlShutdown(self):
        self.num_open -= 1

    def nvmlDeviceGetCount(self):
        return self._answer(self._count if self._count is not None else len(self._gpus))

    def nvmlDeviceGetHandleByIndex(self, index):
        return self._answer(self._gpus[index])

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return self._mig.get(uuid) or self._answer(pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND))

    def __getattr__(self, name):
        if name.startswith("__"):  # Python 3.13's import asks a module for its __spec__
            raise AttributeError(name)
        signature = inspect.signature(getattr(pynvml, name))

        def call(*arguments):
            assert self.num_open > 0, "NVML is not open"
            signature.bind(*arguments)
            self.calls.append((name, arguments))
            source = arguments[0] if name.startswith("nvmlDevice") else SYSTEM
            return self._answer(source.get(name, pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)))

        return call

    def _answer(self, value):
        value = value() if callable(value) else value
        if isinstance(value, Exception):
            raise value
        return value
