"""Stack that is checked, with its backends compiled once for each recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from mlp import backends
from mlp.backends import Backend, Variant
from mlp.recipe import Recipe
from mlp.training import initial_parameters

Oracle = Callable[[Recipe], Backend]  # a backend of the reference, at the initial parameters of a recipe
# Rounding of the products over the layers: float32 has 24 bits of mantissa, TF32 has 11, bfloat16 has 8.
RELATIVE_ERROR = {"float64": 1e-9, "float32": 2e-5, "tf32": 5e-3, "bfloat16": 5e-2}


@dataclass(frozen=True)
class CheckedStack:
    """Variant of a backend on a device; ``stand_in`` runs code written for a GPU on the CPU, where that is possible."""

    backend: str
    variant: str
    device: str = "cpu"
    stand_in: bool = False

    def __str__(self) -> str:
        return f"{self.backend}/{self.variant} on {self.device}{' (stand-in)' * self.stand_in}"

    @property
    def declared(self) -> Variant:
        return backends.load(self.backend).variant_named(self.variant)

    @property
    def precision(self) -> str:
        return self.declared.precision

    @property
    def relative_error(self) -> float:
        """Tolerance of a loss against the float64 oracle."""
        return RELATIVE_ERROR[self.precision]

    def fresh(self, recipe: Recipe, place: Iterable[tuple[np.ndarray, np.ndarray]] = ()) -> Backend:
        """Return a backend of the caller's own; ``place`` lists (images, labels) that it may keep on its device."""
        backend = backends.load(self.backend)(self.variant)
        backend.import_framework(self.device)
        backend.build(recipe, initial_parameters(recipe), self.device)
        for images, labels in place:
            backend.place(images, labels)
        backend.compile()
        return backend

    def compiled(self, recipe: Recipe) -> Backend:
        """Return the backend that all clauses share, at the initial parameters of ``recipe``."""
        backend = _compiled(self, recipe)
        backend.set_parameters(initial_parameters(recipe))
        return backend


@cache
def _compiled(stack: CheckedStack, recipe: Recipe) -> Backend:
    return stack.fresh(recipe)


def forget_compiled() -> None:
    """Let clauses compile again what they share."""
    _compiled.cache_clear()


def float64_oracle(recipe: Recipe) -> Backend:
    return CheckedStack("numpy", "float64").fresh(recipe)
