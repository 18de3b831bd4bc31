"""NVML facts and readings in the units of their names; missing ones are None and never 0."""

import json
import os
import re
import sys
from dataclasses import asdict
from types import SimpleNamespace

import pandas as pd
import pynvml
import pytest
from example_run import write_example_run
from fake_nvml import H200, UNSUPPORTED, FakeNvml

from bench.machine import nvml
from bench.measure import doctor
from bench.measure.case import Case, PlannedCase
from bench.records.run_folder import RunFolder
from bench.report.run.fitness import run_fitness


def reading(gpu):
    with nvml.opened(FakeNvml(gpu)) as opened:
        return opened.gpu(0).reading()


def test_facts_carry_the_units_of_their_names():
    (facts,), why_missing = nvml.describe_gpus(FakeNvml(H200))
    assert facts == {
        "name": "NVIDIA H200",
        "compute_capability": "9.0",
        "driver": "580.65.06",
        "cuda_version": "13.0",
        "memory_bytes": 150_754_820_096,
        "max_sm_clock_mhz": 1980,
        "power_limit_watts": 700.0,
        "persistence_mode": True,
        "ecc_mode": True,
        "mig_mode": False,
        "pcie_generation": 5,
        "pcie_generation_now": 1,
        "pcie_width": 16,
        "pcie_width_now": 16,
        "other_processes_now": 0,
        "utilization_percent_now": 97,
        "sm_clock_mhz_now": 1785,
        "throttle_reasons_now": [],
    }
    assert why_missing is None


@pytest.mark.parametrize(
    ("gpu", "found"),
    [
        (H200, ["driver 580.65.06, CUDA 13.0, clock 1980 MHz at most, clock 1785 MHz now, persistence on"]),
        ({**H200, "nvmlDeviceGetCurrentClocksEventReasons": 0x40}, ["its clock is held down now: gpu hw thermal slow"]),
        ({**H200, "nvmlDeviceGetPersistenceMode": 0}, ["persistence off, ECC on, MIG off", "dropped while nothing"]),
        ({**H200, "nvmlDeviceGetMigMode": [1, 1]}, ["ECC on, MIG on", "it is divided into MIG instances"]),
        ({**H200, "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=2**22)]}, ["1 other process on it"]),
        (UNSUPPORTED, ["not known: clock, throttling, persistence, ECC, MIG, other processes (the driver "]),
    ],
)
def test_doctor_says_how_fit_a_gpu_is_and_what_it_cannot_tell(monkeypatch, gpu, found):
    monkeypatch.setattr(doctor, "describe_gpus", lambda: nvml.describe_gpus(FakeNvml(gpu)))
    said = " | ".join(one.detail for one in doctor._gpus())
    assert all(text in said for text in found)
    assert ("held down" in said) == ("held down" in found[-1]) and ("divided" in said) == ("divided" in found[-1])


def test_the_report_of_a_gpu_run_names_what_hindered_it(tmp_path):
    (facts,), _ = nvml.describe_gpus(FakeNvml(H200))
    gpu = {**facts, "persistence_mode": False, "throttle_reasons_now": ["gpu reliability"]}
    plan = [asdict(PlannedCase(Case("epoch", "jax", "scan", "cuda", 2, "mnist"), 1, 60, 1))]
    header = RunFolder.open(write_example_run(tmp_path, [], machine={"gpus": [gpu]}, plan=plan)).header
    none = pd.DataFrame(columns=["other_cpu_percent", "threads", "wall_seconds"])
    held, dropped = run_fitness(header, none, []).hindrances
    assert held == "GPU 0: its clock is held down now: gpu reliability" and "driver state" in dropped


def test_a_card_is_not_identified():
    found = nvml.describe_gpus(FakeNvml(H200))
    assert "8932f937" not in json.dumps(found)


def test_what_a_card_does_not_support_is_none():
    (facts,), _ = nvml.describe_gpus(FakeNvml(UNSUPPORTED))
    assert {name for name, value in facts.items() if value is not None} == {"name", "driver", "cuda_version"}
    assert set(reading(UNSUPPORTED).values()) == {None}


def test_a_switch_that_is_off_is_not_a_missing_one():
    (facts,), _ = nvml.describe_gpus(FakeNvml({**H200, "nvmlDeviceGetPersistenceMode": 0}))
    assert facts["persistence_mode"] is False


def test_a_reading_carries_the_units_of_its_names():
    assert reading(H200) == {
        "gpu_memory_bytes": 2**30,
        "sm_clock_mhz": 1785,
        "power_watts": 412.5,
        "temperature_celsius": 51,
        "gpu_utilization_percent": 97,
        "throttle_reasons": [],
    }


def test_an_idle_gpu_reads_zero_where_zero_is_what_nvml_says():
    assert reading({"nvmlDeviceGetPowerUsage": 0})["power_watts"] == 0.0


def test_clock_and_temperature_are_those_of_the_multiprocessors_and_the_gpu():
    library = FakeNvml(H200)
    with nvml.opened(library) as opened:
        opened.gpu(0).reading()
        opened.gpu(0).facts()
    asked = {name: arguments[1:] for name, arguments in library.calls}
    assert asked["nvmlDeviceGetClockInfo"] == (pynvml.NVML_CLOCK_SM,)
    assert asked["nvmlDeviceGetMaxClockInfo"] == (pynvml.NVML_CLOCK_SM,)
    assert asked["nvmlDeviceGetTemperature"] == (pynvml.NVML_TEMPERATURE_GPU,)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "no NVIDIA driver was found"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "driver is not loaded"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not ask"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "does not match its kernel module"),
        (pynvml.NVML_ERROR_UNKNOWN, "NVML does not start"),
    ],
)
def test_an_nvml_that_does_not_start_is_a_reason(code, sentence):
    found, why_missing = nvml.describe_gpus(FakeNvml(H200, init_error=pynvml.NVMLError(code)))
    assert found == []
    assert sentence in why_missing


