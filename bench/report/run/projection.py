"""Projection of the reference clock for stacks that a quick run did not run to their last epoch.

A projection adds up what a stack's own processes measured: first load, preparation, epochs.  It is not a measured time,
so it has no ratio to 2016, no rank and no accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bench.document.section import Section
from bench.document.table import SECONDS, Column, table
from bench.records.frames import Frames
from bench.records.header import RunHeader
from bench.records.select import estimate_of
from bench.records.stack_key import StackKey, by_stack
from bench.report.run.tables import select
from bench.units import format_seconds

NEEDED = ("first_load", "build", "compile", "train_epoch", "validate_epoch")


@dataclass(frozen=True)
class Projection:
    """Projected reference clock of ``stack`` by parts, in seconds; ``cold_cache`` if it never compiled warm.

    The test counts as one more validation epoch, as it has the same number of images.
    """

    stack: StackKey
    num_epochs: int
    num_processes: int
    cold_cache: bool
    load_seconds: float
    prepare_seconds: float  # build, and transfer of resident data
    compile_seconds: float
    train_seconds: float
    evaluate_seconds: float

    @property
    def total_seconds(self) -> float:
        prepared = self.load_seconds + self.prepare_seconds + self.compile_seconds
        return prepared + self.train_seconds + self.evaluate_seconds


def projections(header: RunHeader, frames: Frames) -> list[Projection]:
    """Return the projections for stacks of a quick run with epochs but no reference run, fastest first."""
    num_epochs = header.recipe.get("num_epochs")
    if header.mode != "quick" or not num_epochs:
        return []
    ran = {stack for stack, _ in by_stack(frames.results)}
    epochs = frames.samples[frames.samples["harness"] == "epoch"]
    found = [_projection(select(frames.samples, stack), stack, num_epochs) for stack, _ in by_stack(epochs)]
    return sorted((one for one in found if one and one.stack not in ran), key=lambda one: one.total_seconds)


def _projection(samples: pd.DataFrame, stack: StackKey, num_epochs: int) -> Projection | None:
    prepared = samples[samples["harness"].isin(["data", "compile"])]
    warm = prepared[prepared["cache"] != "cold"]
    cold_cache = not (warm["measurement"] == "compile").any()
    rows = pd.concat([prepared if cold_cache else warm, samples[samples["harness"] == "epoch"]])
    seconds = {str(name): estimate_of(one).center for name, one in rows.groupby("measurement", observed=True)}
    if not all(name in seconds for name in NEEDED):
        return None
    return Projection(
        stack=stack,
        num_epochs=num_epochs,
        num_processes=samples.loc[samples["measurement"] == "train_epoch", "process"].nunique(),
        cold_cache=cold_cache,
        load_seconds=seconds["first_load"],
        prepare_seconds=seconds["build"] + seconds.get("transfer", 0.0),
        compile_seconds=seconds["compile"],
        train_seconds=num_epochs * seconds["train_epoch"],
        evaluate_seconds=(num_epochs + 1) * seconds["validate_epoch"],
    )


def projection_sentences(found: list[Projection]) -> list[str]:
    """Return a sentence with all projections."""
    if not found:
        return []
    times = ", ".join(
        f"{one.stack.name} about {format_seconds(one.total_seconds)}{' (compile cache cold)' if one.cold_cache else ''}"
        for one in found
    )
    return [f"Projected from their own epochs, not measured: {times}."]


def projection_sections(found: list[Projection]) -> list[Section]:
    if not found:
        return []
    rows = [
        [
            ("stack", one.stack.name),
            (Column("projected", SECONDS), one.total_seconds),
            (Column("load", SECONDS), one.load_seconds),
            (Column("build and transfer", SECONDS), one.prepare_seconds),
            (Column("compile", SECONDS), one.compile_seconds),
            (Column("training", SECONDS), one.train_seconds),
            (Column("validation and test", SECONDS), one.evaluate_seconds),
        ]
        for one in found
    ]
    sentence = (
        f"Not measured: the sum of each stack's measured load, preparation and compilation, and of "
        f"{found[0].num_epochs} of its epochs. For 11 stacks on record the reference clock was 0.3 % less to 66 % more "
        "than this sum, 8 % more in the median. A projection has no accuracy and no rank."
    )
    return [Section("Projected reference clock", [sentence], *table(rows))]
