"""``python -m benchmarks.coverage``: coverage of the intervals and error rates of the ranks, by simulation.

Prints the tables of ``docs/statistics.md``.  Every noise model draws the logarithms of process medians; the committed
records are resampled, with the measured median as the true value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import click
import numpy as np
from tabulate import tabulate

from bench.records.frames import load_runs
from bench.report.run.ranking import epoch_rounds
from bench.stats.estimates import bounds_of
from bench.stats.ranking import faster_than
from bench.stats.unpaired import speed_ratio
from bench.units import format_percent

Draw = Callable[[np.random.Generator, int, int], np.ndarray]  # (random, sequences, values) -> logs of that shape

RECORDS = Path(__file__).resolve().parent.parent / "results" / "records" / "amd-epyc-2-cores"
RECORDS_OF_15_ROUNDS = ("2026-11-25-1a42118", "2026-11-25-c21ca29")
SIZES = (3, 4, 6, 15, 30)


def _lognormal(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.normal(0, 0.05, shape)


def _exponential(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw a minimum time with exponential delays."""
    return np.log1p(random.exponential(0.1, shape))


def _contaminated(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw normal noise in which one process in ten is disturbed by other load."""
    return random.normal(0, 0.02, shape) + (random.random(shape) < 0.1) * random.exponential(0.3, shape)


def _bimodal(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw two modes with a ratio of 1.9; a quarter of the processes is slow."""
    return random.normal(0, 0.05, shape) + (random.random(shape) < 0.25) * np.log(1.9)


def _autoregressive(correlation: float, random: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw AR(1) noise: each process is correlated with its predecessor."""
    noise = random.normal(0, 0.05, shape)
    logs = np.empty(shape)
    logs[:, 0] = noise[:, 0]
    for index in range(1, shape[1]):
        logs[:, index] = correlation * logs[:, index - 1] + np.sqrt(1 - correlation**2) * noise[:, index]
    return logs


NOISE: dict[str, Draw] = {  # independent processes, as the intervals assume
    "lognormal": _lognormal,
    "exponential tail": _exponential,
    "contaminated": _contaminated,
    "bimodal": _bimodal,
}
DEPENDENT: dict[str, Draw] = {f"AR(1), correlation {rho}": partial(_autoregressive, rho) for rho in (0.2, 0.4, 0.6)}


def recorded() -> dict[str, Draw]:
    """Return resamplers of the training epochs of each stack in the records of 15 rounds."""
    found = {}
    for name in RECORDS_OF_15_ROUNDS:
        for stack, rounds in epoch_rounds(load_runs(RECORDS / name), {}).items():
            found[f"{stack.backend}/{stack.variant}, {name}"] = partial(_resampled, np.log(list(rounds.values())))
    return found


def _resampled(logs: np.ndarray, random: np.random.Generator, *shape: int) -> np.ndarray:
    """Resample with interpolation between neighbours: repeated draws of the median itself would inflate coverage."""
    return np.quantile(logs, random.random(shape))


@cache
def true_median(draw: Draw) -> float:
    if isinstance(draw, partial) and draw.func is _resampled:
        return float(np.median(draw.args[0]))
    return float(np.median(draw(np.random.default_rng(0), 1000, 1000)))


def coverage(draw: Draw, num_values: int, num_draws: int = 20_000) -> float:
    """Return the share of intervals of ``num_values`` processes that contain the true median."""
    low, high, _ = bounds_of(np.exp(draw(np.random.default_rng(num_values), num_draws, num_values)))
    median = np.exp(true_median(draw))
    return float(np.mean((low <= median * (1 + 1e-12)) & (median <= high * (1 + 1e-12))))


def coverage_of_ratio(draw: Draw, num_values: int, num_draws: int = 2000) -> float:
    """Return the coverage of the ratio of two runs that were not interleaved, with the true value 1."""
    random = np.random.default_rng(num_values)
    sides = zip(*(np.exp(draw(random, num_draws, num_values)) for _ in range(2)), strict=True)
    return float(np.mean([not speed_ratio(base, other).differs for base, other in sides]))


def false_and_found(
    draw: Draw, num_stacks: int, num_rounds: int, step: float, num_runs: int = 400
) -> tuple[float, float]:
    """Return the share of runs with a false "faster", and the share of true differences that are found.

    Stacks 0 and 1 are equal, 2 and 3 slower by ``step``, and so on; each round drifts for all stacks alike.
    """
    random, wrong, found, num_true = np.random.default_rng(num_rounds), 0, 0, 0
    levels = [number // 2 * np.log1p(step) for number in range(num_stacks)]
    for _ in range(num_runs):
        drift = random.normal(0, 0.2, num_rounds)
        logs = draw(random, num_stacks, num_rounds) + drift + np.array(levels)[:, None]
        faster = faster_than({number: dict(enumerate(np.exp(row))) for number, row in enumerate(logs)})
        said = [(one, other) for other, those in faster.items() for one in those]
        right = sum(levels[one] < levels[other] for one, other in said)
        wrong += right < len(said)
        found += right
        num_true += sum(one < other for one in levels for other in levels)
    return wrong / num_runs, found / num_true if num_true else 0.0


def coverage_rows(draws: dict[str, Draw], coverage_of: Callable[[Draw, int], float]) -> Iterator[list[str]]:
    for name, draw in draws.items():
        yield [name, *(format_percent(coverage_of(draw, size), 1) for size in SIZES)]


def rank_rows() -> Iterator[list[str]]:
    for name, draw in NOISE.items():
        for num_stacks, num_rounds in ((4, 3), (4, 6), (4, 15), (10, 3), (10, 15)):
            wrong, _ = false_and_found(draw, num_stacks, num_rounds, 0.0)
            rates = [false_and_found(draw, num_stacks, num_rounds, step)[1] for step in (0.1, 0.5)]
            yield [name, num_stacks, num_rounds, *(format_percent(rate, 1) for rate in (wrong, *rates))]


@click.command(help=__doc__)
def main() -> None:
    medians = {**NOISE, **recorded(), **DEPENDENT}
    sizes = ["process medians", *(f"n = {size}" for size in SIZES)]
    ranks = ["noise", "stacks", "rounds", "wrong", "found at 10 %", "at 50 %"]
    for name, headers, rows in (
        ("Coverage of the interval of a median", sizes, coverage_rows(medians, coverage)),
        ("Coverage of the interval of a ratio of two runs", sizes, coverage_rows(NOISE, coverage_of_ratio)),
        ("Ranks", ranks, rank_rows()),
    ):
        table = tabulate(list(rows), headers, tablefmt="github", disable_numparse=True)
        click.echo(f"### {name}\n\n{table}\n")


if __name__ == "__main__":
    main()
