"""Energy of the CPU by its counters, which wrap around and may be forbidden."""

import pytest
from fakes import write

from bench.machine.rapl import ZONES, CpuEnergySampler, problem

NOW = 3600.0  # seconds between two samples of the thread: none during a test


def counters(root, *joules, zone_range=262_143_328_850):
    """A machine with one package for each of ``joules``, each with a part and beside the platform's zone."""
    files = {f"{ZONES}/intel-rapl:9/name": "psys", f"{ZONES}/intel-rapl:9/energy_uj": 1}
    for number, value in enumerate(joules):
        package = f"{ZONES}/intel-rapl:{number}"
        files |= {f"{package}/name": f"package-{number}", f"{package}/energy_uj": int(value * 1e6)}
        files |= {f"{package}:0/name": "core", f"{package}:0/energy_uj": 7}
        copy = f"{ZONES}/intel-rapl-mmio:{number}"
        files |= {f"{copy}/name": f"package-{number}", f"{copy}/energy_uj": 0}
        if zone_range is not None:
            files[f"{package}/max_energy_range_uj"] = zone_range
    return write(root, files)


def used(root, *later, **options):
    with CpuEnergySampler(counters(root, *later[0], **options), NOW) as sampler:
        for joules in later[1:]:
            counters(root, *joules, **options)
            sampler.take()
    return sampler.joules


def test_the_energy_is_that_of_all_packages_and_of_nothing_twice(tmp_path):
    assert used(tmp_path, (10, 20), (15, 22)) == pytest.approx(7)


def test_a_counter_that_wraps_around_goes_on(tmp_path):
    assert used(tmp_path, (90,), (99,), (4,), (8,), zone_range=100_000_000) == pytest.approx(18)


def test_a_counter_that_falls_without_a_known_range_tells_nothing(tmp_path):
    assert used(tmp_path, (90,), (4,), (8,), zone_range=None) is None


def test_without_counters_there_is_no_energy_and_a_reason(tmp_path):
    with CpuEnergySampler(tmp_path, NOW) as sampler:
        pass
    assert sampler.joules is None
    assert "shows no energy counters" in problem(tmp_path)


def test_a_forbidden_counter_is_a_sentence_with_what_allows_it(tmp_path):
    root = counters(tmp_path, 10)
    assert problem(root, lambda path, mode: True) is None
    assert "sudo chmod a+r" in problem(root, lambda path, mode: False)
