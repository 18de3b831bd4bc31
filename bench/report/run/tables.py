"""Common parts of the sections: estimates of groups of samples, and cells of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench.document.section import Section, without_columns_of
from bench.document.table import (
    INTEGER,
    NUMBER,
    NUMBER_INTERVAL,
    SECONDS,
    SECONDS_INTERVAL,
    SHARE,
    SHARE_INTERVAL,
    Cells,
    Column,
)
from bench.records.columns import SCALING
from bench.records.frames import Frames
from bench.records.select import estimate_of
from bench.records.stack_key import StackKey, groups
from bench.roofline.ceilings import HARNESS as CEILINGS
from bench.stats import estimates
from bench.stats.unpaired import SpeedRatio
from bench.units import format_seconds

ABLATION = "ablation"  # harness whose samples are of stacks without one of their optimizations
INTERVALS = {NUMBER: NUMBER_INTERVAL, SECONDS: SECONDS_INTERVAL, SHARE: SHARE_INTERVAL}
ESTIMATE_COLUMNS = [
    Column("processes", INTEGER),
    Column("samples", INTEGER),
    Column("median", SECONDS),
    Column("95 % interval", SECONDS_INTERVAL),
]


def estimates_by(
    frames: Frames, harness: str, columns: list[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame, estimates.Estimate]]:
    """Yield (keys, samples, estimate) for each group of a harness's samples."""
    for keys, samples in groups(frames.samples[frames.samples["harness"] == harness], columns):
        yield keys, samples, estimate_of(samples)


def estimate_cells(measured: estimates.Estimate) -> list[Any]:
    """Return the values of ``ESTIMATE_COLUMNS``."""
    return [measured.num_processes, measured.num_samples, measured.center, (measured.low, measured.high)]


def ratio_cells(ratio: estimates.Estimate | estimates.Ratio | SpeedRatio | None) -> list[Any]:
    """Return centre and interval; one round has no interval."""
    return [None, None] if ratio is None else [ratio.center, (ratio.low, ratio.high)]


def with_interval(
    column: Column, measured: estimates.Estimate | estimates.Ratio | SpeedRatio | None, of: str | None = None
) -> Cells:
    """Return the cells of a value and of its interval; ``of`` tells the intervals of a table apart."""
    name = "95 % interval" if of is None else f"95 % interval, {of}"
    return list(zip((column, Column(name, INTERVALS[column.kind])), ratio_cells(measured), strict=True))


def speedup_row(speedup: estimates.Ratio | None) -> dict[str, float | None]:
    """Return centre and bounds by their names in CSV and JSON; None if unknown."""
    names = {"speedup": "center", "speedup_low": "low", "speedup_high": "high"}
    return {name: None if speedup is None else getattr(speedup, bound) for name, bound in names.items()}


def interval_sentences(*measured: Iterable[estimates.Estimate | estimates.Ratio | None]) -> list[str]:
    """Return a sentence on the method of the intervals of a table."""
    kinds = {one.interval_of for group in measured for one in group if one is not None} - {None}
    median = "exact for the median, by order statistics"
    mean = "of the geometric mean, by Student's t, which assumes lognormal times"
    if not kinds:
        return []
    if kinds == {estimates.IntervalOf.MEDIAN}:
        how = median
    elif kinds == {estimates.IntervalOf.GEOMETRIC_MEAN}:
        how = mean
    else:
        how = f"{median}, from {estimates.EXACT_FROM} processes or rounds on; from fewer {mean}"
    return [f"Intervals are 95 % within this run: {how}."]


def groups_sentences(measured: Mapping[str, estimates.Estimate | None]) -> list[str]:
    """Return a sentence for each name whose processes ran at two speeds."""
    found = {name: one.groups for name, one in measured.items() if one is not None and one.groups is not None}
    return [
        f"{name}: processes fall into two groups, {format_seconds(groups.fast_seconds)} ({groups.num_fast}) and "
        f"{format_seconds(groups.slow_seconds)} ({groups.num_slow}); the median describes at most one of them."
        for name, groups in found.items()
    ]


def select(frame: pd.DataFrame, stack: StackKey) -> pd.DataFrame:
    """Return the rows of ``stack``."""
    return rows_with(frame, stack._asdict())


def rows_with(frame: pd.DataFrame, keys: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows with these values in their columns; None is a missing value."""
    chosen = np.ones(len(frame), bool)
    for name, value in keys.items():
        chosen &= (frame[name].isna() if value is None else frame[name].eq(value)).to_numpy(bool, na_value=False)
    return frame[chosen]


def exclude_ablation(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples of complete stacks with the run's threads: no ablation, no ceilings, no scaling."""
    return samples[samples["backend"].notna() & ~samples["harness"].isin([ABLATION, CEILINGS, *SCALING])]


def drop_constant_column(section: Section) -> Section:
    """Drop blank columns, and move the only stack from every row to a sentence."""
    names = {row[0] for row in section.rows if row[0]}
    if len(names) == 1:
        rows = [["", *row[1:]] for row in section.rows]
        section = replace(section, sentences=[*names, *section.sentences], rows=rows)
    return without_columns_of(section, "")