def test_without_nvidia_ml_py_there_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.describe_gpus() == ([], "nvidia-ml-py is not installed: pip install nvidia-ml-py")


def test_a_driver_without_gpus_is_a_reason():
    assert nvml.describe_gpus(FakeNvml()) == ([], "the driver finds no GPU")


def test_a_lost_gpu_is_named_and_hides_no_other():
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    found, why_missing = nvml.describe_gpus(FakeNvml(lost, H200))
    assert [facts["name"] for facts in found] == ["NVIDIA H200"]
    assert why_missing == "GPU 0 does not respond (GPU is lost)"


def test_a_user_without_rights_is_not_told_that_there_is_no_gpu():
    denied = pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
    found, why_missing = nvml.describe_gpus(FakeNvml(H200, count=denied))
    assert found == [] and why_missing == "the NVIDIA driver does not tell this user how many GPUs there are"


def test_a_name_that_is_not_utf_8_is_unknown_and_hides_nothing_else():
    """pynvml decodes inside its call, as here."""
    (facts,), why_missing = nvml.describe_gpus(FakeNvml({**H200, "nvmlDeviceGetName": lambda: b"NVIDIA \xff".decode()}))
    assert facts["name"] is None and facts["driver"] == "580.65.06" and why_missing is None


def test_what_an_older_nvidia_ml_py_lacks_is_none():
    class Older(FakeNvml):
        def __getattr__(self, name):
            if name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetMigMode"):
                raise AttributeError(name)
            return super().__getattr__(name)

    reasons = {"nvmlDeviceGetCurrentClocksThrottleReasons": pynvml.nvmlClocksThrottleReasonSwPowerCap}
    with nvml.opened(Older({**H200, **reasons})) as opened:
        gpu = opened.gpu(0)
        assert gpu.reading()["throttle_reasons"] == ["gpu sw power cap"]
        assert gpu.facts()["mig_mode"] is None and gpu.facts()["name"] == "NVIDIA H200"


def test_the_processes_of_others_are_counted_and_our_own_are_not():
    running = [SimpleNamespace(pid=pid) for pid in (os.getpid(), 2**30, 2**30 + 1)]
    (facts,), _ = nvml.describe_gpus(FakeNvml({**H200, "nvmlDeviceGetComputeRunningProcesses": running}))
    assert facts["other_processes_now"] == 2


def test_nvml_is_closed_even_when_the_work_fails():
    library = FakeNvml(H200)
    with pytest.raises(ZeroDivisionError), nvml.opened(library):
        assert library.num_open == 1
        raise ZeroDivisionError
    assert library.num_open == 0


# --- throttling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        (0, []),
        (pynvml.nvmlClocksEventReasonGpuIdle, []),
        (pynvml.nvmlClocksEventReasonApplicationsClocksSetting, []),
        (pynvml.nvmlClocksEventReasonDisplayClockSetting, []),
        (pynvml.nvmlClocksEventReasonSwPowerCap | pynvml.nvmlClocksEventReasonGpuIdle, ["gpu sw power cap"]),
        (
            pynvml.nvmlClocksEventReasonHwSlowdown | pynvml.nvmlClocksEventReasonHwThermalSlowdown,
            ["gpu hw slowdown", "gpu hw thermal slowdown"],
        ),
    ],
)
def test_idle_and_chosen_clocks_are_not_throttling(bits, reasons):
    assert nvml.throttle_reasons(bits) == reasons


def test_a_reason_newer_than_the_table_counts_by_its_number():
    assert nvml.throttle_reasons(1 << 20 | pynvml.nvmlClocksEventReasonGpuIdle) == ["gpu reason 0x100000"]


def test_every_reason_that_pynvml_names_has_the_same_name_here():
    """The outside oracle is pynvml's own table: HwThermalSlowdown is "hw thermal slowdown"."""
    harmless = {"GpuIdle", "ApplicationsClocksSetting", "UserDefinedClocks", "DisplayClockSetting", "None", "All"}
    for constant, bit in vars(pynvml).items():
        named = re.fullmatch(r"nvmlClocks(?:Throttle|Event)Reason([A-Z]\w*)", constant)
        if named and named[1] not in harmless:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", named[1]).lower()
            assert nvml.throttle_reasons(bit) == [f"gpu {words}"]


def test_a_driver_that_knows_only_the_old_name_of_the_reasons_is_understood():
    old = {"nvmlDeviceGetCurrentClocksThrottleReasons": pynvml.nvmlClocksThrottleReasonSwPowerCap}
    assert reading(old)["throttle_reasons"] == ["gpu sw power cap"]
