"""Estimates over processes, and durations by interleaved round, from rows of the samples frame."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.stats import estimates


def estimate_of(samples: pd.DataFrame) -> estimates.Estimate:
    seconds, processes = samples["seconds"].to_numpy(), samples["process"].to_numpy()
    return estimates.estimate([seconds[processes == process] for process in np.unique(processes)])


def rounds_of(samples: pd.DataFrame) -> dict[int, float]:
    """Return {interleaved round: seconds} of one measurement of one stack: medians of process medians."""
    medians = samples.groupby(["round", "process"], observed=True)["seconds"].median()
    return {int(number): float(seconds) for number, seconds in medians.groupby(level="round").median().items()}
