"""The matrix products of a training step, through SciPy's BLAS: the floor of every way to compute the step with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Product:
    """Row-major ``C (m, n) = op(A) op(B)``, inner dimension k; a transposed operand is stored as (k, m) or (n, k)."""

    m: int
    n: int
    k: int
    transpose_a: bool = False
    transpose_b: bool = False


def step_products(widths: Sequence[int], batch_size: int) -> list[Product]:
    """Forward, and for each layer from the top the gradient of its weights and, but for the first, of its inputs."""
    layers = list(pairwise(widths))
    products = [Product(batch_size, units, inputs) for inputs, units in layers]
    for inputs, units in reversed(layers):
        products.append(Product(inputs, units, batch_size, transpose_a=True))
        products.append(Product(batch_size, inputs, units, transpose_b=True))
    return products[:-1]  # nobody needs the gradient of the images


def product_call(product: Product) -> Callable[[], np.ndarray]:
    """A call of SciPy's sgemm on random float32 matrices, which returns C.T, (n, m).

    BLAS reads row-major arrays as transposes: C.T = op(B).T op(A).T.
    """
    from scipy.linalg.blas import sgemm

    m, n, k = product.m, product.n, product.k
    a = np.random.rand(*((k, m) if product.transpose_a else (m, k))).astype(np.float32)
    b = np.random.rand(*((n, k) if product.transpose_b else (k, n))).astype(np.float32)
    c = np.empty((m, n), np.float32)
    trans = {"trans_a": product.transpose_b, "trans_b": product.transpose_a}
    return lambda: sgemm(1.0, b.T, a.T, c=c.T, overwrite_c=1, **trans)
