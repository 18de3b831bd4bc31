"""Operations of a training step: its matrix products, its passes over memory, its random numbers.

All follow from layer widths and batch size and hold for every framework.  Adjacent elementwise operations count as one
pass, which is the minimum for a step of library calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlp.recipe import Recipe

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Product:
    """Row-major ``C (m, n) = op(A) op(B)``, inner dimension k; a transposed operand is stored as (k, m) or (n, k).

    ``role`` is the result: ``forward_1`` is the first layer's output, ``weights_1`` the gradient of its weights,
    ``inputs_1`` that of its inputs.
    """

    m: int
    n: int
    k: int
    transpose_a: bool = False
    transpose_b: bool = False
    role: str = ""

    @property
    def flop(self) -> int:
        """Operations: a multiplication and an addition for each of m*n*k terms."""
        return 2 * self.m * self.n * self.k

    @property
    def bytes(self) -> int:
        """Memory traffic: both factors read once and the result written once, float32."""
        return FLOAT32_BYTES * (self.m * self.k + self.k * self.n + self.m * self.n)


def step_products(widths: Sequence[int], batch_size: int) -> list[Product]:
    """Return the forward products, then from the top down each layer's gradients, except that of the images."""
    layers = list(enumerate(pairwise(widths), start=1))
    products = forward_products(widths, batch_size)
    for number, (inputs, units) in reversed(layers):
        products.append(Product(inputs, units, batch_size, transpose_a=True, role=f"weights_{number}"))
        products.append(Product(batch_size, inputs, units, transpose_b=True, role=f"inputs_{number}"))
    return products[:-1]  # the gradient of the images is not needed


def forward_products(widths: Sequence[int], batch_size: int) -> list[Product]:
    """Return one product for each layer: all those of an evaluation."""
    layers = enumerate(pairwise(widths), start=1)
    return [Product(batch_size, units, inputs, role=f"forward_{number}") for number, (inputs, units) in layers]


@dataclass(frozen=True)
class MemoryPass:
    """Pass with negligible arithmetic: ``bytes`` read and written once each.

    ``from_memory`` if the data cannot be in a cache yet, as the rows of a shuffled training set.
    """

    name: str
    bytes: int
    from_memory: bool = False


def training_passes(recipe: Recipe) -> list[MemoryPass]:
    """Return the passes: minibatch; bias, ReLU and mask; their gradient; softmax, loss and gradient; RMSProp.

    Forward reads z and writes h, backward reads h and dh and writes dz, and RMSProp reads parameter, accumulator and
    gradient and writes the first two.
    """
    inputs, *hidden, classes = recipe.layer_widths
    activations = FLOAT32_BYTES * recipe.batch_size
    return [
        MemoryPass("minibatch", 2 * activations * inputs, from_memory=True),
        MemoryPass("bias, ReLU and dropout", 2 * activations * sum(hidden)),
        MemoryPass("gradient of bias, ReLU and dropout", 3 * activations * sum(hidden)),
        MemoryPass("softmax and loss", 2 * activations * classes),
        MemoryPass("RMSProp", 5 * FLOAT32_BYTES * num_parameters(recipe.layer_widths)),
    ]


def evaluation_passes(recipe: Recipe) -> list[MemoryPass]:
    """Return the passes: bias and ReLU; softmax with loss, which only reads.  Minibatches are contiguous in memory."""
    _, *hidden, classes = recipe.layer_widths
    activations = FLOAT32_BYTES * recipe.batch_size
    return [
        MemoryPass("bias and ReLU", 2 * activations * sum(hidden)),
        MemoryPass("softmax and loss", activations * classes),
    ]


def num_parameters(widths: Sequence[int]) -> int:
    """Return the number of weights and biases: 545,810 for 784-500-300-10."""
    return sum((inputs + 1) * units for inputs, units in pairwise(widths))


def random_numbers(recipe: Recipe) -> int:
    """Return one for each hidden unit of each example of a training step, or none without dropout."""
    return recipe.batch_size * sum(recipe.layer_widths[1:-1]) if recipe.dropout else 0
