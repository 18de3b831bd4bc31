"""Matrix products by the team of threads, with the kernels of the BLAS but not its threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import theano
import theano.tensor as T
from theano.gradient import DisconnectedType
from theano.scalar import bool as boolean
from theano.tensor.blas import ldflags

from mlp.backends.theano.tuned.native import NativeOp
from mlp.backends.theano.tuned.tuning import DEFAULT_TILE, INSTRUCTION_SET


class Product(NativeOp):
    """Operation ``op(a) @ op(b)`` for float32 matrices, where ``op`` is identity or transposition.

    It links SciPy's OpenBLAS, the only BLAS whose own threads it can disable.  With ``skip_zeros`` it counts the zeros
    of ``a`` in each call and skips them if there are enough; see ``sparse_product.h``.  Its gradient is defined for
    the plain product.

    tiles: int64 (4,), the columns of a tile (``tuning.TILE_COLUMNS``, or 0 for the BLAS) where neither factor, b, a or
    both are transposed; default ``DEFAULT_TILE``.  It is an input, so that one compiled module serves every choice, and
    the products of a gradient share it.
    """

    __props__ = ("num_threads", "transpose_a", "transpose_b", "skip_zeros")
    numbers = {"transpose_a": boolean, "transpose_b": boolean, "skip_zeros": boolean}  # noqa: RUF012
    sources = ("product.h", "nonzero.h", "sparse_product.h")
    code_version = 2

    def __init__(
        self, num_threads: int, transpose_a: bool = False, transpose_b: bool = False, skip_zeros: bool = False
    ) -> None:
        super().__init__(num_threads)
        self.transpose_a = transpose_a
        self.transpose_b = transpose_b
        self.skip_zeros = skip_zeros

    def make_node(self, a: Any, b: Any, tiles: Any = None) -> theano.Apply:
        if tiles is None:
            tiles = theano.shared(np.full(4, DEFAULT_TILE, np.int64), "tiles")
        return theano.Apply(self, [a, b, tiles], [T.fmatrix()])

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[True], [True], [False]]

    def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> list[Any]:
        if self.transpose_a or self.transpose_b:
            raise NotImplementedError("the gradient of a transposed product is not needed by any network here.")
        (a, b, tiles), (gradient,) = inputs, output_gradients
        return [
            Product(self.num_threads, transpose_b=True, skip_zeros=self.skip_zeros)(gradient, b, tiles),
            Product(self.num_threads, transpose_a=True, skip_zeros=self.skip_zeros)(a, gradient, tiles),
            DisconnectedType()(),
        ]

    def c_libraries(self) -> list[str]:
        return ldflags()

    def c_lib_dirs(self) -> list[str]:
        return ldflags(libs=False, libs_dir=True)

    def c_compile_args(self) -> list[str]:
        return [*super().c_compile_args(), *ldflags(libs=False, flags=True)]

    def c_init_code(self) -> list[str]:
        """Tell Python the instruction set of the kernels, as the compiler had it."""
        return [f'PySys_SetObject("{INSTRUCTION_SET}", PyUnicode_FromString(tuning::INSTRUCTION_SET));']

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: dict[str, str]) -> str:
        (a, b, tiles), (c,), params = inputs, outputs, sub["params"]
        return f"""
        {{
            bool ta = {params}->transpose_a, tb = {params}->transpose_b;
            npy_intp k = PyArray_DIM({a}, !ta), shape[2] = {{PyArray_DIM({a}, ta), PyArray_DIM({b}, !tb)}};
            if (PyArray_DIM({b}, tb) != k) {{
                PyErr_SetString(PyExc_ValueError, "the matrices of a product do not fit each other");
                {sub["fail"]};
            }}
            if (PyArray_DIM({tiles}, 0) != 4 || !require_contiguous({tiles}, "tiles")) {{
                PyErr_SetString(PyExc_ValueError, "there must be four numbers of tiles");
                {sub["fail"]};
            }}
            if (!require_contiguous({a}, "a factor") || !require_contiguous({b}, "a factor") ||
                !provide_output(&{c}, 2, shape, NPY_FLOAT32)) {sub["fail"]};
            Product product = {{ta, tb, shape[0], shape[1], k, data<float>({a}), data<float>({b}), data<float>({c})}};
            npy_intp tile_columns = data<npy_int64>({tiles})[2 * ta + tb];
            if (!{params}->skip_zeros || !sparse::multiply({params}->num_threads, product, tile_columns))
                product.compute({params}->num_threads);
        }}
        """
