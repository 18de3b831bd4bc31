"""The distance between cores: a plausible number where it can be measured, and a reason where it cannot."""

import math
import os
import threading

import pytest

from bench.machine import core_distance
from bench.machine.core_distance import MOST_PAIRS, measure, pairs_of

COMPILED = core_distance._compiled


@pytest.fixture(autouse=True)
def real_distance(monkeypatch):
    monkeypatch.setattr(core_distance, "_compiled", COMPILED)


@pytest.fixture
def compiled_anew():
    core_distance._compiled.cache_clear()
    yield
    core_distance._compiled.cache_clear()


def test_batches_in_which_a_thread_waited_are_left_out_and_the_farthest_pair_counts():
    far = {(0, 2): [9000.0, 332.0, 330.0, 331.0, 5000.0]}
    found = measure([2, 0, 1], lambda *pair: far.get(pair, [64.0, 64.0, 65.0]))
    assert found.ns_by_pair == {(0, 1): 64.0, (0, 2): 330.0, (1, 2): 64.0}
    assert found.farthest_ns == 330.0


def test_of_many_cores_a_sample_of_pairs_is_measured_and_it_stays_the_same():
    assert len(pairs_of(range(4))) == MOST_PAIRS
    sample = pairs_of(range(128))
    assert len(set(sample)) == MOST_PAIRS and sample == pairs_of(range(128))
    assert all(first < second for first, second in sample)


def test_one_core_has_no_distance_but_a_reason():
    found = measure([3])
    assert (found.farthest_ns, found.reason) == (None, "there is only one usable core")


def test_without_a_compiler_there_is_a_reason(monkeypatch, tmp_path, compiled_anew):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("THEANO_FLAGS", raising=False)
    found = measure([0, 1])
    assert found.farthest_ns is None and "no C++ compiler" in found.reason


def test_a_compiler_that_fails_is_a_reason(monkeypatch, tmp_path, compiled_anew):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("THEANO_FLAGS", raising=False)
    assert "g++ could not compile core_distance.c" in measure([0, 1]).reason


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are chosen on Linux only")
@pytest.mark.slow
def test_the_real_distance_is_a_positive_number_and_the_callers_cores_stay_the_same():
    before, threads = os.sched_getaffinity(0), threading.active_count()
    if len(before) < 2:
        pytest.skip("one usable core")
    found = measure()
    assert found.reason is None
    assert all(math.isfinite(ns) and ns > 0 for ns in found.ns_by_pair.values())
    assert (os.sched_getaffinity(0), threading.active_count()) == (before, threads)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are chosen on Linux only")
@pytest.mark.slow
@pytest.mark.parametrize("cores", [(0, 100_000), (0, 1023)])
def test_a_core_that_does_not_exist_is_a_reason(cores):
    found = measure(cores)
    assert found.farthest_ns is None and "could not be placed" in found.reason
