"""Attained share of the ceiling of each operation."""

from __future__ import annotations

from math import prod

from bench.records.ceilings import Ceilings
from bench.records.profile import Operation, Profile
from bench.roofline.ceilings import ELEMENTWISE, RANDOM, product_name
from bench.roofline.workload import FLOAT32_BYTES, step_products
from mlp.recipe import Recipe


def recipe_of(profile: Profile) -> Recipe:
    return Recipe(**{**profile.recipe, "layer_widths": tuple(profile.recipe["layer_widths"])})


def share_of_ceiling(operation: Operation, profile: Profile) -> float | None:
    """Return seconds at the ceiling / seconds; None without ceilings, or for an operation without a ceiling.

    A product is bounded by the measured rate of the same product, or of the large square one; random numbers by their
    rate, 4 bytes each; other operations by their bytes at the rate of elementwise arithmetic.
    """
    if profile.ceilings is None or operation.seconds <= 0:
        return None
    at_best = _seconds_at_best(operation, profile, profile.ceilings)
    return None if at_best is None else at_best / operation.seconds


def _seconds_at_best(operation: Operation, profile: Profile, ceilings: Ceilings) -> float | None:
    if operation.kind == "host":
        return None
    if operation.kind == "gemm":
        precision = profile.stack.get("precision")
        names = (product_name(role, precision) for role in (_role(operation, recipe_of(profile)), "square"))
        ceiling = next(filter(None, map(ceilings.best, names)), None)
        rate, amount = (ceiling.flop_per_second if ceiling else None), operation.flop
    elif operation.kind == "rng":
        ceiling = ceilings.best(RANDOM)
        rate, amount = (ceiling.bytes_per_second if ceiling else None), _drawn_bytes(operation)
    else:
        ceiling = ceilings.best(ELEMENTWISE)
        rate, amount = (ceiling.bytes_per_second if ceiling else None), operation.bytes
    return amount / rate if rate and amount else None


def _role(operation: Operation, recipe: Recipe) -> str:
    """Return the role of the same product, else ``square``; transposition separates outputs from gradients of equal
    shapes."""
    details = operation.details
    shape = tuple(details.get(name) for name in "mnk")
    transposed = tuple(factor.endswith(".T") for factor in details.get("product", "").split(" @ "))
    same = [one for one in step_products(recipe.layer_widths, recipe.batch_size) if (one.m, one.n, one.k) == shape]
    exact = [one for one in same if (one.transpose_a, one.transpose_b) == transposed]
    return (exact or same)[0].role if same else "square"


def _drawn_bytes(operation: Operation) -> float | None:
    """Return the bytes of the numbers alone: the largest output, not the generator's state."""
    sizes = [prod(shape) for shape in operation.output_shapes]
    return FLOAT32_BYTES * max(sizes) if sizes else None
