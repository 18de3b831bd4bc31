"""Host engine: NumPy, and SciPy's BLAS, which is also Theano's default."""

from __future__ import annotations

import mmap
import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from bench.measure.frameworks.engine import Engine, Sizes, Work
from bench.measure.frameworks.products import product_call
from bench.roofline.workload import Product


class HostEngine(Engine):
    """Engine of NumPy on all threads, each on its own part; NumPy releases the interpreter lock meanwhile."""

    def __init__(self, threads: int, sizes: Sizes) -> None:
        super().__init__(sizes)
        self._threads = threads
        self._team = ThreadPoolExecutor(threads)

    def product(self, product: Product, precision: str = "float32") -> Work | None:
        return partial(_repeat, product_call(product)) if precision == "float32" else None

    def copy(self) -> Work:
        def part(size: int) -> Callable[[], object]:
            source, target = np.ones(size, np.float32), np.ones(size, np.float32)
            return lambda: np.copyto(target, source)

        return self._shared_out(part, self.sizes.copy_bytes // 4)

    def multiply(self) -> Work:
        def part(size: int) -> Callable[[], object]:
            a, b, out = (np.ones(size, np.float32) for _ in range(3))
            return lambda: np.multiply(a, b, out=out)

        return self._shared_out(part, self.sizes.num_elements)

    def random(self) -> Work:
        """Prepare SFC64, NumPy's fastest generator by its own comparison, with one stream per thread.

        It draws doubles, of 64 random bits each, and each counts as two numbers: a mask needs no more than 32.
        """

        def part(size: int) -> Callable[[], object]:
            generator, out = np.random.Generator(np.random.SFC64()), np.empty(size)
            return lambda: generator.random(out=out)

        return self._shared_out(part, self.sizes.num_random // 2)

    def python_call(self) -> Work:
        return timeit.Timer("nothing()", globals={"nothing": lambda: None}).timeit

    def page_fault(self) -> Work:
        def work(n: int) -> None:
            with mmap.mmap(-1, n * mmap.PAGESIZE) as fresh:
                touched = np.ndarray((n, mmap.PAGESIZE), np.uint8, fresh)
                touched[:, 0] = 1
                del touched  # a mapping in use cannot be closed

        return work

    def _shared_out(self, make_part: Callable[[int], Callable[[], object]], size: int) -> Work:
        """Return work on all parts of ``size`` elements; each thread repeats its part n times."""
        bounds = np.linspace(0, size, self._threads + 1).astype(int)
        calls = list(self._team.map(make_part, np.diff(bounds)))
        return lambda n: list(self._team.map(_repeat, calls, [n] * len(calls)))


def _repeat(call: Callable[[], object], n: int) -> None:
    for _ in range(n):
        call()
