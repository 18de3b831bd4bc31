"""Two bounds of this machine, dense library calls and operations needed, and each stack's share of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.document.section import Section
from bench.document.table import INTEGER, SECONDS, SHARE, Cells, Column, table
from bench.records.ceilings import Ceiling, Ceilings
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.select import rounds_of
from bench.records.stack_key import StackKey, by_stack
from bench.report.run.tables import select, with_interval
from bench.roofline.ceilings import HOST, LOWER_PRECISIONS, SQUARE, ceilings_by_device, lower_precision, product_name
from bench.roofline.dense_calls import DenseCalls, Part, dense_calls_of
from bench.roofline.operations_needed import OperationsNeeded, operations_needed_of
from bench.stats import estimates
from bench.units import format_bytes, format_number, format_percent, format_seconds
from mlp.recipe import CANONICAL, Recipe

TITLE = "Dense library calls and operations needed"
SCIPY_BLAS = "SciPy's OpenBLAS"


@dataclass(frozen=True)
class Share:
    """Ratios bound / measured for a stack.

    ``train_epoch`` and ``validate_epoch`` are those of dense library calls, which a stack may pass, over the epochs of
    the interleaved rounds; ``canonical_run``, of the median run, is None unless the record has reference runs of the
    canonical number of epochs.  ``needed_train_epoch`` and ``needed_validate_epoch`` are those of operations needed,
    which none may pass; None if they were not counted on the dataset.
    """

    stack: StackKey
    train_epoch: estimates.Ratio | None
    validate_epoch: estimates.Ratio | None
    canonical_run: float | None
    needed_train_epoch: estimates.Ratio | None
    needed_validate_epoch: estimates.Ratio | None


@dataclass(frozen=True)
class DeviceBounds:
    """Bounds of one device: ceilings, dense library calls and operations needed in float32, and each stack's shares."""

    device: str
    ceilings: Ceilings
    dense: DenseCalls | None
    needed: OperationsNeeded | None
    shares: list[Share]


def bounds_by_device(header: RunHeader, frames: Frames) -> list[DeviceBounds]:
    """Return one for each device whose ceilings the run measured, the CPU first."""
    recipe, dataset = recipe_of(header.recipe), header.dataset_identity
    found = []
    for device, ceilings in ceilings_by_device(frames).items():
        needed = operations_needed_of(ceilings, recipe, dataset)
        shares = _shares(frames, ceilings, recipe, dataset)
        found.append(DeviceBounds(device, ceilings, dense_calls_of(ceilings, recipe), needed, shares))
    return found


