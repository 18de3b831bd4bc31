"""The posterior of the steps is Bayes' rule, and shrinks to the culprit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gate.verdict.bisection.choice import Costs, candidate_blocks, expected_information, next_block, patterns_of
from bench.gate.verdict.bisection.model import MeasuredBlock
from bench.gate.verdict.bisection.posterior import NO_STEP, TWO_STEPS, Inference, hypotheses, parents

SIGMA = 0.004


def measured(last, level, blocks, seed=0):
    random = np.random.default_rng(seed)
    inference = Inference(last, 0.01)
    for block in blocks:
        inference.add(MeasuredBlock(block, tuple(level(p) + random.normal(0, SIGMA) for p in block)))
    return inference


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.integers(31, 40))
@settings(max_examples=40, deadline=None)
def test_the_prior_is_one_and_that_of_finer_intervals_adds_up_to_that_of_the_coarse_ones(first, more, last):
    coarse, fine = (tuple(sorted({0, last, *positions})) for positions in (first, first | more))
    assert hypotheses(coarse).prior.sum() == pytest.approx(1)
    added = np.bincount(parents(fine, coarse), hypotheses(fine).prior, minlength=len(hypotheses(coarse).prior))
    assert added == pytest.approx(hypotheses(coarse).prior)


def test_the_prior_of_two_adjacent_commits_has_no_two_steps():
    posterior = Inference(1, 0.01).posterior()
    assert posterior.no_step == pytest.approx(NO_STEP) and posterior.two_steps == 0
    assert Inference(8, 0.01).posterior().two_steps == pytest.approx(TWO_STEPS)


def test_equal_ends_have_no_step_and_better_ones_neither():
    for level in (lambda p: 0.0, lambda p: -0.05 * (p >= 3)):
        assert measured(8, level, [(0, 8, 0, 8)] * 6).posterior().no_step > 0.99


def test_the_culprit_is_found_between_measured_neighbours():
    posterior = measured(8, lambda p: 0.05 * (p >= 5), [(0, 8, 0, 8)] * 2 + [(0, 8, 4, 5)] * 3).posterior()
    assert posterior.one_step[1] > 0.99 and posterior.group(2) == (5,)
    assert posterior.is_resolved.tolist() == [False, True, False]
    assert posterior.step == pytest.approx(0.05, abs=0.005)
    assert posterior.levels[0][[0, 4, 5, 8]] == pytest.approx([0, 0, 1, 1], abs=0.01)


def test_two_steps_are_told_from_one():
    level = lambda p: 0.03 * (p >= 2) + 0.1 * (p >= 5)  # noqa: E731
    posterior = measured(6, level, [(0, 6, 0, 6)] * 2 + [(0, 6, 1, 2), (0, 6, 4, 5)] * 3).posterior()
    assert posterior.two_steps > 0.99
    assert next(iter(posterior.pairs)) == (2, 4)


def test_the_order_of_blocks_and_a_common_factor_do_not_matter():
    level, blocks = (lambda p: 0.05 * (p >= 5)), [(0, 8, 0, 8), (0, 8, 0, 8), (0, 8, 4), (0, 8, 5), (0, 8, 6)]
    inference = measured(8, level, blocks)
    other = Inference(8, 0.01)
    for block in inference.blocks[:2] + inference.blocks[:1:-1]:
        other.add(MeasuredBlock(block.positions, tuple(value + 3.0 for value in block.values)))
    one, two = inference.posterior(), other.posterior()
    assert one.probability == pytest.approx(two.probability, abs=0.02)


def test_commits_that_cannot_be_measured_are_one_group_with_the_next():
    inference = measured(8, lambda p: 0.05 * (p >= 5), [(0, 8, 0, 8)] * 2 + [(0, 8, 3, 5)] * 3)
    assert not inference.posterior().is_resolved[1]
    inference.skipped.add(4)
    posterior = inference.posterior()
    assert posterior.is_resolved[1] and posterior.group(2) == (4, 5) and posterior.one_step[1] > 0.98


def test_the_next_block_halves_the_range_and_prefers_commits_that_are_built():
    posterior = measured(64, lambda p: 0.05 * (p >= 40), [(0, 64, 0, 64)] * 3).posterior()
    assert 32 in next_block(posterior, {0, 64}, Costs(2, 20))
    assert 28 in next_block(posterior, {0, 64, 28}, Costs(2, 200))
    assert all({0, 64} & set(block) and 2 <= len(block) <= 5 for block in candidate_blocks(posterior, {0, 64}))


def test_of_equally_good_blocks_every_processor_takes_the_same(monkeypatch):
    posterior = measured(64, lambda p: 0.05 * (p >= 40), [(0, 64, 0, 64)] * 3).posterior()
    taken = set()
    for seed in range(8):
        last_digits = np.random.default_rng(seed)
        noisy = lambda posterior, block: len(block) * (1 + 1e-14 * last_digits.standard_normal())  # noqa: B023, E731
        monkeypatch.setattr("bench.gate.verdict.bisection.choice.expected_information", noisy)
        taken.add(next_block(posterior, set(range(65)), Costs(2, 20)))
    assert len(taken) == 1


def test_of_equally_good_blocks_the_one_measured_least_is_next(monkeypatch):
    posterior = measured(64, lambda p: 0.05 * (p >= 40), [(0, 64, 0, 64)] * 3).posterior()
    monkeypatch.setattr("bench.gate.verdict.bisection.choice.expected_information", lambda posterior, block: len(block))
    blocks = []
    for _ in range(12):
        blocks.append(next_block(posterior, set(range(65)), Costs(2, 20), blocks))
    assert len(set(blocks)) == len(blocks)


def test_the_expected_information_is_at_most_that_of_the_hypotheses_and_grows_with_the_step():
    posterior = measured(64, lambda p: 0.05 * (p >= 40), [(0, 64, 0, 64)] * 3).posterior()
    patterns, probability = patterns_of(posterior, (0, 64, 32))
    assert probability.sum() == pytest.approx(1) and len(patterns) == len(probability)
    entropy = -(probability @ np.log(probability))
    assert 0.5 < expected_information(posterior, (0, 64, 32)) <= entropy + 0.02
    assert expected_information(posterior, (0, 64, 1)) < 0.2
