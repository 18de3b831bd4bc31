"""Records of a watched measurement: true, false and unknown are three answers."""

import json

import pynvml
import pytest
from fake_nvml import H200, UNSUPPORTED, FakeNvml
from fakes import FakeClock

from bench.machine.gpu_sampler import GpuSampler
from bench.machine.throttling import CpuThrottling
from bench.machine.watch import Watch

UNKNOWN = CpuThrottling(thermal=None, quota=None)
COOL = CpuThrottling(thermal=0, quota=None)


@pytest.fixture(autouse=True)
def every_gpu_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def watched(device, cpu=(UNKNOWN, UNKNOWN), gpu=None, seconds=3.0, num_epochs=None):
    """Return the record of watched work of ``seconds``."""
    clock = FakeClock()
    library = FakeNvml(gpu) if gpu else FakeNvml(init_error=pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))

    def make_sampler(device):
        return GpuSampler(device, interval_seconds=3600, clock=clock, library=library)

    with Watch(device, make_sampler, iter(cpu).__next__) as watch:
        clock.advance(seconds)
    extra = watch.extra_info(num_epochs)
    return json.loads(json.dumps(extra, allow_nan=False))


def counting(*millijoules):
    return {**H200, "nvmlDeviceGetTotalEnergyConsumption": iter(millijoules).__next__}


def test_a_cpu_without_counters_is_not_known_to_be_unthrottled():
    assert watched("cpu") == {"throttled": None, "throttle_reasons": None}


def test_a_cpu_whose_counters_stand_still_is_not_throttled():
    assert watched("cpu", (COOL, COOL)) == {"throttled": False, "throttle_reasons": []}


def test_a_quota_throttles_even_where_heat_is_not_known():
    after = CpuThrottling(thermal=None, quota=4)
    extra = watched("cpu", (CpuThrottling(thermal=None, quota=1), after))
    assert extra == {"throttled": True, "throttle_reasons": ["cgroup cpu quota"]}


def test_a_gpu_that_reports_its_clock_decides_for_work_on_it():
    assert watched("cuda", gpu=H200)["throttled"] is False
    assert watched("cuda", gpu=UNSUPPORTED)["throttled"] is None
    assert watched("cuda", (COOL, COOL))["throttled"] is None


def test_gpu_and_cpu_reasons_are_united():
    capped = {**H200, "nvmlDeviceGetCurrentClocksEventReasons": pynvml.nvmlClocksEventReasonSwPowerCap}
    extra = watched("cuda", (COOL, CpuThrottling(thermal=1, quota=None)), capped)
    assert (extra["throttled"], extra["throttle_reasons"]) == (True, ["gpu sw power cap", "cpu thermal"])


def test_energy_is_shared_by_the_epochs():
    extra = watched("cuda", gpu=counting(1_000_000, 1_900_000), num_epochs=6)
    assert extra["energy_joules"] == 900.0
    assert extra["energy_per_epoch_joules"] == 150.0
    assert extra["energy_source"] == "counter"
    assert extra["peak_gpu_memory_bytes"] == 2**30
    assert len(extra["gpu_timeline"]) == 2


def test_work_that_is_not_only_epochs_has_no_energy_of_an_epoch():
    extra = watched("cuda", gpu=counting(1_000_000, 1_900_000))
    assert extra["energy_joules"] == 900.0
    assert extra["energy_per_epoch_joules"] is None


def test_a_missing_driver_is_on_record_with_nothing_beside_it():
    extra = watched("cuda", num_epochs=3)
    assert "no NVIDIA driver" in extra.pop("gpu_reason")
    assert extra.pop("gpu_timeline") == []
    assert set(extra.values()) == {None}


def test_short_work_on_a_gpu_goes_on_until_its_energy_is_told_and_on_a_cpu_it_does_not():
    clock = FakeClock()
    epochs = 0
    library = FakeNvml(H200)
    with Watch("cuda", lambda device: GpuSampler(device, 3600, clock, library), lambda: UNKNOWN) as watch:
        while watch.wants_more():
            clock.advance(0.5)
            epochs += 1
    assert epochs == 4
    with Watch("cpu", read_cpu=lambda: UNKNOWN) as watch:
        assert not watch.wants_more()
