"""Sections of the harnesses that time one thing each: loading, compilation, epochs and steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.document.section import Section, without_columns_of
from bench.document.table import BYTES_PER_SECOND, INTEGER, NUMBER, SECONDS, SECONDS_INTERVAL, Cells, Column, table
from bench.records.frames import Frames
from bench.records.select import estimate_of, rounds_of
from bench.records.stack_key import StackKey, by_stack, or_none
from bench.report.run.rates import bytes_per_second, examples_rate
from bench.report.run.tables import (
    ESTIMATE_COLUMNS,
    drop_constant_column,
    estimate_cells,
    estimates_by,
    groups_sentences,
    interval_sentences,
    with_interval,
)
from bench.stats import estimates
from bench.units import MISSING, format_number, format_seconds


def loading_sections(frames: Frames) -> list[Section]:
    found = list(estimates_by(frames, "data", [*StackKey._fields, "measurement"]))
    rows = [[_loaded(keys), *estimate_cells(one), bytes_per_second(samples, one)] for keys, samples, one in found]
    sentences = _about({_loaded(keys): measured for keys, _, measured in found})
    columns = ["measurement", *ESTIMATE_COLUMNS, Column("rate", BYTES_PER_SECOND)]
    return [Section("Loading", sentences, columns, rows, ["loading"])] if rows else []


def _about(measured: Mapping[str, estimates.Estimate]) -> list[str]:
    return [*interval_sentences(measured.values()), *groups_sentences(measured)]


def _loaded(keys: dict[str, Any]) -> str:
    """Return the measurement, with the stack of its process if any: a framework changes memory allocation."""
    return keys["measurement"] if keys["backend"] is None else f"{keys['measurement']}, {StackKey.of(keys).name}"


def compile_sections(frames: Frames) -> list[Section]:
    """Return one row for each part, with the cold and the warm compile cache side by side."""
    parts: dict[tuple[str, str], dict[str, list[Any]]] = {}
    found = list(estimates_by(frames, "compile", [*StackKey._fields, "cache", "measurement"]))
    for keys, _, measured in found:
        row = parts.setdefault((StackKey.of(keys).name_with_threads, keys["measurement"]), {})
        row[keys["cache"] or "no"] = [measured.center, (measured.low, measured.high), measured.num_processes]
    caches = [name for name in ("cold", "warm", "no") if any(name in row for row in parts.values())]
    columns = ["backend", "measurement"]
    for name in caches:
        columns += [Column(f"{name} cache", SECONDS), Column(f"95 % interval, {name}", SECONDS_INTERVAL)]
        columns += [Column(f"processes, {name}", INTEGER)]
    rows = [
        [*names, *(cell for name in caches for cell in row.get(name, [None, None, 0]))] for names, row in parts.items()
    ]
    sentences = interval_sentences(measured for _, _, measured in found)
    section = Section("Import, graph and compilation", sentences, columns, rows, ["compile"])
    return [drop_constant_column(section)] if rows else []


def epoch_sections(frames: Frames) -> list[Section]:
    rows, found = [], {}
    for keys, samples, measured in estimates_by(frames, "epoch", [*StackKey._fields, "measurement"]):
        if keys["measurement"] == "train_step":
            p50, p95, p99 = np.percentile(samples["seconds"], [50, 95, 99])
            rate = f"p50 {format_seconds(p50)}, p95 {format_seconds(p95)}, p99 {format_seconds(p99)}"
        else:
            rate = examples_rate(keys["measurement"], samples, measured)
        name = StackKey.of(keys).name_with_threads
        found[f"{name}, {keys['measurement']}"] = measured
        rows.append([name, keys["measurement"], *estimate_cells(measured), rate])
    columns = ["backend", "measurement", *ESTIMATE_COLUMNS, "rate"]
    plots = ["throughput", "train_epoch", "validate_epoch", "train_step"]
    return [drop_constant_column(Section("Epochs and steps", _about(found), columns, rows, plots))] if rows else []


# --- the two clocks of an epoch ---------------------------------------------------------------------------------------

EARLY_EPOCHS = 4  # of a reference run; the harness trains a network for as many
MOST_APART = 0.05


def both_epochs_sections(frames: Frames) -> list[Section]:
    """Compare the harness's training epoch with those of the reference runs."""
    epochs = frames.epochs.rename(columns={"train_seconds": "seconds"}).dropna(subset=["seconds"])
    runs = dict(by_stack(epochs))
    samples = frames.samples[(frames.samples["harness"] == "epoch") & (frames.samples["measurement"] == "train_epoch")]
    found = {stack: _both_epochs(own, runs[stack]) for stack, own in by_stack(samples) if stack in runs}
    if not found:
        return []
    rows = [[("stack", stack.name), *both.cells] for stack, both in found.items()]
    apart = [f"{stack.name} {format_number(both.reference)}" for stack, both in found.items() if both.apart]
    notices = [f"More than 5 % apart, as reference run over harness: {'; '.join(apart)}."] if apart else []
    sentences = [*TWO_EPOCHS, *interval_sentences(*([both.ageing, both.paired] for both in found.values()))]
    section = Section("Epochs of the harness and of the reference run", sentences, *table(rows), notices=notices)
    return [without_columns_of(section, MISSING)]


