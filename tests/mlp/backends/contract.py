"""Stacks of the contract suite: all that can run here, compiled once for each recipe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache, lru_cache

import pytest
from optional import marks

from mlp import backends, registry
from mlp.backends import Backend, gpu
from mlp.recipe import Recipe
from mlp.training import initial_parameters


@dataclass(frozen=True)
class TestStack:
    """A backend's variant on a device; ``stand_in`` runs code written for a GPU on the CPU, where that is possible."""

    __test__ = False  # a value, not a test class

    backend: str
    variant: str
    device: str
    stand_in: bool = False

    def __str__(self) -> str:
        return f"{self.backend}/{self.variant} on {self.device}{' (stand-in)' * self.stand_in}"

    @property
    def precision(self) -> str:
        return backends.load(self.backend).variant_named(self.variant).precision

    @property
    def relative_error(self) -> float:
        """Return the tolerance of a loss against the float64 oracle: rounding of the products over the layers.

        float32 has 24 bits, bfloat16 has 8 and TF32 has 11 bits of mantissa.
        """
        return {"float64": 1e-9, "float32": 2e-5, "tf32": 5e-3, "bfloat16": 5e-2}[self.precision]


# A captured graph needs CUDA, but the step it would capture does not; and XLA takes the bfloat16 algorithm on a CPU.
STAND_INS = [TestStack("torch", "graph", "cpu", True), TestStack("jax", "scan_bfloat16", "cpu", True)]


def stacks() -> list:
    """One pytest parameter for each stack; those that cannot run here are skipped with the backend's own reason."""
    found = []
    for name in registry.BUILT_IN:
        for variant in backends.load(name).variants:
            for device in variant.devices if driver_answers() else ["cpu"] * ("cpu" in variant.devices):
                found.append(_parameter(TestStack(name, variant.name, device)))
    return found + [_parameter(stack) for stack in STAND_INS]


def _parameter(stack: TestStack):
    variant = None if stack.stand_in else stack.variant
    return pytest.param(stack, id=str(stack), marks=marks(stack.backend, variant, stack.device))


@lru_cache(maxsize=1)
def driver_answers() -> bool:
    """Return whether there is an NVIDIA GPU; without one no test that needs it is collected."""
    return isinstance(gpu.driver(), gpu.Driver)


def required_backends() -> list[str]:
    """Return the backends that must be installed by request of the user, so that none is skipped unnoticed."""
    return os.environ.get("MLP_BENCH_REQUIRED_BACKENDS", "").split()


@cache
def compiled(stack: TestStack, recipe: Recipe) -> Backend:
    """The stack's backend, built and compiled for ``recipe``: shared by all tests, which set its parameters first."""
    return fresh(stack, recipe)


def fresh(stack: TestStack, recipe: Recipe, place=()) -> Backend:
    """A backend of the test's own; ``place`` lists (images, labels) that it may keep on its device."""
    backend = backends.load(stack.backend)(stack.variant)
    backend.import_framework()
    backend.build(recipe, initial_parameters(recipe), stack.device)
    for images, labels in place:
        backend.place(images, labels)
    backend.compile()
    return backend
