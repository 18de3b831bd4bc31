"""Measures of the gate: metrics with the default of the effect that matters (see pyproject.toml)."""

from __future__ import annotations

from bench.gate.verdict import Metric

STEP_BATCH_SIZES = {"train_step_1": 1, "train_step_100": 100, "train_step": 500}
STEPS_PER_TURN = {1: 200, 100: 30, 500: 6}  # turns of some 40 ms each

MEASURES = {
    measure.name: measure
    for measure in (
        Metric("load", "seconds", 0.10),  # read, decompress and convert MNIST into memory used before
        Metric("compile_warm", "seconds", 0.20),  # build the network and compile it, compile cache warm
        Metric("compile_cold", "seconds", 0.10),  # the same, compile cache empty
        Metric("train_epoch", "seconds", 0.05),  # a turn of it times the turns of an epoch
        Metric("train_epoch_running", "seconds", 0.05),  # less the wait for a core of the thread that waited longest
        Metric("validate_epoch", "seconds", 0.10),
        Metric("train_step_1", "seconds", 0.10),  # of one example
        Metric("train_step_100", "seconds", 0.05),
        Metric("train_step", "seconds", 0.05),  # of 500 examples, as in the epoch
        Metric("end_to_end", "seconds", 0.05),  # load, compile, train, validate once: the parts of the reference clock
        Metric("peak_memory", "bytes", 0.05),  # the most resident memory a process had
        Metric("train_loss", "loss", 0.05),  # mean training loss of the first epoch
        Metric("validation_loss", "loss", 0.10),  # after it, as the accuracy
        Metric("validation_accuracy", "accuracy", 0.01),
    )
}
LEARNING = frozenset({"train_loss", "validation_loss", "validation_accuracy"})
NEED_AN_EPOCH = LEARNING | {"train_epoch", "train_epoch_running", "end_to_end"}
EXCLUSIVE = frozenset({"compile_cold", "compile_warm"})  # a process compiles once
# Decidable in a minute on two noisy cores.  A process yields one sample of the others (compilation) or very noisy ones,
# and every further metric costs all of them time and significance.
STANDARD = (
    *("train_epoch", "train_epoch_running", "validate_epoch", "peak_memory"),
    *("train_loss", "validation_loss", "validation_accuracy"),
)
ALL = "all"  # in place of names: all but the cold compilation


def all_measures() -> tuple[str, ...]:
    return tuple(name for name in MEASURES if name != "compile_cold")
