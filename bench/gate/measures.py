"""What the gate can judge: each measure, its unit, and the change that matters unless pyproject.toml says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from bench.verdict.values import Unit


@dataclass(frozen=True)
class Measure:
    """``effect`` is a fraction of the base (0.05 is 5 %), or of all examples for an accuracy (0.005 is 0.5 points).

    ``standard`` measures are judged unless somebody chooses; the others cost too much for a minute.
    """

    name: str
    unit: Unit
    effect: float
    about: str
    standard: bool = True


STEP_BATCH_SIZES = (1, 100, 500)
STEPS_PER_TURN = {1: 40, 100: 16, 500: 6}  # turns of some tens of milliseconds each

MEASURES = {
    measure.name: measure
    for measure in (
        Measure("load", "seconds", 0.10, "read, decompress and convert MNIST"),
        Measure("compile_warm", "seconds", 0.10, "build the network and compile it, compile cache warm"),
        Measure("compile_cold", "seconds", 0.10, "the same, compile cache empty", standard=False),
        Measure("train_epoch", "seconds", 0.05, "a training epoch: its median turn times the turns of an epoch"),
        Measure("validation_epoch", "seconds", 0.05, "a validation epoch"),
        *(
            Measure(f"train_step_{size}", "seconds", 0.10 if size == 1 else 0.05, f"a training step of {size} examples")
            for size in STEP_BATCH_SIZES
        ),
        Measure("end_to_end", "seconds", 0.05, "loading to the end of one epoch, by the reference clock"),
        Measure("peak_memory", "bytes", 0.05, "the most resident memory a process had"),
        Measure("train_loss", "loss", 0.05, "mean training loss of the first epoch, pairs of one seed"),
        Measure("validation_loss", "loss", 0.05, "validation loss after it, pairs of one seed"),
        Measure("validation_accuracy", "accuracy", 0.005, "validation accuracy after it, pairs of one seed"),
    )
}
LEARNING = frozenset({"train_loss", "validation_loss", "validation_accuracy"})
NEED_AN_EPOCH = LEARNING | {"train_epoch", "end_to_end"}
NEED_VALIDATION = LEARNING | {"validation_epoch", "end_to_end"}


def standard_measures() -> tuple[str, ...]:
    return tuple(measure.name for measure in MEASURES.values() if measure.standard)
