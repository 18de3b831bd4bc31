"""Share of each stack in this machine's speed of light, and the parts of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.document.section import Section
from bench.document.table import INTEGER, SECONDS, SHARE, SHARE_INTERVAL, Column
from bench.records.ceilings import Ceiling, Ceilings
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.select import rounds_of
from bench.records.stack_key import StackKey, by_stack
from bench.report.run.tables import ratio_cells, select
from bench.roofline.ceilings import HOST, LOWER_PRECISIONS, SQUARE, ceilings_of
from bench.roofline.lower_bound import LowerBound, Part, lower_bound_of
from bench.stats import estimates
from bench.units import format_bytes, format_number, format_percent, format_seconds
from mlp.recipe import CANONICAL, Recipe

TITLE = "Share of the speed of light"
SCIPY_BLAS = "SciPy's OpenBLAS"


@dataclass(frozen=True)
class Share:
    """Ratio speed of light / measured for a stack; 1 is the best that this machine showed in library calls.

    ``train_epoch`` and ``validate_epoch`` are over the epochs of the interleaved rounds; ``canonical_run``, of the
    median run, is None unless the record has reference runs of the canonical number of epochs.
    """

    stack: StackKey
    train_epoch: estimates.Ratio | None
    validate_epoch: estimates.Ratio | None
    canonical_run: float | None


@dataclass(frozen=True)
class DeviceBounds:
    """Speed of light of one device: ceilings, the bounds that follow, and each stack's shares."""

    device: str
    ceilings: Ceilings
    speed: LowerBound | None
    shares: list[Share]


def bounds_by_device(header: RunHeader, frames: Frames) -> list[DeviceBounds]:
    """Return one for each device whose ceilings the run measured, the CPU first."""
    recipe = recipe_of(header.recipe)
    found = []
    for device in dict.fromkeys(["cpu", *frames.samples["device"].dropna().unique()]):
        ceilings = ceilings_of(frames, device)
        if ceilings is not None:
            speed = lower_bound_of(ceilings, recipe)
            found.append(DeviceBounds(device, ceilings, speed, _shares(frames, ceilings, recipe)))
    return found


