"""Bound "operations needed": the count against one of every term, and committed records, which it must bound."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_ceilings import example_ceilings
from hypothesis import given
from hypothesis import strategies as st

from bench.records.run_folder import RunFolder
from bench.report.run.analysis import RunAnalysis
from bench.roofline.operations_needed import COUNTED, evaluation_flop, operations_needed_of, training_flop
from mlp.recipe import CANONICAL, Recipe

RECORDS = sorted((Path(__file__).parents[3] / "results" / "records").glob("*/*/run.json"))

widths = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def product_terms(a, b, used):
    """Terms of the products ``a @ b`` without a zero factor, of the results that are used: all bool."""
    return int(((a.astype(int) @ b.astype(int)) * used).sum())


@given(widths, st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31))
def test_the_count_is_that_of_the_dense_products_terms_without_zeros(widths, batch, num_classes, seed):
    """Each product of a step as NumPy multiplies it, of masks of what is not zero: the network's weights never are."""
    random = np.random.RandomState(seed)
    kept = [random.rand(batch, units) < 0.6 for units in widths[1:]]
    active = [random.rand(batch, widths[0]) < 0.3, *(one & (random.rand(*one.shape) < 0.5) for one in kept)]
    used, gradients = [*kept, np.ones((batch, num_classes), bool)], [*active[1:], np.ones((batch, num_classes), bool)]
    terms = evaluated = 0
    for layer, (x, z, dz) in enumerate(zip(active, used, gradients, strict=True)):
        weights = np.ones((x.shape[1], z.shape[1]), bool)
        terms += product_terms(x, weights, z) + product_terms(x.T, dz, True)
        terms += product_terms(dz, weights.T, x) if layer else 0
        evaluated += product_terms(x, weights, True)
    assert training_flop(active, kept, num_classes) == 2 * terms
    assert evaluation_flop(active, [*widths[1:], num_classes]) == 2 * evaluated


def test_without_zeros_the_count_is_that_of_all_products():
    """1.243 GFLOP for a step of 500 examples, 0.545 for an evaluation."""
    inputs = [np.ones((2, width)) for width in (784, 500, 300)]
    assert training_flop(inputs, [one > 0 for one in inputs[1:]], 10) == 2 * 2_486_000
    assert evaluation_flop(inputs, (500, 300, 10)) == 2 * 1_090_000


def test_the_bound_by_hand():
    """50,000 examples at the 200 GFLOP/s of the square product, the fastest."""
    found = operations_needed_of(example_ceilings(), CANONICAL, "mnist")
    assert found.train_epoch_seconds == pytest.approx(50_000 * 170e3 / 200e9)
    assert found.validate_epoch_seconds == pytest.approx(10_000 * 220e3 / 200e9)


@pytest.mark.parametrize(
    ("recipe", "dataset", "precision"),
    [
        (CANONICAL, "surrogate", None),
        (CANONICAL, None, None),
        (Recipe(layer_widths=(784, 100, 10)), "mnist", None),
        (replace(CANONICAL, dropout=0.5), "mnist", None),
        (CANONICAL, "mnist", "tf32"),
    ],
)
def test_what_was_not_counted_or_measured_has_no_bound(recipe, dataset, precision):
    assert operations_needed_of(example_ceilings(), recipe, dataset, precision) is None


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.parent.name)
def test_no_stack_of_a_committed_record_passes_it(record):
    bounds = RunAnalysis(RunFolder.open(record.parent)).lower_bounds
    shares = [share for device in bounds for share in device.shares]
    found = [ratio for share in shares for ratio in (share.needed_train_epoch, share.needed_validate_epoch) if ratio]
    assert all(ratio.center < 1 for ratio in found)
    if not found:
        pytest.skip("this record has no ceilings")


def test_counts_of_mnist_are_not_above_those_of_its_pixels(mnist_directory):
    """At least the first layer's: nonzero pixels times the units that dropout keeps, and the gradient's."""
    from mlp.dataset import load_files

    images = load_files(mnist_directory).X_val
    pixels = np.count_nonzero(images) / len(images)
    assert math.isclose(pixels, 149.0876)
    assert COUNTED["mnist"].evaluate_flop >= 2 * pixels * 500
    assert COUNTED["mnist"].train_flop >= 2 * pixels * 300
