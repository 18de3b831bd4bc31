"""Distance between the cores of this process: the round trip of a cache line, in nanoseconds.

A host may move the cores of a virtual machine: seen within one hour on two of them were 31 ns (two threads of one
core), 64 ns (one L3 cache) and 330 ns (two of them), and a training step whose threads exchange data took up to twice
as long.  No counter of the guest shows it.  Measuring a pair of cores takes 0.2 ms to 1 ms.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random

from bench.advice import make_command
from mlp.theano_compat.compiler import NO_COMPILER, find_compiler
from mlp.theano_compat.toolchain import NOEXEC, is_noexec

SOURCE = Path(__file__).with_suffix(".c")
OPTIONS = ("-O2", "-shared", "-fPIC", "-pthread", "-x", "c")
MOST_PAIRS = 6  # all pairs of four cores; of more cores a sample, the same each time
NUM_BATCHES, TRIPS_PER_BATCH = 15, 100
LIMIT_SECONDS = 0.02  # of one pair, on a machine where other programs run on its cores
COMPILE_LIMIT_SECONDS = 60.0  # it takes a tenth of a second

Core = int
RoundTrips = Callable[[Core, Core], Sequence[float]]  # mean round trips of batches, in nanoseconds


@dataclass(frozen=True)
class CoreDistance:
    """Round trips between pairs of cores, in nanoseconds; without any, ``reason`` says why."""

    ns_by_pair: dict[tuple[Core, Core], float] = field(default_factory=dict)
    reason: str | None = None

    @property
    def farthest_ns(self) -> float | None:
        """The longest round trip, which a barrier of all threads waits for; None if nothing was measured."""
        return max(self.ns_by_pair.values(), default=None)


def measure(cores: Collection[Core] | None = None, round_trips: RoundTrips | None = None) -> CoreDistance:
    """Measure the distance between ``cores``; default: those that this process may use."""
    if cores is None and not hasattr(os, "sched_getaffinity"):
        return CoreDistance(reason=f"{sys.platform} lets no program choose its cores")
    cores = sorted(os.sched_getaffinity(0) if cores is None else cores)
    if len(cores) < 2:
        return CoreDistance(reason="there is only one usable core")
    if round_trips is None:
        round_trips, reason = _compiled()
        if round_trips is None:
            return CoreDistance(reason=reason)
    try:
        # The fastest batch: in the others a thread waited for its core, or the host for something.
        return CoreDistance({pair: round(min(round_trips(*pair)), 1) for pair in pairs_of(cores)})
    except OSError as error:
        return CoreDistance(reason=f"its threads could not be placed on their cores ({error.strerror})")


def measure_ns() -> float | None:
    """Return the longest round trip between the cores of this process, in nanoseconds; None if not measurable."""
    return measure().farthest_ns


def pairs_of(cores: Sequence[Core]) -> list[tuple[Core, Core]]:
    """Return all pairs of a few cores; of many the same random sample of ``MOST_PAIRS`` each time."""
    pairs = list(combinations(cores, 2))
    return pairs if len(pairs) <= MOST_PAIRS else sorted(Random(0).sample(pairs, MOST_PAIRS))


@cache
def _compiled() -> tuple[RoundTrips | None, str | None]:
    """Compile and load the measuring function; return it, or None and the reason."""
    compiler = find_compiler()
    if compiler is None:
        return None, NO_COMPILER
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "core_distance.so")
        try:
            argv = [compiler, *OPTIONS, str(SOURCE), "-o", str(library)]
            subprocess.run(argv, capture_output=True, timeout=COMPILE_LIMIT_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError):
            compiling = f"{Path(compiler).name} could not compile {SOURCE.name}"
            return None, f"{compiling}: {make_command('doctor')} checks the compiler"
        try:
            return _callable(ctypes.CDLL(str(library))), None
        except OSError:
            why = f"the temporary folder {NOEXEC}" if is_noexec(folder) else "the loader refused it"
            return None, f"{SOURCE.name} was compiled, but could not be loaded: {why}"


def _callable(library: ctypes.CDLL) -> RoundTrips:
    library.round_trips.argtypes = [*[ctypes.c_int] * 4, ctypes.c_double, ctypes.POINTER(ctypes.c_double)]

    def round_trips(first: Core, second: Core) -> list[float]:
        ns = (ctypes.c_double * NUM_BATCHES)()
        num_measured = library.round_trips(first, second, NUM_BATCHES, TRIPS_PER_BATCH, LIMIT_SECONDS, ns)
        if num_measured < 0:
            raise OSError(-num_measured, os.strerror(-num_measured))
        return ns[:num_measured]

    return round_trips