def recipe_of(recorded: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a record, with the canonical number of epochs."""
    known = {name: recorded[name] for name in ("dropout", "batch_size") if name in recorded}
    widths = tuple(recorded.get("layer_widths") or CANONICAL.layer_widths)
    return Recipe(layer_widths=widths, num_epochs=CANONICAL.num_epochs, **known)


def _shares(frames: Frames, ceilings: Ceilings, recipe: Recipe) -> list[Share]:
    """Return the share of each stack in the bound with products of its own precision, if these were measured."""
    epochs = frames.samples[(frames.samples["harness"] == "epoch") & (frames.samples["device"] == ceilings.device)]
    shares = [
        Share(
            stack,
            _share(speed.train_epoch_seconds, rows, "train_epoch"),
            _share(speed.validate_epoch_seconds, rows, "validate_epoch"),
            _canonical_run(frames, stack, speed),
        )
        for stack, rows in by_stack(epochs)
        if (speed := lower_bound_of(ceilings, recipe, stack.precision)) is not None
    ]
    return sorted(shares, key=lambda share: -share.train_epoch.center if share.train_epoch else 0.0)


def _share(best_seconds: float, rows: Any, measurement: str) -> estimates.Ratio | None:
    """Return the share with the same bound for every round, as load beside a round does not change the machine."""
    rounds = rounds_of(rows[rows["measurement"] == measurement].dropna(subset=["round"]))
    return estimates.paired_ratio(dict.fromkeys(rounds, best_seconds), rounds)


def _canonical_run(frames: Frames, stack: StackKey, speed: LowerBound) -> float | None:
    results = select(frames.results, stack)
    whole = results[results["num_epochs"] == speed.recipe.num_epochs]["total_seconds"]
    return None if whole.empty else speed.canonical_run_seconds / float(whole.median())


# --- as sections ------------------------------------------------------------------------------------------------------


def lower_bound_sections(found: list[DeviceBounds], header: RunHeader) -> list[Section]:
    return [section for one in found for section in _of_device(one, several=len(found) > 1, header=header)]


def _of_device(one: DeviceBounds, several: bool, header: RunHeader) -> list[Section]:
    where = f" on {one.device}" if several else ""
    notices = [one.ceilings.notice] if one.ceilings.notice else []
    rows = ceiling_rows(one.ceilings)
    ceilings = Section(f"Ceilings{where}", [], CEILING_COLUMNS, rows, ["ceilings"], notices)
    if one.speed is None:
        ceilings.sentences.append("No speed of light follows: a part of a step has no measured ceiling.")
        return [ceilings]
    rows = [_share_row(share) for share in one.shares]
    shares = Section(f"{TITLE}{where}", _explanation(one, header), SHARE_COLUMNS if rows else [], rows, ["lower_bound"])
    parts = Section(f"Parts of the speed of light{where}", [], PART_COLUMNS, part_rows(one.speed))
    return [shares, parts, ceilings]


SHARE_COLUMNS = [
    "stack",
    Column("training epoch", SHARE),
    Column("95 % interval, training", SHARE_INTERVAL),
    Column("validation epoch", SHARE),
    Column("95 % interval, validation", SHARE_INTERVAL),
    Column("canonical run", SHARE),
]
PART_COLUMNS = ["part of a training step", Column("lower bound", SECONDS), Column("share", SHARE), "bounded by"]
CEILING_COLUMNS = [
    "ceiling",
    "engine",
    Column("processes", INTEGER),
    Column("one call", SECONDS),
    Column("slowest process", SECONDS),
    "rate",
]


def _explanation(one: DeviceBounds, header: RunHeader) -> list[str]:
    speed = one.speed
    sentences = [
        f"At the rates measured in this run a training step takes at least {format_seconds(speed.step_seconds)} "
        f"({format_percent(speed.products_seconds / speed.step_seconds, 0)} of it matrix products), a training epoch "
        f"{format_seconds(speed.train_epoch_seconds)}, a validation epoch "
        f"{format_seconds(speed.validate_epoch_seconds)}, and the canonical run "
        f"{format_seconds(speed.canonical_run_seconds)}, with loading, building and compiling counted as 0.",
        "Speed of light: each dense product at its own shape's rate, each pass over memory at the machine's bandwidth, "
        "each random number at its rate, one after the other. A rate is that of the fastest sample of the run. Shares "
        "are medians over interleaved rounds; that of the canonical run is of the median run.",
    ]
    if any(share.stack.precision in LOWER_PRECISIONS for share in one.shares):
        sentences.append("A stack at another precision than float32 is compared with products of that precision.")
    above = [share.stack.name for share in one.shares if share.train_epoch and share.train_epoch.center > 1]
    if above:
        sentences.append(
            f"Above 100 %: {', '.join(above)}. The speed of light is that of dense products in library calls and can "
            "be exceeded: by leaving out factors known to be zero, as pixels that are blank in a whole minibatch, or "
            "by working on memory while a product computes. It is also too low if something else was computing "
            "whenever the ceilings were measured."
        )
    blas = (header.machine.get("blas") or {}).get("name")
    if one.device == "cpu" and blas not in (None, SCIPY_BLAS):
        sentences.append(f"The host's products went through {SCIPY_BLAS}, Theano's through another BLAS: {blas}.")
    return sentences


def _share_row(share: Share) -> list[Any]:
    epochs = [*ratio_cells(share.train_epoch), *ratio_cells(share.validate_epoch)]
    return [share.stack.name, *epochs, share.canonical_run]


def part_rows(speed: LowerBound) -> list[list[Any]]:
    """Return the parts of a training step and their sum."""
    total = speed.step_seconds

    def row(part: Part) -> list[Any]:
        name = f"product {part.name}" if part.ceiling.startswith("gemm_") else part.name
        return [name, part.seconds, part.seconds / total, part.ceiling]

    return [*map(row, speed.step_parts), ["step", total, 1.0, None]]


def ceiling_rows(ceilings: Ceilings) -> list[list[Any]]:
    """Return the ceilings of every engine, grouped by kind of work."""
    return [
        [
            name,
            one.engine if one.engine != HOST else f"{HOST}, {ceilings.threads} threads",
            one.num_processes,
            one.seconds,
            one.slowest_seconds,
            _rate(one, ceilings),
        ]
        for name in ceilings.names
        for one in ceilings.measured
        if one.name == name
    ]


def _rate(one: Ceiling, ceilings: Ceilings) -> str | None:
    if one.flop_per_second is not None and one.name.startswith("gemm_"):
        rate = f"{format_number(one.flop_per_second / 1e9)} GFLOP/s"
        suffix = next((f"_{name}" for name in LOWER_PRECISIONS if one.name.endswith(name)), "")
        square = ceilings.best(f"{SQUARE}{suffix}")
        if square is None or one.name.startswith(SQUARE) or not square.flop_per_second:
            return rate
        return f"{rate}, {format_percent(one.flop_per_second / square.flop_per_second, 0)} of the square product's rate"
    if one.bytes_per_second is not None:
        return f"{format_bytes(one.bytes_per_second)}/s"
    return None
