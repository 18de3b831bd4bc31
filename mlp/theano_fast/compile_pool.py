"""Pool of compilers in the background.

Modules are compiled by Theano's own ``GCC_compiler.compile_str``, with Theano's options and two more that do not change
the instructions: no debugging information, and the precompiled header.
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

WORTH_A_HEADER = 8  # modules at once: precompiling takes a second, and saves a quarter of a second per module


@dataclass(frozen=True)
class CompileJob:
    """Input of a compilation by g++; ``name`` is a hash of ``source``."""

    name: str
    source: str
    include_dirs: tuple[str, ...]
    lib_dirs: tuple[str, ...]
    libs: tuple[str, ...]
    options: tuple[str, ...]


def job_of(
    name: str, source: str, include_dirs: Any = (), lib_dirs: Any = (), libs: Any = (), preargs: Any = (), **_: Any
) -> CompileJob:
    """Return the order for the arguments of ``GCC_compiler.compile_str``."""
    return CompileJob(name, source, tuple(include_dirs), tuple(lib_dirs), tuple(libs), tuple(preargs))


class CompilePool:
    """Pool that compiles orders in the background, in its own folders."""

    def __init__(self, compile_str: Callable[..., Any], scratch: Path, workers: int) -> None:
        self._compile_str = compile_str
        self._scratch = scratch
        self._pool = ThreadPoolExecutor(workers)
        self._header = PrecompiledHeader(scratch)
        self._header_begun = False
        self._jobs: dict[CompileJob, Future[Path]] = {}

    def begin(self, jobs: Iterable[CompileJob]) -> None:
        """Start compiling, the longest sources first, for an even load of the cores at the end.

        If worthwhile, the header is compiled concurrently with the first of them, with the most common options.
        """
        new = sorted(set(jobs) - self._jobs.keys(), key=lambda job: len(job.source), reverse=True)
        if len(new) >= WORTH_A_HEADER and not self._header_begun:
            self._header_begun = True
            ((options, _),) = Counter(job.options for job in new).most_common(1)
            self._pool.submit(self._header.make, options)
        for job in new:
            self._jobs[job] = self._pool.submit(self._compile, job)

    def wait(self, job: CompileJob) -> None:
        """Wait until ``job`` is finished or failed."""
        if job in self._jobs:
            self._jobs[job].exception()

    def collect(self, job: CompileJob) -> Path | None:
        """Return the folder of the finished ``job``; None if it is unknown, or failed."""
        job = self._jobs.pop(job, None)
        if job is None or job.exception() is not None:
            return None
        return job.result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _compile(self, job: CompileJob) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        self._compile_str(
            job.name,
            job.source,
            str(folder),
            include_dirs=list(job.include_dirs),
            lib_dirs=list(job.lib_dirs),
            libs=list(job.libs),
            preargs=[*self._header.options(), *job.options, NO_DEBUGGING],
            py_module=False,
        )
        return folder
