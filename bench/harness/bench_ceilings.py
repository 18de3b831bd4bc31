"""Peak rates of this machine at the shapes of this workload.

The matrix products of a training step, one by one, and a large square one; copying, elementwise arithmetic and random
numbers; a Python call; on a GPU also a kernel launch and transfers.  One process measures one engine: the host's
libraries on all threads, or with ``--backend torch`` or ``jax`` that framework on its device:

    pytest bench/harness/bench_ceilings.py --backend torch --device cuda
"""

from __future__ import annotations

import os
import time

import pytest

from bench.machine.fingerprint import usable_cores
from bench.measure import frameworks
from bench.roofline.workload import Product, step_products
from mlp.recipe import CANONICAL

ROLES = [product.role for product in step_products(CANONICAL.layer_widths, CANONICAL.batch_size)]
ROUND_SECONDS = 0.002
MAX_CALLS = 4096
MIN_ROUNDS, MAX_ROUNDS = 5, 200


@pytest.fixture(scope="module")
def engine(case) -> frameworks.Engine:
    threads = int(os.environ.get("OMP_NUM_THREADS") or usable_cores())
    return frameworks.create(case.backend, case.device, threads, frameworks.Sizes.of(case.device, case.recipe))


@pytest.fixture
def measure(benchmark, case):
    """Return a function that times ``work`` in many short rounds; a sample is the seconds of one call.

    The shorter a round, the higher the chance that one of them is undisturbed.
    """

    def measure(name: str, work: frameworks.Work | None, flop: int | None = None, bytes: int | None = None) -> None:
        if work is None:
            pytest.skip(f"this engine does not measure {name}")
        calls, round_seconds = _calls_per_round(work)
        rounds = round((0.15 if case.quick else 0.6) / round_seconds)
        samples: list[float] = []

        def timed() -> None:
            start = time.perf_counter()
            work(calls)
            samples.append((time.perf_counter() - start) / calls)

        benchmark.pedantic(timed, rounds=min(max(MIN_ROUNDS, rounds), MAX_ROUNDS), iterations=1)
        benchmark.extra_info.update(name=name, samples_seconds=samples, flop=flop, bytes=bytes)

    return measure


def _calls_per_round(work: frameworks.Work) -> tuple[int, float]:
    """Return the number of calls that takes at least ROUND_SECONDS, and their seconds; also warms up."""
    calls = 1
    while True:
        work(calls)
        start = time.perf_counter()
        work(calls)
        seconds = time.perf_counter() - start
        if seconds >= ROUND_SECONDS or calls >= MAX_CALLS:
            return calls, seconds
        calls = min(MAX_CALLS, max(2 * calls, round(calls * ROUND_SECONDS / max(seconds, 1e-6))))


@pytest.mark.parametrize("role", ROLES)
def test_product(measure, engine, case, role):
    products = step_products(case.recipe.layer_widths, case.recipe.batch_size)
    (product,) = [product for product in products if product.role == role]
    measure(f"gemm_{role}", engine.product(product), product.flop, product.bytes)


def test_square_product(measure, engine):
    side = engine.sizes.square_side
    product = Product(side, side, side)
    measure("gemm_square", engine.product(product), product.flop, product.bytes)


def test_copy(measure, engine):
    measure("copy", engine.copy(), bytes=2 * engine.sizes.copy_bytes)  # read and written


def test_elementwise(measure, engine):
    count = engine.sizes.num_elements
    measure("elementwise", engine.multiply(), flop=count, bytes=3 * 4 * count)  # two factors and the product


def test_random_numbers(measure, engine):
    measure("random_numbers", engine.random(), bytes=4 * engine.sizes.num_random)


def test_python_call(measure, engine):
    measure("python_call", engine.python_call())


def test_page_fault(measure, engine):
    measure("page_fault", engine.page_fault())


def test_kernel_launch(measure, engine):
    measure("kernel_launch", engine.kernel_launch())


def test_host_to_device(measure, engine):
    measure("host_to_device", engine.host_to_device(), bytes=engine.sizes.transfer_bytes)


def test_device_to_host(measure, engine):
    measure("device_to_host", engine.device_to_host(), bytes=engine.sizes.transfer_bytes)
