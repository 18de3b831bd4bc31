"""Minibatches: whole ones only, pairs kept together, in the order asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp.batches import iterate_minibatches
from mlp.errors import DatasetError, RecipeError


@given(st.integers(1, 60), st.integers(1, 60), st.randoms(use_true_random=False))
def test_every_batch_is_whole_and_pairs_stay_together(count, batch_size, random):
    if batch_size > count:
        return
    inputs, targets = np.arange(count), np.arange(count) * 10
    order = np.array(random.sample(range(count), count))
    batches = list(iterate_minibatches(inputs, targets, batch_size, order=order))
    assert [len(x) for x, _ in batches] == [batch_size] * (count // batch_size)
    seen = np.concatenate([x for x, _ in batches])
    assert (seen == order[: len(seen)]).all()
    assert all((y == x * 10).all() for x, y in batches)


def test_without_an_order_batches_are_views():
    inputs = np.zeros(10)
    batch, _ = next(iterate_minibatches(inputs, inputs, 5))
    assert np.shares_memory(batch, inputs)


def test_shuffle_draws_from_numpys_global_generator_as_the_tutorial_does():
    np.random.seed(3)
    (batch, _), *_ = iterate_minibatches(np.arange(10), np.arange(10), 10, shuffle=True)
    np.random.seed(3)
    expected = np.arange(10)
    np.random.shuffle(expected)
    assert (batch == expected).all()


def test_mistakes_are_sentences():
    with pytest.raises(DatasetError, match="3 inputs but 2 targets"):
        next(iterate_minibatches(np.zeros(3), np.zeros(2), 1))
    with pytest.raises(RecipeError, match="at least 1, got 0"):
        next(iterate_minibatches(np.zeros(3), np.zeros(3), 0))
    with pytest.raises(RecipeError, match="batch size 4 is larger than the 3 examples"):
        next(iterate_minibatches(np.zeros(3), np.zeros(3), 4))
