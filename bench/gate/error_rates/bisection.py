"""Error rates of the bisection: searches in ranges with injected steps, on the blocks of a recorded noise trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.gate.error_rates.resample import ROLES, RecordedBlock
from bench.gate.verdict.bisection.posterior import Posterior
from bench.gate.verdict.bisection.search import OUTCOMES, Outcome, Search
from bench.gate.verdict.turns import pairwise_log_values
from bench.gate.verdict.values import Metric

BUILD_SECONDS = 20.0  # of a commit: about a warm compilation of theano/tuned, its start included
METRIC = Metric("train_epoch", "seconds", 0.05)


@dataclass(frozen=True)
class InjectedRange:
    """Range of commits 0 to ``last``, each of ``steps`` a (position, factor of the time from there on)."""

    last: int
    steps: tuple[tuple[int, float], ...] = ()

    @property
    def culprits(self) -> tuple[int, ...]:
        return tuple(position for position, _ in self.steps)

    def log_level(self, position: int) -> float:
        return sum(math.log(factor) for at, factor in self.steps if position >= at)


@dataclass
class TraceLaboratory:
    """Laboratory that takes its blocks from a trace, consecutively from ``first``, and again from its start.

    The processes of a recorded block are assigned to the commits at random; a commit's step multiplies the turns before
    they are summarised, as a real one would.  ``seconds`` is the time so far, and a block of fewer processes than
    recorded takes its share.
    """

    blocks: Sequence[RecordedBlock]
    commits: InjectedRange
    random: np.random.Generator
    seconds: float = 0.0
    num_processes: int = 0
    num_built: int = 0
    _next: int = field(init=False)

    def __post_init__(self) -> None:
        self._next = int(self.random.integers(len(self.blocks)))

    def clock(self) -> float:
        return self.seconds

    def build(self, position: int) -> str | None:
        self.seconds += BUILD_SECONDS
        self.num_built += 1
        return None

    def measure(self, positions: tuple[int, ...], confirming: bool = False) -> list[float]:
        return [float(value) for value in np.exp(pairwise_log_values(self.turns(positions)))]

    def turns(self, positions: tuple[int, ...]) -> np.ndarray:
        """Take the next block; return the logarithms of its turns, float64 (num_rounds, num_processes)."""
        block = self.blocks[self._next % len(self.blocks)]
        self._next += 1
        self.seconds += block.seconds * len(positions) / len(ROLES)
        self.num_processes += len(positions)
        slots = self.random.permutation(len(ROLES))[: len(positions)]
        levels = np.array([self.commits.log_level(position) for position in positions])
        return np.log(np.array(block.turns, float)[:, slots]) + levels


@dataclass(frozen=True)
class ReplayedSearch:
    """Result of one replay; ``stated`` are (probability of the most probable hypothesis, its truth) at every look."""

    commits: InjectedRange
    outcome: Outcome
    found: tuple[int, ...]
    num_processes: int
    num_built: int
    seconds: float
    stated: tuple[tuple[float, bool], ...]

    @property
    def is_right(self) -> bool:
        """True if the outcome names the injected steps, and "no step" where there is none."""
        return self.outcome is OUTCOMES[len(self.commits.steps)][0] and self.found == self.commits.culprits

    @property
    def is_wrong(self) -> bool:
        return self.outcome is not Outcome.UNDECIDED and not self.is_right


def replay_search(
    blocks: Sequence[RecordedBlock],
    commits: InjectedRange,
    seed: int,
    budget_seconds: float = 900.0,
    confidence: float = 0.99,
    confirms: bool = True,
    metric: Metric = METRIC,
) -> ReplayedSearch:
    """Search ``commits`` once by the rules of a live bisection, on noise from a random place of a trace."""
    laboratory = TraceLaboratory(blocks, commits, np.random.default_rng(seed))
    stated: list[tuple[float, bool]] = []
    search = Search(commits.last, metric, laboratory, budget_seconds, confidence, confirms)

    def watch(posterior: Posterior) -> None:
        if search.inference.blocks:  # before, it is the prior
            stated.append(statement(posterior, commits))

    search.watch = watch
    search.built |= {0, commits.last}
    result = search.run()
    return ReplayedSearch(
        commits,
        result.outcome,
        tuple(step.parts[-1] for step in result.steps),
        laboratory.num_processes,
        laboratory.num_built,
        laboratory.seconds,
        tuple(stated),
    )


def statement(posterior: Posterior, commits: InjectedRange) -> tuple[float, bool]:
    """Return the probability of the most probable hypothesis of a posterior, and True if it holds.

    A hypothesis is no step, one step in an interval between measured commits, or two in a pair of them.
    """
    positions = posterior.hypotheses.positions
    intervals = tuple(int(np.searchsorted(positions, one)) for one in commits.culprits)
    best = max(posterior.weights, key=posterior.weights.__getitem__)
    return posterior.weights[best], best == intervals


def one_step(random: np.random.Generator, last: int, factor: float) -> InjectedRange:
    return InjectedRange(last, ((int(random.integers(1, last + 1)), factor),))


def two_steps(random: np.random.Generator, last: int, factors: tuple[float, float]) -> InjectedRange:
    first, second = sorted(random.choice(np.arange(1, last + 1), 2, replace=False))
    return InjectedRange(last, ((int(first), factors[0]), (int(second), factors[1])))
