"""A run of five stacks from literals: two devices, four interleaved rounds on a machine that drifts, five seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from example_run import case, measurement, replicate, write_example_run

BATCH_SIZES = [1, 8, 64, 512, 4096]
DRIFT = [1.0, 1.4, 0.9, 1.2]  # the machine's speed in each round, the same for all stacks
NUM_EPOCHS = 20
SKIPPED = [{"what": "theano on cuda", "reason": "pygpu is not installed", "remedy": "make theano-gpu"}]


class Racer(NamedTuple):
    """Costs of a stack; the noise is a factor for each round, and the step follows t(B) = a + b*B."""

    backend: str
    variant: str
    device: str
    epoch_seconds: float
    noise: list[float]
    overhead_seconds: float
    example_seconds: float
    compile_seconds: float
    accuracies: list[float]

    def case(self, harness: str, **changes: Any) -> dict[str, Any]:
        where = {"backend": self.backend, "variant": self.variant, "device": self.device, "precision": "float32"}
        return case(harness, **{**where, "cache": "warm" if self.backend == "theano" else None, **changes})


CALM = [1.0, 1.0, 1.0, 1.0]
ACCURACIES = [0.9824, 0.9839, 0.9817, 0.9833, 0.9827]
RACERS = [
    Racer("theano", "as_published", "cpu", 2.0, CALM, 1e-3, 4e-5, 3.0, ACCURACIES),
    # As fast as torch on the CPU, within the noise of the rounds.
    Racer("jax", "step", "cpu", 1.5, [1.01, 0.99, 1.01, 0.99], 3e-4, 3e-5, 0.5, ACCURACIES[:3]),
    Racer("jax", "step", "cuda", 0.05, CALM, 4e-4, 5e-7, 0.8, [0.9826, 0.9838, 0.9820, 0.9835, 0.9829]),
    Racer(
        "torch", "eager", "cpu", 1.5, [1.0, 1.01, 1.0, 1.01], 5e-4, 3e-5, 0.1, [0.9822, 0.9836, 0.9815, 0.9826, 0.9823]
    ),
    Racer(
        "torch",
        "graph",
        "cuda",
        0.04,
        [1.0, 1.001, 0.999, 1.0],
        2e-4,
        4e-7,
        0.2,
        [0.9775, 0.9788, 0.9767, 0.9780, 0.9772],
    ),
]


def epoch_replicate(racer: Racer, number: int) -> dict[str, Any]:
    factor = DRIFT[number] * racer.noise[number]
    seconds = racer.epoch_seconds * factor
    found = [
        measurement("train_epoch", [seconds, seconds * 1.001], examples=50_000),
        measurement("validate_epoch", [seconds / 30] * 2, examples=10_000),
        measurement("train_step", [seconds / 100] * 3),
    ]
    return {**replicate(racer.case("epoch", batch_size=500), found), "round": number}


def batch_size_replicate(racer: Racer, number: int) -> dict[str, Any]:
    steps = [
        measurement(
            "train_step",
            [(racer.overhead_seconds + racer.example_seconds * size) * DRIFT[number]] * 2,
            {"batch_size": size},
        )
        for size in [*BATCH_SIZES, 500]
    ]
    return {**replicate(racer.case("batch_size"), steps), "round": number}


def validation_accuracy(epoch: int, final_loss: float = 0.0) -> float:
    """0.9380 after the first epoch, 0.9800 after the sixth, 0.9838 after the last one, less ``final_loss``."""
    return round(0.9854 - 0.0474 / epoch**1.2, 4) - final_loss


def reference_replicate(racer: Racer, seed: int, num_epochs: int = NUM_EPOCHS) -> dict[str, Any]:
    """Load 0.5 s, build 0.1 s, then compile, train, validate; test 0.1 s: no rest."""
    train, validate = racer.epoch_seconds, racer.epoch_seconds / 30
    phases = {"load": 0.5, "build": 0.1, "compile": racer.compile_seconds}
    phases |= {"train": num_epochs * train, "validate": num_epochs * validate, "test": 0.1}
    accuracy = racer.accuracies[seed - 1]
    epochs = [
        {
            "epoch": number,
            "train_loss": 0.5 / number,
            "validation_loss": 0.2 / number,
            "validation_accuracy": validation_accuracy(number, final_loss=0.9828 - accuracy),
            "train_seconds": train,
            "validate_seconds": validate,
        }
        for number in range(1, num_epochs + 1)
    ]
    extra = {"rest_seconds": 0.0, "import_seconds": 0.8, "test_loss": 0.07, "test_accuracy": accuracy}
    extra |= {"test_examples": 10_000, "seed": seed, "peak_rss_bytes": 512 * 2**20, "phases": phases, "epochs": epochs}
    run = measurement("run", [sum(phases.values())], **extra)
    return replicate(racer.case("reference", batch_size=500, num_epochs=num_epochs, seed=seed), [run])


def race(racers: list[Racer] = RACERS) -> list[dict[str, Any]]:
    """All replicates in the order in which they would have run: round by round."""
    found = []
    for number in range(len(DRIFT)):
        found += [epoch_replicate(racer, number) for racer in racers]
        if number < 2:
            found += [batch_size_replicate(racer, number) for racer in racers]
    for racer in racers:
        found += [reference_replicate(racer, seed) for seed in range(1, len(racer.accuracies) + 1)]
    return found


def write_race(runs_dir: Path, racers: list[Racer] = RACERS, **changes: Any) -> Path:
    return write_example_run(runs_dir, race(racers), **{"skipped": SKIPPED, **changes})
