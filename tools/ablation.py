"""What each lever of theano/tuned is worth: training steps without it, in fresh processes that alternate.

    python tools/ablation.py --rounds 15

One row for tuned, one for each lever left out, one for as_published, and one for the eight matrix products of a step
through the same BLAS and its own threads: the floor.  Every round measures each row once, in a process of its own;
ratios are taken within a round, because the machine drifts from one to the next.  The number of threads is the BLAS's
own choice: set OPENBLAS_NUM_THREADS for another.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from bench.stats import Estimate, estimate  # noqa: E402
from mlp.backends.theano_tuned.levers import NAMES, VARIABLE  # noqa: E402
from mlp.recipe import CANONICAL  # noqa: E402

FLOOR = "eight products"
ROWS = ("tuned", *(f"without {name}" for name in NAMES), "as_published", FLOOR)
LIMIT_SECONDS = 600


@dataclass(frozen=True)
class Product:
    """Row-major ``C (m, n) = op(A) op(B)``, inner dimension k; a transposed operand is stored as (k, m) or (n, k)."""

    m: int
    n: int
    k: int
    transpose_a: bool = False
    transpose_b: bool = False


def step_products(widths: Sequence[int], batch: int) -> list[Product]:
    """Forward, and for each layer from the top the gradient of its weights and, but for the first, of its inputs."""
    layers = list(pairwise(widths))
    products = [Product(batch, units, inputs) for inputs, units in layers]
    for inputs, units in reversed(layers):
        products.append(Product(inputs, units, batch, transpose_a=True))
        products.append(Product(batch, inputs, units, transpose_b=True))
    return products[:-1]  # nobody needs the gradient of the images


def product_call(product: Product) -> Callable[[], None]:
    """A call of SciPy's sgemm on random matrices.  It reads row-major arrays as transposes: C.T = op(B).T op(A).T."""
    from scipy.linalg.blas import sgemm

    m, n, k = product.m, product.n, product.k
    a = np.random.rand(*((k, m) if product.transpose_a else (m, k))).astype(np.float32)
    b = np.random.rand(*((n, k) if product.transpose_b else (k, n))).astype(np.float32)
    c = np.empty((m, n), np.float32)
    trans = {"trans_a": product.transpose_b, "trans_b": product.transpose_a}
    return lambda: sgemm(1.0, b.T, a.T, c=c.T, overwrite_c=1, **trans)


def measure(row: str, epochs: int) -> float:
    """Seconds of one training step in this process: the median over epochs, after one that warms up."""
    num_steps = 50_000 // CANONICAL.batch_size
    epoch = _floor_epoch(num_steps) if row == FLOOR else _training_epoch(row)
    seconds = []
    for _ in range(epochs + 1):
        start = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:])) / num_steps


def _floor_epoch(num_steps: int) -> Callable[[], None]:
    calls = [product_call(product) for product in step_products(CANONICAL.layer_widths, CANONICAL.batch_size)]

    def epoch() -> None:
        for _ in range(num_steps):
            for call in calls:
                call()

    return epoch


def _training_epoch(row: str) -> Callable[[], float]:
    from mlp.backends import create
    from mlp.dataset import load_data
    from mlp.training import initial_parameters

    backend = create("theano", "as_published" if row == "as_published" else "tuned")
    backend.build(CANONICAL, initial_parameters(CANONICAL))
    backend.compile()
    images, labels, *_ = load_data()
    order = np.random.permutation(len(images))
    return lambda: backend.train_epoch(images, labels, order)


def in_fresh_process(row: str, epochs: int) -> float:
    """``measure`` elsewhere; raises CalledProcessError or TimeoutExpired if that process fails."""
    without = row.removeprefix("without ") if row.startswith("without ") else ""
    argv = [sys.executable, __file__, "--measure", row, "--epochs", str(epochs)]
    variables = {**os.environ, VARIABLE: without}
    done = subprocess.run(argv, env=variables, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_SECONDS)
    return float(done.stdout.splitlines()[-1])


def table(seconds: dict[str, list[float]]) -> str:
    """A line for each row: milliseconds a step, and the ratios to tuned and to the floor with 95 % intervals."""
    lines = [f"{'':20}{'n':>3}{'ms a step':>11}{'/ tuned':>28}{'/ ' + FLOOR:>28}"]
    for row, of_row in seconds.items():
        ratios = [
            _ratio(estimate([[one / other] for one, other in zip(of_row, seconds[base], strict=True)]))
            for base in ("tuned", FLOOR)
        ]
        lines.append(f"{row:20}{len(of_row):3}{1e3 * np.median(of_row):11.2f}{ratios[0]:>28}{ratios[1]:>28}")
    return "\n".join(lines)


def _ratio(ratio: Estimate) -> str:
    interval = "" if ratio.low is None else f" ({ratio.low:.3f} to {ratio.high:.3f})"
    return f"{ratio.center:.3f}{interval}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="processes of each row (default: 15)")
    parser.add_argument("--epochs", type=int, default=2, help="training epochs that each process times (default: 2)")
    parser.add_argument("--measure", choices=ROWS, help="measure this row in this process and print seconds a step")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.epochs < 1:
        parser.error("--rounds and --epochs must be at least 1")
    if arguments.measure:
        print(measure(arguments.measure, arguments.epochs))
        return
    seconds: dict[str, list[float]] = {row: [] for row in ROWS}
    for round_number in range(arguments.rounds):
        # Every second round backwards: a drift then favours no row.
        for row in ROWS if round_number % 2 == 0 else reversed(ROWS):
            try:
                seconds[row].append(in_fresh_process(row, arguments.epochs))
            except (subprocess.SubprocessError, ValueError) as error:
                sys.exit(f"{row} could not be measured in round {round_number + 1}: {error}")
        print(f"after {round_number + 1} of {arguments.rounds} rounds\n{table(seconds)}\n", flush=True)


if __name__ == "__main__":
    main()
