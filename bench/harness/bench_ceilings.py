"""Peak rates of this machine at the shapes of this workload.

The matrix products of a training step, one by one, and a large square one; copying, elementwise arithmetic and random
numbers; a Python call; on a GPU also products at lower precisions, the smallest kernel, its launch from the host, and
transfers.  One process measures one engine: the host's
libraries on all threads, or with ``--backend torch`` or ``jax`` that framework on its device:

    pytest bench/harness/bench_ceilings.py --backend torch --device cuda
"""

from __future__ import annotations

import math
import time

import pytest

from bench.measure import frameworks
from bench.roofline.ceilings import LOWER_PRECISIONS, product_name
from bench.roofline.workload import Product, step_products
from mlp.recipe import CANONICAL

ROLES = [product.role for product in step_products(CANONICAL.layer_widths, CANONICAL.batch_size)]
PRECISIONS = ("float32", *LOWER_PRECISIONS)
ROUND_SECONDS = 0.002
MAX_CALLS = 4096
MIN_ROUNDS, MAX_ROUNDS = 5, 200
# All rounds of one kind of work.  A GPU has more kinds, and less beside it that disturbs them.
QUICK_SECONDS, FULL_SECONDS = 0.15, 0.6


@pytest.fixture
def measure(benchmark, case):
    """Return a function that times ``work`` in many short rounds; a sample is the seconds of one call.

    The shorter a round, the higher the chance that one of them is undisturbed.
    """

    def measure(name: str, work: frameworks.Work | None, flop: int | None = None, bytes: int | None = None) -> None:
        if work is None:
            pytest.skip(f"this engine does not measure {name}")
        calls, round_seconds = _calls_per_round(work)
        is_short = case.quick or case.device != "cpu"
        rounds = round((QUICK_SECONDS if is_short else FULL_SECONDS) / round_seconds)
        samples: list[float] = []

        def timed() -> None:
            start = time.perf_counter()
            work(calls)
            samples.append((time.perf_counter() - start) / calls)

        benchmark.pedantic(timed, rounds=min(max(MIN_ROUNDS, rounds), MAX_ROUNDS), iterations=1)
        benchmark.extra_info.update(name=name, samples_seconds=samples, flop=flop, bytes=bytes)

    return measure


def _calls_per_round(work: frameworks.Work) -> tuple[int, float]:
    """Return the number of calls that takes at least ROUND_SECONDS, and their seconds; also warms up.

    It is a multiple of the work's chunk, if it has one.
    """
    chunk = calls = getattr(work, "chunk", 1)
    while True:
        work(calls)
        start = time.perf_counter()
        work(calls)
        seconds = time.perf_counter() - start
        if seconds >= ROUND_SECONDS or calls >= MAX_CALLS:
            return calls, seconds
        wanted = min(MAX_CALLS, max(2 * calls, round(calls * ROUND_SECONDS / max(seconds, 1e-6))))
        calls = math.ceil(wanted / chunk) * chunk


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("role", ROLES)
def test_product(measure, engine, case, role, precision):
    products = step_products(case.recipe.layer_widths, case.recipe.batch_size)
    (product,) = [product for product in products if product.role == role]
    _measure_product(measure, engine, product, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_square_product(measure, engine, precision):
    side = engine.sizes.square_side
    _measure_product(measure, engine, Product(side, side, side, role="square"), precision)


def _measure_product(measure, engine, product: Product, precision: str) -> None:
    num_bytes = product.bytes // 2 if precision == "bfloat16" else product.bytes
    measure(product_name(product.role, precision), engine.product(product, precision), product.flop, num_bytes)


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


def test_kernel(measure, engine):
    measure("kernel", engine.kernel())


def test_kernel_launch(measure, engine):
    measure("kernel_launch", engine.kernel_launch())


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "pageable"])
@pytest.mark.parametrize("direction", ["host_to_device", "device_to_host"])
def test_transfer(measure, engine, direction, pinned):
    name = direction if pinned else f"{direction}_pageable"
    measure(name, getattr(engine, direction)(pinned), bytes=engine.sizes.transfer_bytes)
