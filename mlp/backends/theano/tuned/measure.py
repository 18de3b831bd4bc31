"""Measurement of the tuning parameters: the network's own products, on factors of which a fifth is not zero."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import theano
import theano.tensor as T

from mlp.backends.theano.tuned import tuning
from mlp.backends.theano.tuned.product import Product
from mlp.backends.theano.tuned.tuning import ProductShape, Seconds, TuningParameters
from mlp.recipe import Recipe

DENSITY = 0.2  # as MNIST's images (0.19), and about as hidden units after ReLU and dropout
TRANSPOSED = {"forward": (False, False), "inputs": (False, True), "weights": (True, False)}


class ProductTimer:
    """Timer of single calls of a recipe's products; the compiled modules are those of the training function."""

    def __init__(self, products: Sequence[ProductShape]) -> None:
        self._products = {product.role: product for product in products}
        size = max(max(product.m * product.k, product.k * product.n) for product in products)
        random = np.random.RandomState(0)
        self._dense = random.rand(size).astype(np.float32)
        self._sparse = self._dense * (random.rand(size) < DENSITY)
        self._functions: dict[tuple[str, int], Any] = {}

    def __call__(self, role: str, columns: int, num_threads: int) -> Seconds:
        kind, product = role.partition("_")[0], self._products[role]
        transpose_a, transpose_b = TRANSPOSED[kind]
        m, n, k = product.m, product.n, product.k
        a = self._sparse[: m * k].reshape((k, m) if transpose_a else (m, k))
        b = self._dense[: k * n].reshape((n, k) if transpose_b else (k, n))
        tiles = np.full(4, columns, np.int64)
        function = self._function(kind, num_threads)
        start = time.perf_counter()
        function(a, b, tiles)
        return time.perf_counter() - start

    def _function(self, kind: str, num_threads: int) -> Any:
        if (kind, num_threads) not in self._functions:
            a, b, tiles = T.fmatrix(), T.fmatrix(), T.lvector()
            product = Product(num_threads, *TRANSPOSED[kind], skip_zeros=True)(a, b, tiles)
            mode = theano.Mode("cvm_nogc", optimizer=None)
            self._functions[kind, num_threads] = theano.function([a, b, tiles], product, mode=mode)
        return self._functions[kind, num_threads]


class MachineTuning:
    """Choice for a recipe on this machine with ``num_threads``, stored in Theano's compile directory."""

    def __init__(self, recipe: Recipe, num_threads: int) -> None:
        self._products = tuning.step_products(recipe.layer_widths, recipe.batch_size)
        self._num_threads = num_threads
        self._facts = {
            "processor": tuning.processor(),
            "threads": num_threads,
            "compiler": theano.config.cxx,
            "flags": theano.gof.cmodule.GCC_compiler.compile_args(),
            "blas": theano.config.blas.ldflags,
            "products": [str(product) for product in self._products],
            "kernels": Product(num_threads).c_code_cache_version()[1],
        }
        self._path = tuning.path_of(Path(theano.config.compiledir), self._facts)

    def stored(self) -> TuningParameters | None:
        """Return the stored choice, or the default if there is nothing to choose; None if it was not measured yet."""
        if not self._products:
            return TuningParameters(self._num_threads)
        return tuning.read(self._path, self._num_threads)

    def measure(self) -> TuningParameters:
        """Measure, store and return the choice; OSError if the compile directory cannot be written."""
        roles = [product.role for product in self._products]
        chosen = tuning.choose(roles, self._num_threads, ProductTimer(self._products))
        tuning.write(self._path, chosen, self._facts)
        return chosen
