"""torch/fused without a GPU: its kernels in Triton's interpreter and through its compiler for one, which needs no GPU;
and the reason where Triton is not installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from optional import need

from mlp import backends
from mlp.backends import Unavailable

PROJECT = Path(__file__).resolve().parents[3]


def need_triton():
    need("torch")
    if importlib.util.find_spec("triton") is None:
        pytest.skip("the package triton is not installed. Install it: pip install triton")


TILE = {"ROWS": 32, "UNITS": 32, "DEPTH": 32}
# Constants of each kernel; of the other arguments those that are numbers, the rest are arrays of float32.
KERNELS = {
    "hidden_layer": {"KEEP": 0.6, **TILE},
    "output_layer": {**TILE, "UNITS": 16},
    "hidden_gradient": {"KEEP": 0.6, **TILE},
    "update_layer": {"RATE": 0.001, "RHO": 0.9, "EPSILON": 1e-6, **TILE},
}
INTEGERS = {"random_state": "*i64", "labels": "*i64", "layer": "i32"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "products"), [("ieee", "fma.rn.f32"), ("tf32", ".tf32."), ("bfloat16", ".bf16.")]
)
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_becomes_machine_code_of_a_hopper_with_products_of_its_precision(
    monkeypatch, tmp_path, name, precision, products
):
    need_triton()
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from mlp.backends.torch import kernels

    constants, kernel = {**KERNELS[name], "PRECISION": precision}, getattr(kernels, name)
    types = {one: "i32" if one.startswith("num_") else INTEGERS.get(one, "*fp32") for one in kernel.arg_names}
    types |= dict.fromkeys(constants, "constexpr")
    compiled = compile(ASTSource(kernel, types, constants), target=GPUTarget("cuda", 90, 32))
    assert compiled.asm["cubin"] and products in compiled.asm["ptx"]
    if precision == "ieee":
        assert "mma" not in compiled.asm["ptx"], "a tensor core rounds float32 to TF32"


@pytest.mark.slow
def test_the_kernels_follow_the_oracle_in_tritons_interpreter():
    need("torch")
    if importlib.util.find_spec("triton") is None:
        pytest.skip("the package triton is not installed. Install it: pip install triton")
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "-p",
        "no:cacheprovider",
        "tests/mlp/backends/fused_contract.py",
    ]
    done = subprocess.run(
        argv, cwd=PROJECT, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_without_triton_the_fused_variants_are_unavailable_and_the_others_are_not(monkeypatch):
    need("torch")
    monkeypatch.setattr("mlp.backends.torch.backend.is_installed", lambda package: package == "torch")
    torch = backends.load("torch")
    answer = torch.availability("cuda", "fused_tf32")
    assert isinstance(answer, Unavailable) and "the package triton" in answer.reason
    assert "triton" not in getattr(torch.availability("cuda", "graph"), "reason", "")
    assert type(torch("fused")) is not type(torch("graph")) is type(torch("eager"))
