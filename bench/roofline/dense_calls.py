"""Bound "dense library calls" of a step, an epoch and a run, from the rates measured on this machine.

``step = sum of products, each at its own shape's rate + sum of passes, bytes / bandwidth + random numbers / rate``

It is a sum: one library call after the other.  Passes whose data is in a cache go at the rate of elementwise arithmetic
on arrays of a step's size, others at that of a copy far beyond the caches.  The products are dense: an implementation
that leaves out zeros, or overlaps passes with products, may be faster than this bound; none is faster than that of
``bench.roofline.operations_needed``.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.records.ceilings import Ceilings
from bench.roofline.ceilings import COPY, ELEMENTWISE, RANDOM, product_name
from bench.roofline.workload import (
    FLOAT32_BYTES,
    MemoryPass,
    Product,
    evaluation_passes,
    forward_products,
    random_numbers,
    step_products,
    training_passes,
)
from mlp.recipe import CANONICAL, TEST_EXAMPLES, TRAINING_EXAMPLES, VALIDATION_EXAMPLES, Recipe


@dataclass(frozen=True)
class Part:
    """Part of a step: its name, the ceiling that bounds it, and its lower bound in seconds."""

    name: str
    ceiling: str
    seconds: float
    flop: float | None = None
    bytes: float | None = None


@dataclass(frozen=True)
class DenseCalls:
    """Parts of a training step and of the evaluation of a minibatch, and their sums.

    An epoch is its whole minibatches.  The canonical run is all epochs of the recipe, each with its validation, and the
    test; loading, building and compiling count as 0, as no measured rate bounds them.
    """

    recipe: Recipe
    step_parts: tuple[Part, ...]
    evaluation_parts: tuple[Part, ...]

    @property
    def step_seconds(self) -> float:
        return sum(part.seconds for part in self.step_parts)

    @property
    def evaluation_seconds(self) -> float:
        return sum(part.seconds for part in self.evaluation_parts)

    @property
    def train_epoch_seconds(self) -> float:
        return TRAINING_EXAMPLES // self.recipe.batch_size * self.step_seconds

    @property
    def validate_epoch_seconds(self) -> float:
        return VALIDATION_EXAMPLES // self.recipe.batch_size * self.evaluation_seconds

    @property
    def canonical_run_seconds(self) -> float:
        test_seconds = TEST_EXAMPLES // self.recipe.batch_size * self.evaluation_seconds
        return self.recipe.num_epochs * (self.train_epoch_seconds + self.validate_epoch_seconds) + test_seconds

    @property
    def products_seconds(self) -> float:
        """Sum of the matrix products of a step."""
        return sum(part.seconds for part in self.step_parts if part.ceiling.startswith("gemm_"))


def dense_calls_of(ceilings: Ceilings, recipe: Recipe = CANONICAL, precision: str | None = None) -> DenseCalls | None:
    """Return the bounds with products of ``precision`` (None: float32).

    None if a needed ceiling was not measured, as the sum would be too low.
    """
    products = step_products(recipe.layer_widths, recipe.batch_size)
    forward = forward_products(recipe.layer_widths, recipe.batch_size)
    step = [_product_part(product, ceilings, precision) for product in products]
    step += [_pass_part(one, ceilings) for one in training_passes(recipe)]
    if numbers := random_numbers(recipe):
        step.append(_memory_part("random numbers", RANDOM, FLOAT32_BYTES * numbers, ceilings))
    evaluation = [_product_part(product, ceilings, precision) for product in forward]
    evaluation += [_pass_part(one, ceilings) for one in evaluation_passes(recipe)]
    if None in step or None in evaluation:
        return None
    return DenseCalls(recipe, tuple(step), tuple(evaluation))


def _product_part(product: Product, ceilings: Ceilings, precision: str | None) -> Part | None:
    """Return the part at the rate of the same product; None if not measured, as for networks of other depth."""
    name = product_name(product.role, precision)
    ceiling = ceilings.best(name)
    if ceiling is None or not ceiling.flop_per_second:
        return None
    return Part(product.role, name, product.flop / ceiling.flop_per_second, flop=product.flop, bytes=product.bytes)


def _pass_part(one: MemoryPass, ceilings: Ceilings) -> Part | None:
    return _memory_part(one.name, COPY if one.from_memory else ELEMENTWISE, one.bytes, ceilings)


def _memory_part(name: str, ceiling_name: str, num_bytes: float, ceilings: Ceilings) -> Part | None:
    ceiling = ceilings.best(ceiling_name)
    if ceiling is None or not ceiling.bytes_per_second:
        return None
    return Part(name, ceiling_name, num_bytes / ceiling.bytes_per_second, bytes=num_bytes)
