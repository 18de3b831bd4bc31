"""Conversion of durations to rates: examples, floating-point operations and bytes per second."""

from __future__ import annotations

import pandas as pd

from bench.records.stack_key import or_none
from bench.stats import estimates
from bench.units import MISSING, format_number

# Multiplications and additions of one training step, for one example: eight matrix products, none for the gradient
# with respect to the input.  The dense network counts, also for theano/tuned, which leaves out zeros.
# 2 * (3 * (500*300 + 300*10) + 2 * 784*500) = 2.486 MFLOP.
TRAINING_FLOP_PER_EXAMPLE = 2 * (3 * (500 * 300 + 300 * 10) + 2 * 784 * 500)


def training_gflops(samples: pd.DataFrame, epoch_seconds: float) -> float | None:
    """Return the GFLOP/s of a training epoch of ``epoch_seconds``; None without its number of examples."""
    examples = or_none(samples["examples"].max())
    return None if examples is None else examples * TRAINING_FLOP_PER_EXAMPLE / epoch_seconds / 1e9


def examples_per_second(samples: pd.DataFrame, seconds: float) -> float | None:
    """Return the rate of epochs that take ``seconds``; None without their number of examples."""
    examples = or_none(samples["examples"].max())
    return None if examples is None else examples / seconds


def examples_rate(measurement: str, samples: pd.DataFrame, measured: estimates.Estimate) -> str:
    examples = examples_per_second(samples, measured.center)
    if examples is None:
        return MISSING
    rate = f"{format_number(examples)} examples/s"
    if measurement == "train_epoch":
        rate += f", {format_number(training_gflops(samples, measured.center))} GFLOP/s"
    return rate


def bytes_per_second(samples: pd.DataFrame, measured: estimates.Estimate) -> float | None:
    num_bytes = or_none(samples["bytes"].max())
    return None if num_bytes is None else num_bytes / measured.center
