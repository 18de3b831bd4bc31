"""Bias, ReLU and dropout of a hidden layer as one operation, and their gradient as another."""

from __future__ import annotations

from typing import Any

import theano
import theano.tensor as T
from theano.gradient import DisconnectedType
from theano.scalar import float64

from mlp.backends.theano.tuned.native import InPlaceOp


class DropoutRelu(InPlaceOp):
    """``max(z + bias, 0) * mask / keep`` with a fresh mask of Bernoulli(``keep``) for each ``step``.

    The mask is a function of key and step: each unit compares one 32-bit word of Philox4x32-10, a counter-based
    generator, with ``keep``.  Threads share no state, a step can be repeated, and ``keep = 1`` draws nothing.  It
    overwrites ``z``.

    The key is an input, not a property, so that one compiled module serves every seed.

    z: float32 (n, units); bias: float32 (units,); step: int64 scalar, not negative; key: uint32 (2,).
    """

    __props__ = ("num_threads", "in_place", "keep")
    numbers = {"keep": float64}  # noqa: RUF012
    sources = ("philox.h", "dropout_relu.h")
    code_version = 2

    def __init__(self, num_threads: int, keep: float) -> None:
        super().__init__(num_threads)
        self.keep = keep

    def overwritten(self) -> dict[int, list[int]]:
        return {0: [0]}

    def make_node(self, z: Any, bias: Any, step: Any, key: Any) -> theano.Apply:
        return theano.Apply(self, [z, bias, step, key], [T.fmatrix()])

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        return [[True], [True], [False], [False]]

    def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> list[Any]:
        backward = DropoutReluGradient(self.num_threads, self.keep)
        return [*backward(outputs[0], output_gradients[0]), DisconnectedType()(), DisconnectedType()()]

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: dict[str, str]) -> str:
        (z, bias, step, key), (h,), params = inputs, outputs, sub["params"]
        return f"""
        {{
            if (!require_contiguous({z}, "z") || !require_contiguous({bias}, "bias") ||
                !require_contiguous({key}, "the key")) {sub["fail"]};
            if (PyArray_DIM({bias}, 0) != PyArray_DIM({z}, 1)) {{
                PyErr_SetString(PyExc_ValueError, "there must be one bias for each unit");
                {sub["fail"]};
            }}
            if (PyArray_DIM({key}, 0) != 2) {{
                PyErr_SetString(PyExc_ValueError, "the key must be two words");
                {sub["fail"]};
            }}
            if (!take_over(&{h}, {z}, {params}->in_place)) {sub["fail"]};
            const npy_uint32* words = data<npy_uint32>({key});
            DropoutRelu layer = {{(int){params}->num_threads, {params}->keep, words[0], words[1],
                                  (uint64_t)*data<npy_int64>({step})}};
            layer.forward(data<float>({h}), data<float>({bias}), PyArray_DIM({z}, 0), PyArray_DIM({z}, 1));
        }}
        """


class DropoutReluGradient(InPlaceOp):
    """``(gradient at z, gradient at bias)`` of DropoutRelu from its outputs ``h`` and their gradient.

    The slope at ``z + bias = 0`` is 0, as in the NumPy backend.  It overwrites the gradient.
    """

    __props__ = ("num_threads", "in_place", "keep")
    numbers = {"keep": float64}  # noqa: RUF012
    sources = ("dropout_relu_gradient.h",)

    def __init__(self, num_threads: int, keep: float) -> None:
        super().__init__(num_threads)
        self.keep = keep

    def overwritten(self) -> dict[int, list[int]]:
        return {0: [1]}

    def make_node(self, h: Any, gradient: Any) -> theano.Apply:
        return theano.Apply(self, [h, gradient], [T.fmatrix(), T.fvector()])

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: dict[str, str]) -> str:
        (h, gradient), (dz, dbias), params = inputs, outputs, sub["params"]
        return f"""
        {{
            npy_intp n = PyArray_DIM({h}, 0), units = PyArray_DIM({h}, 1);
            if (!require_contiguous({h}, "h") || !require_contiguous({gradient}, "the gradient") ||
                !take_over(&{dz}, {gradient}, {params}->in_place) ||
                !provide_output(&{dbias}, 1, &units, NPY_FLOAT32)) {sub["fail"]};
            dropout_relu_backward({params}->num_threads, {params}->keep, data<float>({h}), data<float>({dz}),
                                  data<float>({dbias}), n, units);
        }}
        """
