"""Measures of the gate: unit, default effect that matters (see pyproject.toml), and description."""

from __future__ import annotations

from dataclasses import dataclass

from bench.gate.verdict.values import Unit


@dataclass(frozen=True)
class MetricDefinition:
    """Metric of the gate; ``effect`` is a fraction of the base (0.05: 5 %), or of accuracy a difference (0.005)."""

    name: str
    unit: Unit
    effect: float
    about: str


STEP_BATCH_SIZES = {"train_step_1": 1, "train_step_100": 100, "train_step": 500}
STEPS_PER_TURN = {1: 200, 100: 30, 500: 6}  # turns of some 40 ms each

MEASURES = {
    measure.name: measure
    for measure in (
        MetricDefinition("load", "seconds", 0.10, "read, decompress and convert MNIST into memory used before"),
        MetricDefinition("compile_warm", "seconds", 0.20, "build the network and compile it, compile cache warm"),
        MetricDefinition("compile_cold", "seconds", 0.10, "the same, compile cache empty"),
        MetricDefinition("train_epoch", "seconds", 0.05, "a training epoch: a turn of it times the turns of an epoch"),
        MetricDefinition(
            "train_epoch_running",
            "seconds",
            0.05,
            "the same, less the wait for a core of the thread that waited longest",
        ),
        MetricDefinition("validate_epoch", "seconds", 0.10, "a validation epoch"),
        MetricDefinition("train_step_1", "seconds", 0.10, "a training step of one example"),
        MetricDefinition("train_step_100", "seconds", 0.05, "a training step of 100 examples"),
        MetricDefinition("train_step", "seconds", 0.05, "a training step of 500, as in the epoch"),
        MetricDefinition(
            "end_to_end", "seconds", 0.05, "load, compile, train and validate once: the reference clock's parts"
        ),
        MetricDefinition("peak_memory", "bytes", 0.05, "the most resident memory a process had"),
        MetricDefinition("train_loss", "loss", 0.05, "mean training loss of the first epoch"),
        MetricDefinition("validation_loss", "loss", 0.10, "validation loss after it"),
        MetricDefinition("validation_accuracy", "accuracy", 0.01, "validation accuracy after it"),
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
