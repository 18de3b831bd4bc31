"""Start of processes of a side: files, interpreter, environment and compile cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.gate.processes.process import PROGRAM, Process, ReplicateError
from bench.gate.processes.sides import Side
from bench.measure.case import Case, Stack
from bench.measure.environment import TUNING_PARAMETERS, build, compile_caches, joined_paths
from bench.measure.scratch import scratch_folder, temporary_files_in
from mlp.backends import load
from mlp.theano_compat.toolchain import problem_elsewhere

DIFFERENCES_SHOWN = 6
# A process writes to the compile cache of its side under Theano's lock; revisions that compile the seed into a module
# write an entry for each seed.  A process that finds the lock taken sleeps 5 s to 10 s by default, which delays its
# block (measured: 20 s instead of 10 s); so, 1 s to 2 s.
SHORT_LOCK_WAIT = "compile.wait=1"
PRIMING: tuple[tuple[str, dict[str, int]], ...] = (
    ("prepare", {}),
    ("identify", {}),
    ("load", {}),
    ("compile", {}),
    ("train", {"num_steps": 1}),
    ("validate", {}),
    ("memory", {}),
)


class SideError(BenchError):
    """A side cannot be measured at all, so no comparison is possible."""


@dataclass(frozen=True)
class Primed:
    """Properties of a side, reported by the process that filled its compile cache."""

    directory: str  # of the data
    data_digest: str  # of its files, as they are on disk
    dataset: dict[str, Any]
    recipe: dict[str, Any]
    packages: dict[str, str | None]
    tuning: dict[str, str | None] | None
    peak_bytes: int | None


@dataclass(frozen=True)
class Launcher:
    """Start processes of one stack.  ``folder`` holds a compile cache per side; ``data`` is the value of --data."""

    stack: Stack
    threads: int
    folder: Path
    data: Path | None = None
    cold: bool = False  # whether each process compiles into an empty cache of its own
    pinned: Mapping[str, str] = field(default_factory=dict)  # variables of both sides

    def prime(self, sides: Sequence[Side]) -> list[Primed]:
        """Fill the compile cache of each side in one process and return the properties of each; sides run concurrently.

        Raises
        ------
        SideError
            If a side does not import, load, compile, train or validate; names the side and the reason.
        """
        self._check_toolchains(sides)
        with ExitStack() as stack:
            processes = []
            for side in sides:
                with _naming(side):
                    processes.append(stack.enter_context(self._started(side, 1)))
            replies: list[dict[str, Any]] = [{} for _ in sides]
            for do, arguments in PRIMING:
                for process in processes:
                    process.send(do, **arguments)
                for side, process, so_far in zip(sides, processes, replies, strict=True):
                    with _naming(side):
                        so_far |= process.receive()
                        _check_home(side, so_far)
        return [Primed(**{one.name: so_far[one.name] for one in fields(Primed)}) for so_far in replies]

    @contextmanager
    def started(self, side: Side, seed: int) -> Iterator[Process]:
        """Start a fresh process of ``side`` and end it afterwards; raise ReplicateError if it cannot be started."""
        with (
            scratch_folder(self.folder) if self.cold else nullcontext() as cold,
            self._started(side, seed, cold) as process,
        ):
            yield process

    def _check_toolchains(self, sides: Sequence[Side]) -> None:
        """Raise SideError for a side whose Python cannot compile C++, where the stack needs it.

        The framework itself would say so in the middle of a compilation.
        """
        settings = load(self.stack.backend).compiler_settings(self.stack.variant)
        problems: dict[tuple, str | None] = {}  # two sides are most often compiled for by one toolchain
        for side in sides if settings else ():
            what = self._python(side), tuple(sorted(side.variables.items()))
            if what not in problems:
                variables = build(self._case(), None, side.variables)
                problems[what] = problem_elsewhere(self._python(side), variables, settings)
            if problems[what]:
                with _naming(side):
                    raise ReplicateError(f"cannot compile: {problems[what]}")

    def _python(self, side: Side) -> Path:
        return side.python or load(self.stack.backend).interpreter(self.stack.device)

    def _case(self) -> Case:
        stack = self.stack
        return Case("epoch", stack.backend, stack.variant, stack.device, self.threads, dataset="")

    def _started(self, side: Side, seed: int, cold: Path | None = None) -> Process:
        stack = self.stack
        configuration = {
            "backend": stack.backend,
            "variant": stack.variant,
            "device": stack.device,
            "seed": seed,
            "data": side.data or (None if self.data is None else str(self.data)),
            "data_digest": side.data_digest,
            "slowdown": side.slowdown,
            "held_bytes": side.held_bytes,
        }
        argv = [str(self._python(side)), "-P", str(PROGRAM), json.dumps(configuration)]
        return Process(argv, self._variables(side, cold), self.folder)

    def _variables(self, side: Side, cold: Path | None) -> dict[str, str]:
        """Return the environment: the common variables, overridden by the side's, except for the compile cache, which
        is the folder ``cold`` or the side's."""
        variables = build(self._case(), None, {**self.pinned, **side.variables})
        flags = ",".join(filter(None, (SHORT_LOCK_WAIT, variables.get("THEANO_FLAGS"))))
        paths = joined_paths(str(side.directory), side.variables.get("PYTHONPATH"))
        variables |= {"PYTHONPATH": paths, "THEANO_FLAGS": flags}
        cache = cold or self.folder / f"cache-{side.name}"
        return (
            variables | compile_caches(variables, cache, self.stack.backend) | temporary_files_in(cold or self.folder)
        )


@contextmanager
def _naming(side: Side) -> Iterator[None]:
    try:
        yield
    except ReplicateError as error:
        raise SideError(f"side {side.name} ({side.label}) cannot be measured: it {error}.") from error


def _check_home(side: Side, reply: dict[str, Any]) -> None:
    if Path(reply["mlp"]) != side.directory.resolve():
        raise ReplicateError(f"imports mlp from {reply['mlp']}, and not from its own files in {side.directory}")


def pins_of(base: Primed) -> dict[str, str]:
    """Return the variable that gives both sides the tuning parameters which side A chose; {} if it chose none.

    Otherwise each side would measure its own, and a difference between the choices would be taken for one of the code.
    """
    return {TUNING_PARAMETERS: str(base.tuning["parameters"])} if base.tuning else {}


def check_comparable(base: Primed, candidate: Primed) -> None:
    """Raise BenchError with the list of reasons unless both sides train the same recipe on the same data."""
    reasons = []
    if base.dataset["sha256"] != candidate.dataset["sha256"]:
        reasons.append(f"the dataset of A is {_dataset(base)} and that of B {_dataset(candidate)}")
    for name in sorted(base.recipe.keys() | candidate.recipe.keys()):
        ours, theirs = base.recipe.get(name), candidate.recipe.get(name)
        if ours != theirs:
            reasons.append(f"{name} of the recipe is {ours} in A and {theirs} in B")
    if reasons:
        more = f"; and {len(reasons) - DIFFERENCES_SHOWN} more" if len(reasons) > DIFFERENCES_SHOWN else ""
        raise BenchError(
            f"the sides cannot be compared: {'; '.join(reasons[:DIFFERENCES_SHOWN])}{more}. Compare sides that train "
            "the same recipe on the same data."
        )


def _dataset(primed: Primed) -> str:
    digest = next(iter(primed.dataset["sha256"].values()))
    return f"{primed.dataset['identity']} ({digest[:8]}...)"
