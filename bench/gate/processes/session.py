"""Preparation of a gate run: both sides checked, checked out, with a warm compile cache."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from bench.advice import bench_command
from bench.errors import BenchError
from bench.gate.block import CANDIDATE, Block
from bench.gate.processes.launch import Launcher, Primed, SideError, check_comparable, pins_of
from bench.gate.processes.process import Process
from bench.gate.processes.sides import Side, SideSpec, check_out, resolve
from bench.gate.processes.turns import BlockPlan, measure_block
from bench.machine import core_distance, fingerprint
from bench.measure.case import Stack
from bench.measure.conformance.check import check
from bench.measure.environment import check_fit_for_code
from bench.measure.scratch import scratch_folder
from bench.measure.worker import PROJECT
from mlp import registry
from mlp.backends import check_device, load
from mlp.dataset import identify, locate

MNIST_DIR = "MNIST_DIR"
DEFAULT_BACKEND, DEFAULT_VARIANT = "theano", "tuned"


@dataclass(frozen=True)
class GateRequest:
    """Sides, stack and metrics of a gate run.  Injections are fractions of a training step and of the peak memory."""

    base: SideSpec
    candidate: SideSpec
    stack: Stack
    measures: tuple[str, ...]
    data: Path | None = None
    threads: int | None = None
    inject_seconds: float = 0.0
    inject_bytes: float = 0.0
    project: Path = PROJECT  # repository of the sides


@dataclass
class Session:
    """Two prepared sides; ``random`` shuffles the orders.

    Seeds count up from ``first_seed``, which differs between runs, so that a change tuned to the seeds of one run is
    judged on others.
    """

    base: Side
    candidate: Side
    primed: Primed
    launcher: Launcher
    program: BlockPlan
    random: Random
    first_seed: int = 1
    count_instructions: Callable[[Process], float | None] | None = None
    clock: Callable[[], float] = time.perf_counter

    def measure(self, number: int, kind: str, roles: tuple[str, ...], measures: tuple[str, ...]) -> Block:
        """Measure block ``number`` with one process for each of ``roles``."""
        seeds = seeds_of_block(self.first_seed, number, roles)
        count = self.count_instructions if number == 0 else None
        program = replace(self.program, measures=measures)
        return measure_block(
            number, kind, roles, seeds, program, self._start, self.random, self.clock, count, core_distance.measure_ns
        )

    def injected(self, seconds: float = 0.0, bytes_: float = 0.0) -> Session:
        """Return a copy with injections on side B: fractions of a training step and of the peak memory."""
        held = round(bytes_ * (self.primed.peak_bytes or 0))
        return replace(self, candidate=replace(self.candidate, slowdown=seconds, held_bytes=held))

    def _start(self, role: str, seed: int) -> AbstractContextManager[Process]:
        return self.launcher.started(self.candidate if role == CANDIDATE else self.base, seed)


def resolve_stack(backend: str, variant: str | None, device: str) -> Stack:
    """Return the stack of these names; raise BackendError if unknown.  Theano's default variant is ``tuned``."""
    check_device(device)
    if variant is None and backend == DEFAULT_BACKEND and device == "cpu":
        variant = DEFAULT_VARIANT
    chosen = load(backend).variant_named(variant)
    return Stack(backend, chosen.name, device, chosen.precision, chosen.caches_code)


def _check_data(data: Path | None, sides: Iterable[Side]) -> None:
    """Raise DatasetError for a directory without MNIST, before a checkout is made or a process started."""
    if data is not None:
        identify(locate(data).directory)
    elif os.environ.get(MNIST_DIR) and any(MNIST_DIR not in side.variables for side in sides):
        identify(locate().directory)


def _check_conformance(sides: Iterable[Side], request: GateRequest) -> None:
    """Raise SideError if the backend is of a plugin and does not conform on a side; the built-in ones are tested."""
    if not registry.is_plugin(request.stack.backend):
        return
    known: dict[Any, str | None] = {}  # two sides most often have one environment
    for side in sides:
        what = side.python, tuple(sorted(side.variables.items()))
        if what not in known:
            threads = request.threads or fingerprint.usable_cores()
            known[what] = check(request.stack, threads, side.variables, python=side.python).reason
        if known[what] is not None:
            raise SideError(
                f"side {side.name} ({side.label}) is not judged: {request.stack.label} does not conform there: "
                f"{known[what]}. See {bench_command(f'conform {request.stack.backend}')}."
            )


@contextmanager
def opened(request: GateRequest, seed: int | None = None) -> Iterator[Session]:
    """Check and prepare both sides; remove their checkouts and caches afterwards.

    Raises
    ------
    BenchError
        If a side is invalid, or the two cannot be compared.
    SideError
        If a side cannot be measured at all.
    """
    base = resolve("A", request.base, request.project)
    candidate = resolve("B", request.candidate, request.project)
    with launching(request, (base, candidate)) as launcher:
        base, candidate = check_out(base, launcher.folder), check_out(candidate, launcher.folder)
        primed, other = launcher.prime((base, candidate))
        check_comparable(primed, other)
        launcher = replace(launcher, pinned=pins_of(primed))
        base, candidate = with_data(base, primed), with_data(candidate, other)
        program = BlockPlan(request.measures, batch_size=primed.recipe["batch_size"])
        random = Random(seed)
        session = Session(base, candidate, primed, launcher, program, random, first_seed(random))
        yield session.injected(request.inject_seconds, request.inject_bytes)


@contextmanager
def launching(request: GateRequest, sides: Iterable[Side]) -> Iterator[Launcher]:
    """Check what ``sides`` need, and yield a launcher in a scratch folder, which is removed afterwards.

    Raises BenchError before anything is started if the request cannot be measured here.
    """
    if "compile_cold" in request.measures and not request.stack.caches_code:
        raise BenchError(
            f"{request.stack.label} keeps no compiled code on disk, so that no compilation is colder than another: "
            "leave out --metric compile_cold."
        )
    if request.stack.caches_code:
        check_fit_for_code()
    _check_data(request.data, sides)
    _check_conformance(sides, request)
    with scratch_folder() as folder:
        cold = "compile_cold" in request.measures
        threads = request.threads or fingerprint.usable_cores()
        yield Launcher(request.stack, threads, folder, request.data, cold)


def with_data(side: Side, primed: Primed) -> Side:
    """Return ``side`` with the data that its first process found."""
    return replace(side, data=primed.directory, data_digest=primed.data_digest)


def first_seed(random: Random) -> int:
    return random.randrange(1, 2**31)


def seeds_of_block(first: int, number: int, roles: Sequence[str]) -> list[int]:
    """Return the seed of each process of block ``number``: the nth process of every role has the nth seed.

    Pairs of equal seeds make learning comparable, and no two blocks of up to ``len(roles)`` processes share a seed.
    """
    nth = [roles[:place].count(role) for place, role in enumerate(roles)]
    return [first + number * len(roles) + place for place in nth]
