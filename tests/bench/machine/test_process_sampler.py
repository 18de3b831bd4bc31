"""The sampler sees memory that is really in use, and stops when told."""

import os

from bench.machine.process_sampler import ProcessSampler


def test_it_sees_a_large_allocation_and_time_moves_on():
    with ProcessSampler(os.getpid(), interval_seconds=0.01) as sampler:
        block = bytearray(64 * 2**20)
        block[::4096] = b"x" * len(block[::4096])  # touched, so that it is resident
        held = bytes(block)
    times = [sample["t_seconds"] for sample in sampler.timeline]
    assert times == sorted(times)
    assert sampler.peak_rss_bytes >= len(held)


def test_there_is_no_peak_without_samples():
    assert ProcessSampler(os.getpid()).peak_rss_bytes is None
