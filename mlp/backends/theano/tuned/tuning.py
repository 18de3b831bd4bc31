"""Tuning parameters of ``tuned`` that the machine decides: the team's threads, and a tile's columns in each product.

After a cold compilation a short measurement of the network's own products chooses them; the choice is stored beside the
compiled modules.  The default stays unless another choice is clearly faster, so that noise seldom decides.  Parameters
that are constants are in ``tuning.h``.  No choice changes a result, except for the rounding of a product that goes to
the BLAS instead; so it is on record.

``MLP_BENCH_TUNED_PARAMETERS`` sets them instead: ``default``, or e.g. ``threads=2,forward_1=128,weights_2=dense``.
This module does not import Theano, for ``doctor``.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mlp.errors import BackendError

VARIABLE = "MLP_BENCH_TUNED_PARAMETERS"
INSTRUCTION_SET = "_mlp_bench_instruction_set"  # in sys, set by the compiled products
DEFAULT_TILE, DENSE = 64, 0
TILE_COLUMNS = (DEFAULT_TILE, 32, 128)  # of sparse_product.h
WORDS = {"dense": DENSE, **{str(columns): columns for columns in TILE_COLUMNS}}

MIN_SIDE, MIN_MULTIPLICATIONS = 64, 1 << 21  # as in tuning.h: smaller products are dense anyway
MAX_ROWS = 512  # of a measured minibatch: larger ones take the choice for this size
MIN_THREADS = 4  # from which fewer are tried: of two or three, each missing one costs more than a short look can tell

BUDGET_SECONDS = 0.3
MAX_ROUNDS, MIN_ROUNDS = 15, 7
CLEARLY_FASTER = 0.96  # ratio to the default at most
BLAS_CLEARLY_FASTER = 0.9  # it rounds otherwise, and so takes over for a large gain only

Seconds = float


@dataclass(frozen=True)
class ProductShape:
    """Product of a training step, ``role`` as in ``bench.roofline.workload``: (m, k) times (k, n)."""

    role: str
    m: int
    n: int
    k: int

    @property
    def can_skip_zeros(self) -> bool:
        return min(self.m, self.n, self.k) >= MIN_SIDE and self.m * self.n * self.k >= MIN_MULTIPLICATIONS


@dataclass(frozen=True)
class TuningParameters:
    """Threads of the team, and {role of a product: columns of its tiles} where these are not DEFAULT_TILE."""

    num_threads: int
    tiles: Mapping[str, int] = field(default_factory=dict)

    def of_layer(self, layer: int) -> list[int]:
        """Return the columns of a tile of ``product.Product`` for layer 1, 2, ...: int (4,)."""
        return [self.tiles.get(f"{kind}_{layer}", DEFAULT_TILE) for kind in ("forward", "inputs", "weights", "both")]

    def __str__(self) -> str:
        words = {columns: word for word, columns in WORDS.items()}
        tiles = [f"{role}={words[columns]}" for role, columns in sorted(self.tiles.items())]
        return ",".join([f"threads={self.num_threads}", *tiles])


def parse(text: str, num_threads: int) -> TuningParameters:
    """Return the parameters that ``str`` wrote; ``num_threads`` if it names none.

    Raises
    ------
    BackendError
        If the text is malformed.
    """
    tiles: dict[str, int] = {}
    for setting in text.split(",") if text != "default" else []:
        name, _, value = setting.strip().partition("=")
        kind, _, layer = name.partition("_")
        if name == "threads" and value.isdecimal() and 1 <= int(value) <= 256:
            num_threads = int(value)
        elif kind in ("forward", "inputs", "weights") and layer.isdecimal() and value in WORDS:
            tiles[name] = WORDS[value]
        else:
            raise BackendError(
                f"{VARIABLE}={text} has no tuning parameter {setting!r}: write default, or threads=2 and products as "
                f"forward_1=128, inputs_2=dense, each with one of {', '.join(WORDS)}, separated by commas."
            )
    return TuningParameters(num_threads, {role: columns for role, columns in tiles.items() if columns != DEFAULT_TILE})


def pinned(num_threads: int) -> TuningParameters | None:
    """Return the parameters in MLP_BENCH_TUNED_PARAMETERS; None if it is not set."""
    text = os.environ.get(VARIABLE, "").strip()
    return parse(text, num_threads) if text else None


def step_products(widths: Sequence[int], batch_size: int) -> list[ProductShape]:
    """Return the products of a training step that can skip zeros, of at most MAX_ROWS examples."""
    batch = min(batch_size, MAX_ROWS)
    found = []
    for layer, (inputs, units) in enumerate(pairwise(widths), start=1):
        found.append(ProductShape(f"forward_{layer}", batch, units, inputs))
        found.append(ProductShape(f"weights_{layer}", inputs, units, batch))
        if layer > 1:
            found.append(ProductShape(f"inputs_{layer}", batch, inputs, units))
    return [product for product in found if product.can_skip_zeros]


# --- choice -----------------------------------------------------------------------------------------------------------

TimeProduct = Callable[[str, int, int], Seconds]  # of one call: role, columns of a tile, threads


def choose(
    roles: Sequence[str], num_threads: int, time_product: TimeProduct, clock: Callable[[], Seconds] = time.perf_counter
) -> TuningParameters:
    """Return the fastest parameters, or the default for those of which none is clearly faster.

    Candidates take turns, so that a drift of the machine's speed reaches all of them.
    """
    timed = _rounds(
        [(role, columns) for role in roles for columns in (*TILE_COLUMNS, DENSE)],
        lambda candidate: time_product(*candidate, num_threads),
        BUDGET_SECONDS,
        clock,
    )
    tiles = {}
    for role in roles:
        columns = _fastest({columns: timed[role, columns] for columns in (*TILE_COLUMNS, DENSE)}, DEFAULT_TILE)
        if columns != DEFAULT_TILE:
            tiles[role] = columns
    return TuningParameters(_choose_threads(roles, num_threads, tiles, time_product, clock), tiles)


def _choose_threads(
    roles: Sequence[str], most: int, tiles: Mapping[str, int], time_product: TimeProduct, clock: Callable[[], Seconds]
) -> int:
    """Return ``most`` threads, or a half or a quarter if all products together are clearly faster with these."""
    if most < MIN_THREADS or not roles:
        return most
    candidates = [most, most // 2, *([most // 4] if most >= 2 * MIN_THREADS else [])]

    def time_all(threads: int) -> Seconds:
        def total() -> Seconds:
            return sum(time_product(role, tiles.get(role, DEFAULT_TILE), threads) for role in roles)

        total()  # the threads change: some begin to sleep, others wake
        return total()

    return _fastest(_rounds(candidates, time_all, BUDGET_SECONDS / 2, clock), most)


def _rounds(
    candidates: Sequence[Any], time_one: Callable[[Any], Seconds], budget: Seconds, clock: Callable[[], Seconds]
) -> dict[Any, list[Seconds]]:
    """Return {candidate: seconds of each round}, after a round that warms up."""
    end = clock() + budget
    for candidate in candidates:
        time_one(candidate)
    timed: dict[Any, list[Seconds]] = {candidate: [] for candidate in candidates}
    for _ in range(MAX_ROUNDS):
        if clock() >= end:
            break
        for candidate in candidates:
            timed[candidate].append(time_one(candidate))
    return timed


def _fastest(timed: Mapping[int, Sequence[Seconds]], default: int) -> int:
    """Return the candidate of the smallest median ratio to the default, if it is clearly faster; else the default.

    Clearly: by the median of the ratios and by the fastest calls, which other load disturbs least; and in three of
    four rounds.
    """
    if len(timed[default]) < MIN_ROUNDS:
        return default
    clear = {}
    for candidate, seconds in timed.items():
        ratios = sorted(ours / theirs for ours, theirs in zip(seconds, timed[default], strict=True))
        median, of_fastest = statistics.median(ratios), min(seconds) / min(timed[default])
        limit = BLAS_CLEARLY_FASTER if candidate == DENSE else CLEARLY_FASTER
        if max(median, of_fastest) <= limit and ratios[len(ratios) * 3 // 4] < 1:
            clear[candidate] = median
    return min(clear, key=clear.__getitem__, default=default)


# --- storage ----------------------------------------------------------------------------------------------------------


def path_of(directory: Path, facts: Mapping[str, Any]) -> Path:
    """Return the file in the compile directory that holds the choice for a machine and a network of these facts."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return directory / f"mlp_bench_tuning_{digest[:16]}.json"


