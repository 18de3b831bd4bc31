"""The ablation's table: the floor is the whole work of a step, ratios are taken within a round."""

import numpy as np
import pytest

from mlp.backends.theano_tuned.levers import NAMES
from mlp.recipe import CANONICAL
from tools import ablation


def test_the_eight_products_are_all_the_multiplications_of_a_step():
    """2.486 MFLOP for each example: forward 1.09, the weights' gradients as much, the inputs' without the first's."""
    products = ablation.step_products(CANONICAL.layer_widths, 500)
    assert len(products) == 8
    layers = 784 * 500 + 500 * 300 + 300 * 10
    assert sum(2 * p.m * p.n * p.k for p in products) == 500 * 2 * (3 * layers - 784 * 500) == 1_243_000_000


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_a_product_call_multiplies_the_matrices_as_they_are_stored(monkeypatch, transpose_a, transpose_b):
    made = []
    monkeypatch.setattr(np.random, "rand", lambda *shape: made.append(np.random.random_sample(shape)) or made[-1])
    result = ablation.product_call(ablation.Product(4, 3, 5, transpose_a, transpose_b))()
    a, b = (array.astype(np.float32) for array in made)
    expected = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    np.testing.assert_allclose(result.T, expected, rtol=1e-5)


def test_every_lever_has_a_row():
    assert {f"without {name}" for name in NAMES} < set(ablation.ROWS)


def test_ratios_are_of_the_same_round():
    """The machine was half as fast in the second round; the ratios do not see it."""
    seconds = {"tuned": [0.010, 0.020], "as_published": [0.025, 0.050], ablation.FLOOR: [0.008, 0.016]}
    assert ablation.table(seconds).splitlines()[1:] == [
        "tuned                 2      15.00      1.000 (1.000 to 1.000)      1.250 (1.250 to 1.250)",
        "as_published          2      37.50      2.500 (2.500 to 2.500)      3.125 (3.125 to 3.125)",
        "eight products        2      12.00      0.800 (0.800 to 0.800)      1.000 (1.000 to 1.000)",
    ]


def test_one_round_has_no_interval():
    line = ablation.table({"tuned": [0.010], ablation.FLOOR: [0.010]}).splitlines()[1]
    assert line == "tuned                 1      10.00                       1.000                       1.000"


def test_a_lever_is_left_out_by_the_environment_of_its_process(monkeypatch):
    asked = {}

    def run(argv, env, **options):
        asked.update(argv=argv, without=env[ablation.VARIABLE])
        return ablation.subprocess.CompletedProcess(argv, 0, stdout="compiling\n0.0125\n")

    monkeypatch.setattr(ablation.subprocess, "run", run)
    monkeypatch.setenv(ablation.VARIABLE, "update")  # whoever runs it may have left something out: no row has
    assert ablation.in_fresh_process("without dropout", 3) == 0.0125
    assert asked["without"] == "dropout"
    assert asked["argv"][-4:] == ["--measure", "without dropout", "--epochs", "3"]
    ablation.in_fresh_process("as_published", 3)
    assert asked["without"] == ""
