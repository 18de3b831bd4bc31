"""Ceilings from literals, with round numbers: what the reading side is tested on."""

from __future__ import annotations

from typing import Any

from example_run import case, measurement, replicate

from bench.records.ceilings import Ceiling, Ceilings
from bench.roofline.workload import step_products
from mlp.recipe import CANONICAL

FLOP_PER_SECOND = 100e9  # of every product of a step
COPY_BYTES_PER_SECOND, ELEMENTWISE_BYTES_PER_SECOND, RANDOM_BYTES_PER_SECOND = 10e9, 50e9, 4e9


def example_seconds() -> dict[str, tuple[float, float | None, float | None]]:
    """name -> (seconds, flop, bytes) of one call."""
    products = step_products(CANONICAL.layer_widths, CANONICAL.batch_size)
    found = {f"gemm_{one.role}": (one.flop / FLOP_PER_SECOND, one.flop, one.bytes) for one in products}
    side = 2048
    return {
        **found,
        "gemm_square": (2 * side**3 / 200e9, 2 * side**3, 12 * side**2),
        "copy": (0.02, None, 0.02 * COPY_BYTES_PER_SECOND),
        "elementwise": (1e-4, 1e-4 * ELEMENTWISE_BYTES_PER_SECOND / 12, 1e-4 * ELEMENTWISE_BYTES_PER_SECOND),
        "random_numbers": (4e-4, None, 4e-4 * RANDOM_BYTES_PER_SECOND),
        "python_call": (3e-8, None, None),
    }


def example_ceilings() -> Ceilings:
    """The host's on a CPU with two threads, from one process."""
    measured = [
        Ceiling(name, "host", seconds, flop=flop, bytes=num_bytes)
        for name, (seconds, flop, num_bytes) in example_seconds().items()
    ]
    return Ceilings("cpu", 2, tuple(measured))


def ceilings_replicate(number: int, factor: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A process of round ``number``: the first sample of each measurement is the fastest, ``factor`` times as slow."""
    of_host = {"backend": None, "variant": None, "cache": None, "batch_size": 500, "precision": None}
    measurements = [
        measurement(name, [seconds * factor, seconds * factor * 3], flop=flop, bytes=num_bytes)
        for name, (seconds, flop, num_bytes) in example_seconds().items()
    ]
    return {**replicate(case("ceilings", **{**of_host, **changes}), measurements), "round": number}
