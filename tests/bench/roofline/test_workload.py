"""Operations of a step, from widths and batch size; every number here was worked out by hand."""

import pytest

from bench.report.run.rates import TRAINING_FLOP_PER_EXAMPLE
from bench.roofline.workload import (
    Product,
    evaluation_passes,
    forward_products,
    num_parameters,
    random_numbers,
    step_products,
    training_passes,
)
from mlp.recipe import CANONICAL, Recipe

SMALL = Recipe(layer_widths=(4, 3, 2), batch_size=10)


def test_every_product_of_a_step_has_a_role_of_its_own():
    roles = [product.role for product in step_products(CANONICAL.layer_widths, 500)]
    forward, backward = roles[:3], roles[3:]
    assert forward == ["forward_1", "forward_2", "forward_3"]
    assert backward == ["weights_3", "inputs_3", "weights_2", "inputs_2", "weights_1"]


def test_a_role_names_the_shape_of_its_product():
    by_role = {product.role: product for product in step_products(CANONICAL.layer_widths, 500)}
    assert by_role["forward_1"] == Product(500, 500, 784, role="forward_1")
    assert by_role["weights_2"] == Product(500, 300, 500, transpose_a=True, role="weights_2")
    assert by_role["inputs_3"] == Product(500, 300, 10, transpose_b=True, role="inputs_3")


@pytest.mark.parametrize("batch_size", [1, 500])
def test_the_products_are_as_much_work_as_the_report_counts(batch_size):
    flop = sum(product.flop for product in step_products(CANONICAL.layer_widths, batch_size))
    assert flop == batch_size * TRAINING_FLOP_PER_EXAMPLE


def test_an_evaluation_multiplies_forward_only():
    """2 * 545,000 weights * 500 examples."""
    assert sum(product.flop for product in forward_products(CANONICAL.layer_widths, 500)) == 2 * 545_000 * 500


def test_a_product_reads_both_factors_and_writes_the_result():
    assert Product(2, 3, 5).bytes == 4 * (10 + 15 + 6)


def test_the_canonical_network_has_545810_parameters():
    assert num_parameters(CANONICAL.layer_widths) == 545_810


def test_passes_of_a_small_step():
    """Ten examples, 4-3-2: images 40 floats, hidden 30, scores 20, parameters 4*3+3 + 3*2+2 = 23."""
    passes = {one.name: one.bytes for one in training_passes(SMALL)}
    assert passes == {
        "minibatch": 4 * 2 * 40,
        "bias, ReLU and dropout": 4 * 2 * 30,
        "gradient of bias, ReLU and dropout": 4 * 3 * 30,
        "softmax and loss": 4 * 2 * 20,
        "RMSProp": 4 * 5 * 23,
    }
    assert [one.name for one in training_passes(SMALL) if one.from_memory] == ["minibatch"]
    assert [one.bytes for one in evaluation_passes(SMALL)] == [4 * 2 * 30, 4 * 20]


def test_a_mask_takes_a_number_for_each_hidden_unit_and_none_without_dropout():
    assert random_numbers(CANONICAL) == 500 * 800
    assert random_numbers(Recipe(dropout=0.0)) == 0
