"""Process samples for tests: blocks with sides in random order, and the noise to fill them with."""

import numpy as np

from bench.gate.verdict import ProcessSample


def blocks_of(values_of_a, values_of_b, start=0):
    """Samples from (num_blocks, processes) values of either side; the order within a block alternates A B B A."""
    samples = []
    for block, (a, b) in enumerate(zip(values_of_a, values_of_b, strict=True), start=start):
        slots = [("A", value) for value in a] + [("B", value) for value in b]
        slots.insert(0, slots.pop())
        samples += [ProcessSample(block, side, value) for side, value in slots]
    return samples


def noisy(random, num_blocks=6, factor=1.0, sigma=0.005, num_a=2, num_b=2, level=0.01):
    """Blocks whose candidate takes ``factor`` times as long; lognormal noise of ``sigma``, a level for each block."""
    levels = level * np.exp(random.normal(0, 0.2, (num_blocks, 1)))
    a = levels * np.exp(random.normal(0, sigma, (num_blocks, num_a)))
    b = levels * factor * np.exp(random.normal(0, sigma, (num_blocks, num_b)))
    return blocks_of(a.tolist(), b.tolist())


def swapped(samples):
    other = {"A": "B", "B": "A"}
    return [ProcessSample(one.block, other[one.side], one.value) for one in samples]