def read(path: Path, num_threads: int) -> TuningParameters | None:
    """Return the stored choice; None if there is none or the file is damaged."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8"))["parameters"], num_threads)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BackendError):
        return None


def write(path: Path, parameters: TuningParameters, facts: Mapping[str, Any]) -> None:
    """Store the choice with its facts, replacing the file as a whole."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps({"parameters": str(parameters), **facts}, indent=1), encoding="utf-8")
    partial.replace(path)


def processor() -> str:
    """Return the model of the processor as the system names it, with family and model numbers where it tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        import platform

        return platform.processor() or platform.machine()
    lines = dict(line.partition(":")[::2] for line in text.splitlines())
    named = {name.strip(): value.strip() for name, value in lines.items()}
    names = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
    return ", ".join(f"{name} {named[name]}" for name in names if name in named)


# --- record -----------------------------------------------------------------------------------------------------------

_in_use: list[TuningParameters] = []


def use(parameters: TuningParameters) -> None:
    """Note the parameters with which this process computes, for the record."""
    _in_use[:] = [parameters]


def facts_in_use() -> dict[str, str | None] | None:
    """Return parameters and instruction set of the compiled products; None if this process compiled none."""
    if not _in_use:
        return None
    return {"parameters": str(_in_use[0]), "instruction_set": getattr(sys, INSTRUCTION_SET, None)}
