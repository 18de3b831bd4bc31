"""A search finds what was injected, skips what cannot be measured, and stops at its budget."""

import math

import numpy as np
import pytest

from bench.gate.verdict import Metric
from bench.gate.verdict.bisection.search import Outcome, Search, on_scale


class NoisyCommits:
    """Commits of the seconds ``level(position)``, with noise; a process costs a second, a build three."""

    def __init__(self, level, broken=(), silent=(), sigma=0.004, seed=0):
        self.level, self.broken, self.silent, self.sigma = level, broken, silent, sigma
        self.random, self.now, self.blocks = np.random.default_rng(seed), 0.0, []

    def clock(self):
        return self.now

    def build(self, position):
        self.now += 3
        return "it does not compile" if position in self.broken else None

    def measure(self, positions, confirming):
        self.now += len(positions)
        self.blocks.append((positions, confirming))
        factor = self.random.lognormal(0, 0.3)
        noise = np.exp(self.random.normal(0, self.sigma, len(positions)))
        values = zip(positions, noise, strict=True)
        return [None if p in self.silent else factor * self.level(p) * n for p, n in values]


def search(last, commits, budget_seconds=600, **options):
    made = Search(last, Metric("train_epoch", "seconds", 0.05), commits, budget_seconds, **options)
    made.built |= {0, last}
    return made, made.run()


def step(at, factor=1.05):
    return lambda position: factor if position >= at else 1.0


@pytest.mark.parametrize(("last", "at"), [(1, 1), (2, 1), (8, 8), (64, 1), (64, 33)])
def test_the_injected_culprit_is_found_and_confirmed(last, at):
    commits = NoisyCommits(step(at))
    _, found = search(last, commits)
    assert found.outcome is Outcome.CULPRIT and found.steps[0].parts == (at,) and found.probability >= 0.99
    assert found.steps[0].ratio == pytest.approx(1.05, abs=0.01)
    assert next(set(block) for block, confirming in commits.blocks if confirming) == {at - 1, at}


def test_equal_ends_end_the_search_without_a_build():
    commits = NoisyCommits(step(99))
    _, found = search(64, commits)
    assert found.outcome is Outcome.NO_STEP and not found.steps
    assert all(set(block) == {0, 64} for block, _ in commits.blocks)


def test_two_steps_are_both_named():
    _, found = search(16, NoisyCommits(lambda p: 1.05 ** ((p >= 3) + (p >= 11))))
    assert found.outcome is Outcome.TWO_STEPS and [one.parts for one in found.steps] == [(3,), (11,)]


@pytest.mark.parametrize("how", ["broken", "silent"])
def test_commits_that_cannot_be_measured_are_named_as_a_group(how):
    made, found = search(8, NoisyCommits(step(4), **{how: (3, 4)}))
    assert found.outcome is Outcome.CULPRIT and found.steps[0].parts == (3, 4, 5)
    assert set(made.failures) <= {3, 4, *range(6, 8)} and {3, 4} <= set(made.failures)


def test_the_budget_ends_in_undecided_with_the_most_probable():
    commits = NoisyCommits(step(5), sigma=0.03)
    _, found = search(64, commits, budget_seconds=60)
    assert found.outcome is Outcome.UNDECIDED and found.probability < 0.99 and commits.now <= 70
    assert found.reason == "the budget is spent"


def test_an_end_that_measures_nothing_ends_the_search():
    _, found = search(8, NoisyCommits(step(5), silent=(8,)))
    assert found.outcome is Outcome.UNDECIDED and "the bad end of the range measured no" in found.reason


def test_a_suspect_that_equals_its_parent_is_not_confirmed():
    class Fickle(NoisyCommits):  # differs only until it is to be confirmed
        def measure(self, positions, confirming):
            self.level = step(99) if confirming else self.level
            return super().measure(positions, confirming)

    made, found = search(8, Fickle(step(5)), budget_seconds=200)
    assert found.outcome is not Outcome.CULPRIT and (5,) in made.unconfirmed


def test_an_invalid_value_is_no_value():
    seconds, accuracy = Metric("load"), Metric("validation_accuracy", "accuracy", 0.01)
    assert [on_scale(seconds, value) for value in (None, math.nan, math.inf, 0, -1)] == [None] * 5
    assert on_scale(seconds, math.e) == pytest.approx(1) and on_scale(accuracy, 0.98) == -0.98
