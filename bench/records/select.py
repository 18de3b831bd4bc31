"""Estimates over processes, and durations by interleaved round, from rows of the samples frame."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations
from statistics import median
from typing import TypeVar

import numpy as np
import pandas as pd

from bench.records.core_states import CoreState, core_states
from bench.stats import estimates

Key = TypeVar("Key", bound=Hashable)
PairKey = tuple[int, str]  # interleaved round, state of the cores ("" if unknown): equal for what may be divided


def estimate_of(samples: pd.DataFrame) -> estimates.Estimate:
    seconds, processes = samples["seconds"].to_numpy(), samples["process"].to_numpy()
    return estimates.estimate([seconds[processes == process] for process in np.unique(processes)])


def states_by_process(processes: pd.DataFrame) -> dict[int, CoreState]:
    """Return {number of the process: its state} from the frame ``processes`` of one run."""
    columns = [processes[f"core_distance_{when}_ns"] for when in ("before", "after")]
    ends = [tuple(None if pd.isna(ns) else float(ns) for ns in pair) for pair in zip(*columns, strict=True)]
    return dict(zip(processes["process"].astype(int), core_states(ends), strict=True))


def rounds_of(samples: pd.DataFrame) -> dict[int, float]:
    """Return {interleaved round: seconds} of one measurement of one stack: medians of process medians."""
    return {number: seconds for (number, _), seconds in _rounds_by_state(samples, {}).items()}


def paired_rounds(
    samples: Mapping[Key, pd.DataFrame], states: Mapping[int, CoreState]
) -> dict[Key, dict[PairKey, float]]:
    """Return the rounds of each key such that ratios of equal rounds are ratios within one state of the cores.

    A pair whose processes found the cores at two distances is left out.  But if that left two keys with fewer pairs
    than an interval needs, all pairs are kept.
    """
    every, within = ({key: _rounds_by_state(rows, by) for key, rows in samples.items()} for by in ({}, states))
    pairs = list(combinations(samples, 2))
    too_few = any(num_common(within, *p) < min(num_common(every, *p), estimates.INTERVAL_FROM) for p in pairs)
    return every if too_few else within


def num_common(rounds: Mapping[Key, Mapping[PairKey, float]], one: Key, other: Key) -> int:
    return len(rounds[one].keys() & rounds[other].keys())


def _rounds_by_state(samples: pd.DataFrame, states: Mapping[int, CoreState]) -> dict[PairKey, float]:
    """Return {(round, state): seconds}.

    A process during which the state changed has one of its own, so that it pairs with no other.
    """
    medians = samples.groupby(["round", "process"], observed=True)["seconds"].median()
    values: dict[PairKey, list[float]] = {}
    for (number, process), seconds in medians.items():
        state = states.get(process, CoreState(None))
        key = f"changed in process {process}" if state.changed else state.key
        values.setdefault((int(number), key), []).append(float(seconds))
    return {key: median(seconds) for key, seconds in values.items()}
