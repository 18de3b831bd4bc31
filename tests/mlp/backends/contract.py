"""Stacks of the contract suite: all built-in ones that can run here."""

from __future__ import annotations

import os
from functools import lru_cache

import pytest
from optional import marks

from bench.measure.conformance.stack import CheckedStack
from mlp import backends, registry
from mlp.backends import gpu

# A captured graph needs CUDA, but the step it would capture does not; and XLA takes the bfloat16 algorithm on a CPU.
STAND_INS = [CheckedStack("torch", "graph", "cpu", True), CheckedStack("jax", "scan_bfloat16", "cpu", True)]
# They compile a small network in a moment: clauses that compile more networks are checked on them.
QUICK = {"numpy/float64", "numpy/float32", "jax/step", "jax/scan", "torch/eager", "theano/tuned"}


def stacks() -> list:
    """One pytest parameter for each stack; those that cannot run here are skipped with the backend's own reason."""
    found = []
    for name in registry.BUILT_IN:
        for variant in backends.load(name).variants:
            for device in variant.devices if driver_answers() else ["cpu"] * ("cpu" in variant.devices):
                found.append(_parameter(CheckedStack(name, variant.name, device)))
    return found + [_parameter(stack) for stack in STAND_INS]


def _parameter(stack: CheckedStack):
    variant = None if stack.stand_in else stack.variant
    return pytest.param(stack, id=str(stack), marks=marks(stack.backend, variant, stack.device))


@lru_cache(maxsize=1)
def driver_answers() -> bool:
    """Return whether there is an NVIDIA GPU; without one no test that needs it is collected."""
    return isinstance(gpu.driver(), gpu.Driver)


def required_backends() -> list[str]:
    """Return the backends that must be installed by request of the user, so that none is skipped unnoticed."""
    return os.environ.get("MLP_BENCH_REQUIRED_BACKENDS", "").split()