@dataclass(frozen=True)
class _BothEpochs:
    """Median training epochs of a stack in seconds: of the harness, and of its reference runs.

    ``ageing``: later epochs over early ones of the same process.  ``paired``: reference run over harness of the same
    interleaved round; None where fewer than three rounds have both, as in records whose seeds ran in succession.
    ``reference`` is its centre, or else the ratio of the medians.
    """

    harness: float
    whole: float
    early: float | None
    later: float | None
    ageing: estimates.Ratio | None
    paired: estimates.Ratio | None

    @property
    def reference(self) -> float:
        return self.whole / self.harness if self.paired is None else self.paired.center

    @property
    def apart(self) -> bool:
        return abs(self.reference - 1) > MOST_APART

    @property
    def cells(self) -> Cells:
        _, interval = with_interval(Column("reference / harness", NUMBER), self.paired, "reference")
        return [
            (Column("harness", SECONDS), self.harness),
            (Column("reference run", SECONDS), self.whole),
            (Column(f"its epochs 1 to {EARLY_EPOCHS}", SECONDS), self.early),
            (Column("its later epochs", SECONDS), self.later),
            *with_interval(Column("later / early", NUMBER), self.ageing, "later"),
            (Column("reference / harness", NUMBER), self.reference),
            interval,
        ]


def _both_epochs(samples: pd.DataFrame, epochs: pd.DataFrame) -> _BothEpochs:
    is_early = epochs["epoch"] <= EARLY_EPOCHS
    early, later = epochs[is_early], epochs[~is_early]
    paired = estimates.paired_ratio(rounds_of(epochs), rounds_of(samples))
    return _BothEpochs(
        estimate_of(samples).center,
        epochs["seconds"].median(),
        or_none(early["seconds"].median()),
        or_none(later["seconds"].median()),
        estimates.paired_ratio(_by_process(later), _by_process(early)),
        paired if paired is not None and paired.num_rounds >= estimates.INTERVAL_FROM else None,
    )


def _by_process(epochs: pd.DataFrame) -> dict[int, float]:
    return epochs.groupby("process")["seconds"].median().to_dict()


TWO_EPOCHS = [
    "Median training epochs. The harness times the first epochs of a fresh network in succession; a reference run "
    "validates after each and samples its memory. Reference over harness is taken within a round, later over early "
    "within a process. The ranking is by the harness, the reference clock by the reference run.",
    "For pixels that are rarely nonzero the squared gradients of RMSProp decay to subnormal numbers, 2 % of all after "
    "20 epochs. JAX flushes these to 0; NumPy, Theano and PyTorch compute with them. docs/statistics.md states what "
    "they and a trained network cost.",
]
