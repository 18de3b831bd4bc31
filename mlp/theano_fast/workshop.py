"""A few compilers at work in the background.

What is ordered is compiled by Theano's own ``GCC_compiler.compile_str``, with the options that Theano would give and
two more that do not change the instructions: no debugging information, and the precompiled header.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp.theano_fast.header import NO_DEBUGGING, PrecompiledHeader

WORTH_A_HEADER = 8  # orders at once: precompiling it takes a second, and saves a quarter of one for each of them


@dataclass(frozen=True)
class Order:
    """All that decides what g++ makes; ``name`` is a hash of ``source``."""

    name: str
    source: str
    include_dirs: tuple[str, ...]
    lib_dirs: tuple[str, ...]
    libs: tuple[str, ...]
    options: tuple[str, ...]


def order_of(
    name: str, source: str, include_dirs: Any = (), lib_dirs: Any = (), libs: Any = (), preargs: Any = (), **_: Any
) -> Order:
    """From the arguments of ``GCC_compiler.compile_str``."""
    return Order(name, source, tuple(include_dirs), tuple(lib_dirs), tuple(libs), tuple(preargs))


class Workshop:
    """Compiles orders in the background, in folders of its own."""

    def __init__(self, compile_str: Callable[..., Any], scratch: Path, workers: int) -> None:
        self._compile_str = compile_str
        self._scratch = scratch
        self._pool = ThreadPoolExecutor(workers)
        self._header = PrecompiledHeader(scratch)
        self._header_begun = False
        self._jobs: dict[Order, Future[Path]] = {}

    def begin(self, orders: Iterable[Order]) -> None:
        """Start compiling, the longest first, so that none of them is left alone on one core at the end.

        Where it pays, the header is made beside the first of them, with the options that most of them have.
        """
        new = sorted(set(orders) - self._jobs.keys(), key=lambda order: len(order.source), reverse=True)
        if len(new) >= WORTH_A_HEADER and not self._header_begun:
            self._header_begun = True
            ((options, _),) = Counter(order.options for order in new).most_common(1)
            self._pool.submit(self._header.make, options)
        for order in new:
            self._jobs[order] = self._pool.submit(self._compile, order)

    def wait(self, order: Order) -> None:
        """Return when ``order`` is finished, well or not."""
        if order in self._jobs:
            self._jobs[order].exception()

    def collect(self, order: Order) -> Path | None:
        """The folder with the finished ``order``; None if it was never given, or did not compile."""
        job = self._jobs.pop(order, None)
        if job is None or job.exception() is not None:
            return None
        return job.result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _compile(self, order: Order) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        self._compile_str(
            order.name,
            order.source,
            str(folder),
            include_dirs=list(order.include_dirs),
            lib_dirs=list(order.lib_dirs),
            libs=list(order.libs),
            preargs=[*self._header.options(), *order.options, NO_DEBUGGING],
            py_module=False,
        )
        return folder
