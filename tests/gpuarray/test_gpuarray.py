"""The code path of Theano's GPU, without a GPU: libgpuarray computes through OpenCL on the CPU (PoCL).

``make test-gpuarray`` runs this in the environment of ``make theano-gpu``; elsewhere it is skipped.  It proves what
the graph computes and where its variables live.  The kernels of CUDA itself and any speed are another matter.
"""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlp.backends.numpy import NumpyBackend
from mlp.recipe import CANONICAL
from mlp.training import initial_parameters
from tools.theano_gpu import opencl

PROJECT = Path(__file__).resolve().parents[2]
DEVICE = "opencl0:0"
NUM_STEPS = 5
# Its kernel declares local memory inside a loop, which CUDA allows and OpenCL C does not: that one stays on the CPU.
NOT_FOR_OPENCL = "local_gpua_crossentropysoftmaxargmax1hotwithbias"

pytestmark = pytest.mark.slow
if importlib.util.find_spec("pygpu") is None:
    pytest.skip("pygpu is not installed for this Python: run make test-gpuarray", allow_module_level=True)
if sentence := opencl.missing():
    pytest.skip(sentence, allow_module_level=True)


def start(device, dropout, directory):
    flags = f"base_compiledir={directory},optimizer_excluding={NOT_FOR_OPENCL}"
    variables = {**os.environ, "THEANO_FLAGS": flags, "PYTHONPATH": str(PROJECT)}
    script = Path(__file__).with_name("losses.py")
    argv = [sys.executable, str(script), device, str(dropout), str(NUM_STEPS)]
    return subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """``report(device, dropout)``: what losses.py says of that device, each asked once."""
    directory = tmp_path_factory.mktemp("compile")
    reports = {}

    def ask(device, dropout):
        if (device, dropout) not in reports:
            done = start(device, dropout, directory)
            assert done.returncode == 0, done.stderr
            reports[device, dropout] = json.loads(done.stdout.splitlines()[-1])
        return reports[device, dropout]

    return ask


def test_without_dropout_it_follows_the_float64_oracle(report):
    from losses import batch

    recipe = replace(CANONICAL, dropout=0.0)
    oracle = NumpyBackend()
    oracle.build(recipe, initial_parameters(recipe))
    oracle.compile()
    expected = [oracle.train_step(*batch(recipe.batch_size, step)) for step in range(NUM_STEPS)]
    ours = report(DEVICE, 0.0)
    # float32 against float64: measured differences are below 2e-7.
    np.testing.assert_allclose(ours["losses"], expected, rtol=1e-5)
    np.testing.assert_allclose(ours["evaluation"], oracle.evaluate(*batch(recipe.batch_size, 0)), rtol=1e-5)
    sums = [np.abs(parameter).sum(dtype=np.float64) for parameter in oracle.parameters()]
    np.testing.assert_allclose(ours["sums"], sums, rtol=1e-5)


def test_with_dropout_it_draws_the_masks_of_the_cpu(report):
    """Both use MRG31k3p with the same seeds; other masks would change the first loss in its second digit."""
    ours, cpus = report(DEVICE, 0.4), report("cpu", 0.4)
    np.testing.assert_allclose(ours["losses"], cpus["losses"], rtol=1e-5)
    np.testing.assert_allclose(ours["sums"], cpus["sums"], rtol=1e-5)


def test_everything_that_training_changes_lives_on_the_device(report):
    types = report(DEVICE, 0.4)["types"]
    assert len(types) == 14  # six parameters, their accumulators, the states of two dropout layers
    assert set(types) == {"GpuArrayType"}
    assert set(report("cpu", 0.4)["types"]) == {"TensorType"}


def test_the_work_is_done_by_gpu_operations(report):
    operations = set(report(DEVICE, 0.4)["operations"])
    assert {"GpuDot22", "GpuGemm", "GpuElemwise", "GPUA_mrg_uniform"} <= operations
    assert not operations & {"Dot22", "Dot22Scalar", "Gemm", "mrg_uniform"}


def test_a_device_that_does_not_start_is_an_error_and_not_the_cpu(tmp_path):
    done = start("opencl97:0", 0.4, tmp_path)
    assert done.returncode != 0
    assert "BackendError: Theano could not start opencl97:0 and would silently compute on the CPU" in done.stderr
    assert "Platform ID out of range" in done.stderr  # libgpuarray's own reason, not only ours
    assert done.stdout == ""
