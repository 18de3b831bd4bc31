"""The eight products of a step: all of its multiplications, each with its operands as they are stored."""

import numpy as np
import pytest

from bench.measure.frameworks.products import product_call, random_factors
from bench.roofline.workload import Product, step_products
from mlp.recipe import CANONICAL


def test_the_eight_products_are_all_the_multiplications_of_a_step():
    """2.486 MFLOP for each example: forward 1.09, the weights' gradients as much, the inputs' without the first's."""
    products = step_products(CANONICAL.layer_widths, 500)
    assert len(products) == 8
    layers = 784 * 500 + 500 * 300 + 300 * 10
    assert sum(2 * p.m * p.n * p.k for p in products) == 500 * 2 * (3 * layers - 784 * 500) == 1_243_000_000


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_a_product_call_multiplies_the_matrices_as_they_are_stored(monkeypatch, transpose_a, transpose_b):
    make = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda: make(3))
    product = Product(4, 3, 5, transpose_a, transpose_b)
    result, (a, b) = product_call(product)(), random_factors(product)
    expected = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    np.testing.assert_allclose(result.T, expected, rtol=1e-5)
