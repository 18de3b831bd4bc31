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
from mlp.errors import BackendError
from mlp.training import initial_parameters

pytestmark = pytest.mark.slow
PLAIN = replace(SMALL, dropout=0.0, batch_size=15)  # 15 is odd: the shares of two ranks differ
EVEN = replace(PLAIN, batch_size=20)


def trained(backend, recipe, device="cpu"):
    """(losses, parameters, evaluation) after two epochs and a step."""
    data = make_toy_data()
    backend.import_framework(device)
    backend.build(recipe, initial_parameters(recipe), device)
    backend.compile()
    order = np.random.RandomState(0).permutation(len(data[0]))
    losses = [backend.train_epoch(data[0], data[1], order) for _ in range(2)]
    losses.append(backend.train_step(data[0][: recipe.batch_size], data[1][: recipe.batch_size]))
    return losses, backend.parameters(), backend.evaluate(*data[4:])


def prepare_rank(number, count, store, device="cpu"):
    from mlp.backends.torch.data_parallel import DdpTorchBackend, Rank

    backend = DdpTorchBackend(Rank(number, count, store))

    def run():
        found = trained(backend, PLAIN, device)
        backend.all_reduce(1000)()
        backend.wait_for_all()
        backend.close()
        return found

    return run


def prepare_sharded(device="cpu"):
    from mlp.backends.jax.data_parallel import ShardedJaxBackend

    def run():
        count = 2 if device == "cpu" else gpus_of_jax()
        backend = ShardedJaxBackend(count)
        found = trained(backend, EVEN, device)
        backend.all_reduce(1000)()
        # Positions determine the masks: with dropout, too, the training is that of one device.
        recipe = replace(EVEN, dropout=0.4)
        return found, trained(ShardedJaxBackend(count), recipe, device), trained(create("jax", "step"), recipe, device)

    return run


def gpus_of_jax():
    import jax

    return min(2, len(jax.devices("cuda")))


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


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_ranks_of_pytorch_train_as_one_device_does_also_with_shares_of_different_size(device, tmp_path, monkeypatch):
    need("torch", "eager", device)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    import torch

    count = 2 if device == "cpu" else min(2, torch.cuda.device_count())
    arguments = [(number, count, tmp_path / "a store #1", device) for number in range(count)]
    found = run_side_by_side(prepare_rank, arguments, [[]] * count)
    assert_equal(found[0], trained(create("numpy", "float64"), PLAIN))
    for one, other in zip(found[0][1], found[-1][1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_devices_of_jax_train_as_one_device_does_also_with_dropout(device):
    need("jax", "step", device)
    ((plain, sharded, single),) = run_side_by_side(prepare_sharded, [(device,)], [[]])
    assert_equal(plain, trained(create("numpy", "float64"), EVEN))
    assert_equal(sharded, single)


def test_a_batch_that_cannot_be_divided_is_refused():
    need("jax")
    with pytest.raises(BenchError, match="20 examples cannot be divided among 3 devices"):
        run_side_by_side(prepare_indivisible, [(3, 20)], [[]])


# --- what a rank asks of PyTorch -------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Requests of a rank to PyTorch, on a machine with two GPUs and no process beside it."""
    need("torch")
    import torch
    from torch import distributed

    from mlp.backends.torch.backend import TorchBackend

    found = []

    def init_process_group(backend, **options):
        found.append((backend, options["rank"], options["world_size"], options["device_id"]))

    def build(self, recipe, parameters, device):
        found.append(device)
        self._module = "module"

    class Parallel:
        def __init__(self, module, device_ids):
            found.append((module, device_ids))

    monkeypatch.setattr(distributed, "init_process_group", init_process_group)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: found.append(index))
    monkeypatch.setattr(torch.nn.parallel, "DistributedDataParallel", Parallel)
    monkeypatch.setattr(TorchBackend, "build", build)
    return found


def build_rank(number, count, store, device):
    from mlp.backends.torch.data_parallel import DdpTorchBackend, Rank

    DdpTorchBackend(Rank(number, count, store)).build(PLAIN, initial_parameters(PLAIN), device)


@pytest.mark.parametrize("number", [0, 1])
def test_a_rank_on_gpus_uses_nccl_and_the_gpu_of_its_number(number, tmp_path, asked):
    import torch

    build_rank(number, 2, tmp_path / "store", "cuda")
    own = torch.device("cuda", number)
    assert asked == [number, ("nccl", number, 2, own), f"cuda:{number}", ("module", [number])]


def test_a_rank_on_a_cpu_uses_gloo_and_touches_no_gpu(tmp_path, asked):
    build_rank(1, 4, tmp_path / "store", "cpu")
    assert asked == [("gloo", 1, 4, None), "cpu", ("module", None)]


def test_a_rank_joins_by_its_file_whatever_a_scheduler_left(tmp_path, asked, monkeypatch):
    left = {"RANK": "7", "LOCAL_RANK": "7", "WORLD_SIZE": "9", "MASTER_ADDR": "elsewhere", "MASTER_PORT": "1"}
    for name, value in {**left, "SLURM_PROCID": "7", "OMPI_COMM_WORLD_RANK": "7"}.items():
        monkeypatch.setenv(name, value)
    build_rank(0, 2, tmp_path / "store", "cuda")
    assert asked[1][:3] == ("nccl", 0, 2)


def test_more_ranks_than_gpus_are_refused_before_one_waits_for_another(tmp_path, asked):
    with pytest.raises(BackendError, match="3 devices are more than the 2 that PyTorch finds"):
        build_rank(0, 3, tmp_path / "store", "cuda")
    assert asked == []