def recipe_of(recorded: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a record, with the canonical number of epochs."""
    known = {name: recorded[name] for name in ("dropout", "batch_size") if name in recorded}
    widths = tuple(recorded.get("layer_widths") or CANONICAL.layer_widths)
    return Recipe(layer_widths=widths, num_epochs=CANONICAL.num_epochs, **known)


def _shares(frames: Frames, ceilings: Ceilings, recipe: Recipe, dataset: str | None) -> list[Share]:
    """Return the shares of each stack in the bounds with products of its own precision, if these were measured."""
    epochs = frames.samples[(frames.samples["harness"] == "epoch") & (frames.samples["device"] == ceilings.device)]
    shares = []
    for stack, rows in by_stack(epochs):
        dense = dense_calls_of(ceilings, recipe, stack.precision)
        needed = operations_needed_of(ceilings, recipe, dataset, stack.precision)
        if dense is None and needed is None:
            continue
        shares.append(
            Share(
                stack,
                dense and _share(dense.train_epoch_seconds, rows, "train_epoch"),
                dense and _share(dense.validate_epoch_seconds, rows, "validate_epoch"),
                dense and _canonical_run(frames, stack, dense),
                needed and _share(needed.train_epoch_seconds, rows, "train_epoch"),
                needed and _share(needed.validate_epoch_seconds, rows, "validate_epoch"),
            )
        )
    return sorted(shares, key=lambda share: -_center(share.train_epoch or share.needed_train_epoch))


def _center(ratio: estimates.Ratio | None) -> float:
    return ratio.center if ratio else 0.0


def _share(best_seconds: float, rows: Any, measurement: str) -> estimates.Ratio | None:
    """Return the share with the same bound for every round, as load beside a round does not change the machine."""
    rounds = rounds_of(rows[rows["measurement"] == measurement].dropna(subset=["round"]))
    return estimates.paired_ratio(dict.fromkeys(rounds, best_seconds), rounds)


def _canonical_run(frames: Frames, stack: StackKey, dense: DenseCalls) -> float | None:
    results = select(frames.results, stack)
    whole = results[results["num_epochs"] == dense.recipe.num_epochs]["total_seconds"]
    return None if whole.empty else dense.canonical_run_seconds / float(whole.median())


# --- as sections ------------------------------------------------------------------------------------------------------


def lower_bound_sections(found: list[DeviceBounds], header: RunHeader) -> list[Section]:
    return [section for one in found for section in _of_device(one, several=len(found) > 1, header=header)]


def _of_device(one: DeviceBounds, several: bool, header: RunHeader) -> list[Section]:
    where = f" on {one.device}" if several else ""
    notices = [one.ceilings.notice] if one.ceilings.notice else []
    ceilings = Section(f"Ceilings{where}", [], *ceiling_table(one.ceilings), ["ceilings"], notices)
    if one.dense is None:
        ceilings.sentences.append("Dense library calls have no bound: a part of a step has no measured ceiling.")
    sentences = [*_dense_explanation(one, header), *_needed_explanation(one)]
    charts = ["lower_bound"] if one.shares else []
    shares = Section(f"{TITLE}{where}", sentences, *table(map(_share_row, one.shares)), charts)
    title = f"Parts of a step in dense library calls{where}"
    parts = [] if one.dense is None else [Section(title, [], PART_COLUMNS, part_rows(one.dense))]
    return [*([shares] if one.shares or one.dense else []), *parts, ceilings]


PART_COLUMNS = ["part of a training step", Column("time", SECONDS), Column("share", SHARE), "at the rate of"]


def _dense_explanation(one: DeviceBounds, header: RunHeader) -> list[str]:
    dense = one.dense
    if dense is None:
        return []
    sentences = [
        f"Dense library calls: at the rates measured in this run they take {format_seconds(dense.step_seconds)} for a "
        f"training step ({format_percent(dense.products_seconds / dense.step_seconds, 0)} of it matrix products), "
        f"{format_seconds(dense.train_epoch_seconds)} for a training epoch, "
        f"{format_seconds(dense.validate_epoch_seconds)} for a validation epoch and "
        f"{format_seconds(dense.canonical_run_seconds)} for the canonical run, with loading, building and compiling "
        "counted as 0.",
        "Each dense product at its own shape's rate, each pass over memory at the machine's bandwidth, each random "
        "number at its rate, one after the other. A rate is that of the fastest sample of the run. Shares are medians "
        "over interleaved rounds; that of the canonical run is of the median run.",
    ]
    if any(share.stack.precision in LOWER_PRECISIONS for share in one.shares):
        sentences.append("A stack at another precision than float32 is compared with products of that precision.")
    above = [share.stack.name for share in one.shares if _center(share.train_epoch) > 1]
    if above:
        sentences.append(
            f"Above 100 %: {', '.join(above)}. Dense library calls can be passed: by leaving out zeros, or by working "
            "on memory while a product computes. The bound is also too long if something else was computing whenever "
            "the ceilings were measured."
        )
    blas = (header.machine.get("blas") or {}).get("name")
    if one.device == "cpu" and blas not in (None, SCIPY_BLAS):
        sentences.append(f"The host's products went through {SCIPY_BLAS}, Theano's through another BLAS: {blas}.")
    return sentences


def _needed_explanation(one: DeviceBounds) -> list[str]:
    needed = one.needed
    if needed is None:
        return ["Operations needed: not counted for this dataset and recipe."]
    rate = format_number(float(needed.peak.flop_per_second or 0) / 1e9)
    sentences = [
        "Operations needed: without those on zeros, counted on this data, a training epoch takes at least "
        f"{format_seconds(needed.train_epoch_seconds)} and a validation epoch "
        f"{format_seconds(needed.validate_epoch_seconds)} at the rate of the fastest product ({rate} GFLOP/s). No "
        "stack can pass it."
    ]
    beyond = [
        share.stack.name
        for share in one.shares
        if max(_center(share.needed_train_epoch), _center(share.needed_validate_epoch)) > 1
    ]
    if beyond:
        sentences.append(
            f"Beyond it: {', '.join(beyond)}. So the peak is too low, as something else was computing whenever it was "
            "measured, or the stack did not do its work: measure again on a quiet machine."
        )
    return sentences


def _share_row(share: Share) -> Cells:
    needed = [ratio and ratio.center for ratio in (share.needed_train_epoch, share.needed_validate_epoch)]
    return [
        ("stack", share.stack.name),
        *with_interval(Column("dense calls / training epoch", SHARE), share.train_epoch, "training"),
        *with_interval(Column("dense calls / validation epoch", SHARE), share.validate_epoch, "validation"),
        (Column("dense calls / canonical run", SHARE), share.canonical_run),
        (Column("needed / training epoch", SHARE), needed[0]),
        (Column("needed / validation epoch", SHARE), needed[1]),
    ]


def part_rows(dense: DenseCalls) -> list[list[Any]]:
    """Return the parts of a training step and their sum."""
    total = dense.step_seconds

    def row(part: Part) -> list[Any]:
        name = f"product {part.name}" if part.ceiling.startswith("gemm_") else part.name
        return [name, part.seconds, part.seconds / total, part.ceiling]

    return [*map(row, dense.step_parts), ["step", total, 1.0, None]]


def ceiling_table(ceilings: Ceilings) -> tuple[list[Column | str], list[list[Any]]]:
    """Return (columns, rows) of the ceilings of every engine, grouped by kind of work."""
    return table(
        [
            ("ceiling", name),
            ("engine", one.engine if one.engine != HOST else f"{HOST}, {ceilings.threads} threads"),
            (Column("processes", INTEGER), one.num_processes),
            (Column("one call", SECONDS), one.seconds),
            (Column("slowest process", SECONDS), one.slowest_seconds),
            ("rate", _rate(one, ceilings)),
        ]
        for name in ceilings.names
        for one in ceilings.measured
        if one.name == name
    )


def _rate(one: Ceiling, ceilings: Ceilings) -> str | None:
    if one.flop_per_second is not None and one.name.startswith("gemm_"):
        rate = f"{format_number(one.flop_per_second / 1e9)} GFLOP/s"
        square = ceilings.best(product_name("square", lower_precision(one.name)))
        if square is None or one.name.startswith(SQUARE) or not square.flop_per_second:
            return rate
        return f"{rate}, {format_percent(one.flop_per_second / square.flop_per_second, 0)} of the square product's rate"
    if one.bytes_per_second is not None:
        return f"{format_bytes(one.bytes_per_second)}/s"
    return None
