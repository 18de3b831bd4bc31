"""Noise traces of stated noise: blocks of five processes that take turns, as the gate records them."""

import numpy as np

from bench.gate.error_rates.noise_trace import Trace, TraceTurn

BLOCK_SECONDS = 8.0


def white(random, shape):
    return random.normal(0, 0.03, shape)


def autoregressive(random, shape):
    """AR(1) with 0.9 over all turns in the order of time: the machine's speed wanders."""
    noise = random.normal(0, 0.02, int(np.prod(shape)))
    for index in range(1, len(noise)):
        noise[index] += 0.9 * noise[index - 1]
    return noise.reshape(shape)


def bursts(random, shape):
    """A quarter of all turns takes twice as long, as when other work uses one of two cores."""
    return white(random, shape) + np.log(2) * (random.random(shape) < 0.25)


def heavy_tails(random, shape):
    return 0.02 * random.standard_t(1.5, shape)


def drift(random, shape):
    """Half as slow again over the whole trace."""
    return white(random, shape) + np.linspace(0, np.log(1.5), int(np.prod(shape))).reshape(shape)


MODELS = (white, autoregressive, bursts, heavy_tails, drift)


def trace_of(model, seed=0, num_blocks=60, num_rounds=10, num_processes=5, process_sigma=0.007):
    """``process_sigma``: what is fixed for the life of a process (its place in memory), as a log standard deviation."""
    random = np.random.default_rng(seed)
    noise = model(random, (num_blocks, num_rounds, num_processes))
    noise = noise + random.normal(0, process_sigma, (num_blocks, 1, num_processes))
    turns = []
    for block, round_, process in np.ndindex(noise.shape):
        start = BLOCK_SECONDS * block + 0.4 * round_ + 0.08 * process
        seconds = 0.08 * float(np.exp(noise[block, round_, process]))
        turns.append(TraceTurn(start, "A", block * num_processes + process, block, round_, seconds))
    return Trace(model.__name__, {}, tuple(turns))
