"""Preparation of a gate run: both sides checked, checked out, with a warm compile cache."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from bench.advice import bench_command
from bench.errors import BenchError
from bench.gate.block import BASE, CANDIDATE, CONTROL, Block
from bench.gate.processes.launch import Launcher, Primed, SideError, check_comparable, pins_of
from bench.gate.processes.process import Process
from bench.gate.processes.sides import Side, SideSpec, check_out, resolve
from bench.gate.processes.turns import BlockPlan, measure_block
from bench.gate.verdict.bisection.choice import MAX_PROCESSES
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
    """Prepared sides by the roles of their processes; ``primed`` is that of the base, ``random`` shuffles the orders.

    Seeds count up from ``first_seed``, which differs between runs, so that a change tuned to the seeds of one run is
    judged on others.
    """

    sides: dict[str, Side]
    primed: Primed
    launcher: Launcher
    program: BlockPlan
    random: Random = field(default_factory=Random)
    first_seed: int = field(default_factory=lambda: Random().randrange(1, 2**31))
    count_instructions: Callable[[Process], float | None] | None = None
    clock: Callable[[], float] = time.perf_counter

    @property
    def base(self) -> Side:
        return self.sides[BASE]

    @property
    def candidate(self) -> Side:
        return self.sides[CANDIDATE]

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
        candidate = replace(self.candidate, slowdown=seconds, held_bytes=held)
        return replace(self, sides={**self.sides, CANDIDATE: candidate})

    def _start(self, role: str, seed: int) -> AbstractContextManager[Process]:
        return self.launcher.started(self.sides[role], seed)


def resolve_stack(backend: str, variant: str | None, device: str) -> Stack:
    """Return the stack of these names; raise BackendError if unknown.  Theano's default variant is ``tuned``."""
    check_device(device)
    if variant is None and backend == DEFAULT_BACKEND and device == "cpu":
        variant = DEFAULT_VARIANT
    chosen = load(backend).variant_named(variant)
    return Stack(backend, chosen.name, device, chosen.precision, chosen.caches_code)


def _check_data(data: Path | None, sides: Iterable[Side]) -> None:
    """Raise DatasetError for a directory without MNIST, before a checkout is made or a process started."""
    is_of_environment = os.environ.get(MNIST_DIR) and any(MNIST_DIR not in side.variables for side in sides)
    if data is not None or is_of_environment:
        identify(locate(data).directory)


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
def opened(request: GateRequest) -> Iterator[Session]:
    """Resolve and prepare both sides of a gate run; raise BenchError if one is invalid, else as ``prepared``."""
    sides = {BASE: resolve(BASE, request.base, request.project)}
    sides[CANDIDATE] = resolve(CANDIDATE, request.candidate, request.project)
    with prepared(request, sides) as session:
        session.sides[CONTROL] = session.base
        yield session.injected(request.inject_seconds, request.inject_bytes)


@contextmanager
def prepared(request: GateRequest, sides: Mapping[str, Side]) -> Iterator[Session]:
    """Check and prepare the base and the side compared with it, {role: side}; remove checkouts and caches afterwards.

    Raises
    ------
    BenchError
        If the request cannot be measured here (before anything is started), or the sides cannot be compared.
    SideError
        If a side cannot be measured at all.
    """
    if "compile_cold" in request.measures and not request.stack.caches_code:
        raise BenchError(
            f"{request.stack.label} keeps no compiled code on disk, so that no compilation is colder than another: "
            "leave out --metric compile_cold."
        )
    if request.stack.caches_code:
        check_fit_for_code()
    _check_data(request.data, sides.values())
    _check_conformance(sides.values(), request)
    with scratch_folder() as folder:
        cold = "compile_cold" in request.measures
        threads = request.threads or fingerprint.usable_cores()
        launcher = Launcher(request.stack, threads, folder, request.data, cold)
        found = [check_out(side, folder) for side in sides.values()]
        primed, other = launcher.prime(found)
        check_comparable(primed, other)
        found = [with_data(side, own) for side, own in zip(found, (primed, other), strict=True)]
        program = BlockPlan(request.measures, batch_size=primed.recipe["batch_size"])
        launcher = replace(launcher, pinned=pins_of(primed))
        yield Session(dict(zip(sides, found, strict=True)), primed, launcher, program)


def with_data(side: Side, primed: Primed) -> Side:
    """Return ``side`` with the data that its first process found."""
    return replace(side, data=primed.directory, data_digest=primed.data_digest)


def seeds_of_block(first: int, number: int, roles: Sequence[str]) -> list[int]:
    """Return the seed of each process of block ``number``: the nth process of every role has the nth seed.

    Pairs of equal seeds make learning comparable, and no two blocks share a seed.
    """
    nth = [roles[:place].count(role) for place, role in enumerate(roles)]
    return [first + number * MAX_PROCESSES + place for place in nth]
