"""Clocks of cores from fake files."""

import pytest
from fakes import write

from bench.machine.clock import ClockSampler, clock_mhz
from bench.machine.fitness import CPU

CPUINFO = "processor\t: 0\ncpu MHz\t\t: 2000.000\n\nprocessor\t: 1\ncpu MHz\t\t: 3000.500\n"


def test_the_clock_is_that_of_the_cores_in_use(tmp_path):
    files = {f"{CPU}/cpu{core}/cpufreq/scaling_cur_freq": khz for core, khz in enumerate((1_000_000, 3_000_000))}
    root = write(tmp_path, {"proc/cpuinfo": CPUINFO, **files})
    assert clock_mhz([0, 1], root) == 2000
    assert clock_mhz([1], root) == 3000


def test_without_cpufreq_it_is_that_of_cpuinfo(tmp_path):
    assert clock_mhz([1], write(tmp_path, {"proc/cpuinfo": CPUINFO})) == 3000.5


def test_an_unknown_clock_is_none(tmp_path):
    assert clock_mhz([0], tmp_path) is None
    with ClockSampler([0], tmp_path) as sampler:
        pass
    assert sampler.mean_mhz is None


def test_a_sampler_reads_at_least_once(tmp_path):
    with ClockSampler([0], write(tmp_path, {"proc/cpuinfo": CPUINFO})) as sampler:
        pass
    assert sampler.mean_mhz == pytest.approx(2000)
