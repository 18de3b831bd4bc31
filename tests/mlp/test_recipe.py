"""The canonical numbers are the tutorial's, and nonsense is refused in a sentence."""

import dataclasses

import pytest

from mlp.errors import RecipeError
from mlp.recipe import CANONICAL, REFERENCE, Recipe


def test_the_canonical_recipe_is_the_tutorials():
    assert CANONICAL.layer_widths == (784, 500, 300, 10)
    assert (CANONICAL.dropout, CANONICAL.learning_rate) == (0.4, 0.001)
    assert (CANONICAL.batch_size, CANONICAL.num_epochs) == (500, 20)
    assert (CANONICAL.rho, CANONICAL.epsilon) == (0.9, 1e-6)


def test_the_reference_is_the_published_pair():
    assert (REFERENCE.total_seconds, REFERENCE.test_accuracy) == (32.2, 0.9829)
    assert "GTX 970" in REFERENCE.hardware


def test_a_recipe_is_frozen_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CANONICAL.seed = 2
    assert hash(CANONICAL) == hash(Recipe())


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("batch_size", 0, "batch size must be at least 1"),
        ("batch_size", -1, "batch size must be at least 1"),
        ("batch_size", 2.5, "must be a whole number"),
        ("batch_size", True, "must be a whole number"),
        ("num_epochs", 0, "number of epochs must be at least 1"),
        ("dropout", 1.0, "dropout must be a number in"),
        ("dropout", float("nan"), "dropout must be a number in"),
        ("learning_rate", -1, "learning rate must be a number in"),
        ("seed", 2**31, "below 2\\*\\*31"),
        ("layer_widths", (784,), "at least an input and an output"),
    ],
)
def test_what_makes_no_sense_is_refused(field, value, sentence):
    with pytest.raises(RecipeError, match=sentence):
        Recipe(**{field: value})


def test_a_batch_must_fit_the_data():
    CANONICAL.check_batch_fits(500)
    with pytest.raises(RecipeError, match="larger than the training set of 499"):
        CANONICAL.check_batch_fits(499)
