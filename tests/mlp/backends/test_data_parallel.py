"""Data parallelism is the training of one device at the same global batch, held against the float64 oracle.

Each framework runs in fresh processes: the number of JAX's host devices is fixed in a process, and DDP is several.
"""

from dataclasses import replace

import numpy as np
import pytest
from optional import need
from small import SMALL, make_toy_data

from bench.errors import BenchError
from bench.harness.side_by_side import run_side_by_side
from mlp.backends import create
from mlp.training import initial_parameters

pytestmark = pytest.mark.slow
PLAIN = replace(SMALL, dropout=0.0, batch_size=15)  # 15 is odd: the shares of two ranks differ
EVEN = replace(PLAIN, batch_size=20)


def trained(backend, recipe):
    """(losses, parameters, evaluation) after two epochs and a step."""
    data = make_toy_data()
    backend.import_framework()
    backend.build(recipe, initial_parameters(recipe), "cpu")
    backend.compile()
    order = np.random.RandomState(0).permutation(len(data[0]))
    losses = [backend.train_epoch(data[0], data[1], order) for _ in range(2)]
    losses.append(backend.train_step(data[0][: recipe.batch_size], data[1][: recipe.batch_size]))
    return losses, backend.parameters(), backend.evaluate(*data[4:])


def prepare_rank(number, count, store):
    from mlp.backends.torch.data_parallel import DdpTorchBackend, Rank

    backend = DdpTorchBackend(Rank(number, count, store))

    def run():
        found = trained(backend, PLAIN)
        backend.all_reduce(1000)()
        backend.wait_for_all()
        backend.close()
        return found

    return run


def prepare_sharded():
    from mlp.backends.jax.data_parallel import ShardedJaxBackend

    def run():
        backend = ShardedJaxBackend(2)
        found = trained(backend, EVEN)
        backend.all_reduce(1000)()
        # Positions determine the masks: with dropout, too, the training is that of one device.
        recipe = replace(EVEN, dropout=0.4)
        return found, trained(ShardedJaxBackend(2), recipe), trained(create("jax", "step"), recipe)

    return run


def prepare_indivisible(num_devices, batch_size):
    from mlp.backends.jax.data_parallel import ShardedJaxBackend

    return lambda: trained(ShardedJaxBackend(num_devices), replace(EVEN, batch_size=batch_size))


def assert_equal(found, expected, rtol=2e-5):
    losses, parameters, (loss, accuracy) = found
    expected_losses, expected_parameters, (expected_loss, expected_accuracy) = expected
    np.testing.assert_allclose(losses, expected_losses, rtol=rtol)
    for one, other in zip(parameters, expected_parameters, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert loss == pytest.approx(expected_loss, rel=rtol) and accuracy == pytest.approx(expected_accuracy)


def test_ranks_of_pytorch_train_as_one_device_does_also_with_shares_of_different_size(tmp_path, monkeypatch):
    need("torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arguments = [(number, 2, tmp_path / "store") for number in range(2)]
    first, second = run_side_by_side(prepare_rank, arguments, [[], []])
    assert_equal(first, trained(create("numpy", "float64"), PLAIN))
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_host_devices_of_jax_train_as_one_device_does_also_with_dropout():
    need("jax")
    ((plain, sharded, single),) = run_side_by_side(prepare_sharded, [()], [[]])
    assert_equal(plain, trained(create("numpy", "float64"), EVEN))
    assert_equal(sharded, single)


def test_a_batch_that_cannot_be_divided_is_refused():
    need("jax")
    with pytest.raises(BenchError, match="20 examples cannot be divided among 3 devices"):
        run_side_by_side(prepare_indivisible, [(3, 20)], [[]])
