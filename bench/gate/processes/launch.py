"""Starting processes of a side: its files, interpreter, environment and compile cache; and what it says of itself."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.gate.processes.process import PROGRAM, Process, ReplicateError
from bench.gate.processes.sides import Side
from bench.measure.case import Case, Stack
from bench.measure.environment import build, compile_caches, joined_paths
from bench.measure.scratch import temporary_files_in
from mlp.backends import load

DIFFERENCES_SHOWN = 6
# Whatever a process notes in the cache of its side, it notes under Theano's lock; revisions whose modules knew the seed
# note one for every seed.  Who finds the lock taken sleeps 5 s to 10 s by default, and a block with it (measured: 20 s
# instead of 10 s); so, 1 s to 2 s.
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
    """A side cannot be measured at all: nothing can be said about the other."""


@dataclass(frozen=True)
class Primed:
    """What a side said of itself when its compile cache was filled."""

    directory: str  # of the data
    data_digest: str  # of its files, as they are on disk
    dataset: dict[str, Any]
    recipe: dict[str, Any]
    python: str
    packages: dict[str, str | None]
    peak_bytes: int | None


@dataclass(frozen=True)
class Launcher:
    """Starts processes of one stack.  ``folder`` holds a compile cache for each side; ``data`` is what --data named."""

    stack: Stack
    threads: int
    folder: Path
    data: Path | None = None
    cold: bool = False  # whether each process compiles into an empty cache of its own

    def prime(self, sides: Sequence[Side]) -> list[Primed]:
        """Fill the compile cache of each side by one process, and ask it what it is; the sides do so at once.

        Raises
        ------
        SideError
            If a side does not import, load, compile, train or validate: the reason, and whose it is.
        """
        with ExitStack() as stack:
            processes = []
            for side in sides:
                with _naming(side):
                    processes.append(stack.enter_context(self._started(side, 1, self._cache(side))))
            said: list[dict[str, Any]] = [{} for _ in sides]
            for do, arguments in PRIMING:
                for process in processes:
                    process.send(do, **arguments)
                for side, process, so_far in zip(sides, processes, said, strict=True):
                    with _naming(side):
                        so_far |= process.receive()
                        _check_home(side, so_far)
        return [Primed(**{one.name: so_far[one.name] for one in fields(Primed)}) for so_far in said]

    @contextmanager
    def started(self, side: Side, seed: int) -> Iterator[Process]:
        """A fresh process of ``side``, ended afterwards; raises ReplicateError if it cannot even be started."""
        cache = self._cache(side)
        if self.cold:
            cache = self.folder / f"cold-{next(_numbers)}"
        with self._started(side, seed, cache) as process:
            yield process
        if self.cold:
            shutil.rmtree(cache, ignore_errors=True)

    def _cache(self, side: Side) -> Path:
        return self.folder / f"cache-{side.name}"

    def _started(self, side: Side, seed: int, cache: Path) -> Process:
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
        python = side.python or load(stack.backend).interpreter(stack.device)
        argv = [str(python), "-P", str(PROGRAM), json.dumps(configuration)]
        return Process(argv, self._variables(side, cache), self.folder)

    def _variables(self, side: Side, cache: Path) -> dict[str, str]:
        """Those of every measured process; then the side's own, which win, except that its cache stays its own."""
        stack = self.stack
        case = Case("epoch", stack.backend, stack.variant, stack.device, self.threads, dataset="")
        variables = build(case, None, side.variables)
        flags = ",".join(filter(None, (SHORT_LOCK_WAIT, variables.get("THEANO_FLAGS"))))
        paths = joined_paths(str(side.directory), side.variables.get("PYTHONPATH"))
        variables |= {"PYTHONPATH": paths, "THEANO_FLAGS": flags}
        return variables | compile_caches(variables, cache) | temporary_files_in(self.folder)


_numbers = itertools.count()


@contextmanager
def _naming(side: Side) -> Iterator[None]:
    try:
        yield
    except ReplicateError as error:
        raise SideError(f"side {side.name} ({side.label}) cannot be measured: it {error}.") from error


def _check_home(side: Side, said: dict[str, Any]) -> None:
    if Path(said["mlp"]) != side.directory.resolve():
        raise ReplicateError(f"imports mlp from {said['mlp']}, and not from its own files in {side.directory}")


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
