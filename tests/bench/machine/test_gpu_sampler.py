"""Energy, peaks and throttling of a GPU, on a clock that only the test moves."""

import time
from types import SimpleNamespace

import pynvml
import pytest
from fake_nvml import H200, UNSUPPORTED, FakeNvml
from fakes import FakeClock

from bench.machine.gpu_sampler import GpuSampler

NO_COUNTER = {name: answer for name, answer in H200.items() if name != "nvmlDeviceGetTotalEnergyConsumption"}


@pytest.fixture(autouse=True)
def every_gpu_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def sampled(gpu, seconds, **steps):
    """A sampler that took one sample at each of ``seconds``; ``steps`` are what the GPU answers at each of them."""
    clock = FakeClock()
    began = clock.seconds
    moment = 0
    answers = {name: (lambda values=values: values[moment]) for name, values in steps.items()}
    sampler = GpuSampler("cuda", clock=clock, library=FakeNvml({**gpu, **answers}))
    sampler.start()
    for moment, second in enumerate(seconds[1:], start=1):
        clock.seconds = began + second
        if moment < len(seconds) - 1:
            sampler.take()
    sampler.finish()
    return sampler


def test_the_first_sample_is_taken_at_the_start_and_the_last_at_the_end():
    sampler = sampled(H200, [0, 1, 2.5])
    assert [sample["t_seconds"] for sample in sampler.timeline] == [0, 1, 2.5]


def test_energy_is_what_the_counter_of_the_card_gained():
    sampler = sampled(H200, [0, 2], nvmlDeviceGetTotalEnergyConsumption=[5_000_000, 5_600_500])
    assert sampler.energy() == (600.5, "counter")


def test_without_a_counter_energy_is_the_integral_of_power():
    # 100 W for 1 s, then rising to 300 W over 2 s: 100 J + 400 J.
    sampler = sampled(NO_COUNTER, [0, 1, 3], nvmlDeviceGetPowerUsage=[100_000, 100_000, 300_000])
    assert sampler.energy() == (500.0, "power samples")


@pytest.mark.parametrize("after", [1_000_000, 0])
def test_a_counter_that_did_not_move_or_fell_has_counted_nothing(after):
    sampler = sampled(H200, [0, 2], nvmlDeviceGetTotalEnergyConsumption=[1_000_000, after])
    assert sampler.energy() == (None, None)


def test_the_energy_of_too_short_a_time_is_not_told():
    sampler = sampled(H200, [0, 1.75], nvmlDeviceGetTotalEnergyConsumption=[0, 1_000])
    assert sampler.energy() == (None, None)


def test_power_with_a_gap_has_no_integral():
    not_now = pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)
    sampler = sampled(NO_COUNTER, [0, 1, 3], nvmlDeviceGetPowerUsage=[100_000, not_now, 100_000])
    assert [sample["power_watts"] for sample in sampler.timeline] == [100.0, None, 100.0]
    assert sampler.energy() == (None, None)


def test_how_long_the_work_must_still_go_on_for_its_energy_is_told():
    clock = FakeClock()
    sampler = GpuSampler("cuda", clock=clock, library=FakeNvml(H200))
    sampler.start()
    clock.advance(0.5)
    assert sampler.seconds_until_energy == 1.5
    clock.advance(4)
    assert sampler.seconds_until_energy == 0
    sampler.finish()


def test_the_peak_is_the_largest_sample():
    memory = [SimpleNamespace(total=8, used=used) for used in (2, 7, 3)]
    assert sampled(H200, [0, 1, 2], nvmlDeviceGetMemoryInfo=memory).peak_memory_bytes == 7


def test_a_reason_of_one_sample_is_a_reason_of_the_whole():
    bits = [0, pynvml.nvmlClocksEventReasonSwPowerCap, pynvml.nvmlClocksEventReasonSwThermalSlowdown]
    sampler = sampled(H200, [0, 1, 2], nvmlDeviceGetCurrentClocksEventReasons=bits)
    assert sampler.throttle_reasons == ["gpu sw power cap", "gpu sw thermal slowdown"]


def test_no_reasons_and_unknown_reasons_differ():
    assert sampled(H200, [0, 1]).throttle_reasons == []
    assert sampled(UNSUPPORTED, [0, 1]).throttle_reasons is None


def test_a_card_that_supports_nothing_has_no_peak_and_no_energy():
    sampler = sampled(UNSUPPORTED, [0, 3])
    assert sampler.peak_memory_bytes is None
    assert sampler.energy() == (None, None)


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH])
def test_without_nvml_the_work_goes_on_unsampled_and_says_why(code):
    with GpuSampler("cuda", 0.001, library=FakeNvml(init_error=pynvml.NVMLError(code))) as sampler:
        assert sampler.seconds_until_energy == 0
    assert sampler.timeline == []
    assert "driver" in sampler.reason
    assert (sampler.peak_memory_bytes, sampler.throttle_reasons, sampler.energy()) == (None, None, (None, None))


def test_a_gpu_that_cannot_be_told_leaves_nvml_closed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    library = FakeNvml(H200)
    with GpuSampler("cuda", 0.001, library=library) as sampler:
        assert library.num_open == 1
    assert library.num_open == 0
    assert "no GPU 5" in sampler.reason


def test_samples_are_taken_beside_the_work_and_nvml_is_closed_after_it():
    library = FakeNvml(H200)
    with GpuSampler("cuda", 0.001, library=library) as sampler:
        deadline = time.monotonic() + 20
        while len(sampler.timeline) < 4 and time.monotonic() < deadline:
            time.sleep(0.001)
    times = [sample["t_seconds"] for sample in sampler.timeline]
    assert len(times) >= 5  # the four awaited, and the last one
    assert times == sorted(times)
    assert library.num_open == 0
