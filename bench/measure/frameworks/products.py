"""Matrix products of a training step through SciPy's BLAS: the lower bound of a dense step with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.roofline.workload import Product


def product_call(product: Product) -> Callable[[], np.ndarray]:
    """Return a call of SciPy's sgemm on random float32 matrices; the call returns C.T, (n, m).

    BLAS reads row-major arrays as transposes: C.T = op(B).T op(A).T.
    """
    from scipy.linalg.blas import sgemm

    a, b = random_factors(product)
    c = np.empty((product.m, product.n), np.float32)
    trans = {"trans_a": product.transpose_b, "trans_b": product.transpose_a}
    return lambda: sgemm(1.0, b.T, a.T, c=c.T, overwrite_c=1, **trans)


def random_factors(product: Product) -> tuple[np.ndarray, np.ndarray]:
    """Return uniform float32 matrices A and B in their stored layout."""
    m, n, k = product.m, product.n, product.k
    random = np.random.default_rng()  # draws float32 at once: a GPU's square product has 134 million factors
    a = random.random((k, m) if product.transpose_a else (m, k), np.float32)
    b = random.random((n, k) if product.transpose_b else (k, n), np.float32)
    return a, b
