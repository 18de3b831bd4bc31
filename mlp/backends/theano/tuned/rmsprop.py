"""Lasagne's RMSProp for all parameters in one operation: one pass over memory, in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import theano
from theano.scalar import float64

from mlp.backends.theano.tuned.native import InPlaceOp


class Rmsprop(InPlaceOp):
    """``accu = rho*accu + (1-rho)*g**2; p -= learning_rate * g / sqrt(accu + epsilon)``: ``lasagne.updates.rmsprop``.

    The inputs are the parameters, then their accumulators, then their gradients, each a list of float32 arrays; the
    outputs are the new parameters and the new accumulators, which overwrite the old.
    """

    __props__ = ("num_threads", "in_place", "num_parameters", "learning_rate", "rho", "epsilon")
    numbers = {"learning_rate": float64, "rho": float64, "epsilon": float64}  # noqa: RUF012
    sources = ("rmsprop.h",)

    def __init__(self, num_threads: int, num_parameters: int, learning_rate: float, rho: float, epsilon: float) -> None:
        super().__init__(num_threads)
        self.num_parameters = num_parameters
        self.learning_rate = learning_rate
        self.rho = rho
        self.epsilon = epsilon

    def overwritten(self) -> dict[int, list[int]]:
        return {output: [output] for output in range(2 * self.num_parameters)}

    def make_node(self, *arrays: Any) -> theano.Apply:
        return theano.Apply(self, arrays, [array.type() for array in arrays[: 2 * self.num_parameters]])

    def c_code(self, node: Any, name: str, inputs: Sequence[str], outputs: Any, sub: dict[str, str]) -> str:
        count, params = self.num_parameters, sub["params"]
        return f"""
        {{
            const int count = {count};
            PyArrayObject* inputs[3 * count] = {{{", ".join(inputs)}}};
            PyArrayObject** outputs[2 * count] = {{{", ".join(f"&{output}" for output in outputs)}}};
            bool good = true;
            for (int i = 0; good && i < 3 * count; ++i)
                good = require_contiguous(inputs[i], "a parameter, accumulator or gradient") &&
                       (i >= 2 * count || take_over(outputs[i], inputs[i], {params}->in_place));
            std::vector<Parameter> parameters;
            for (int i = 0; good && i < count; ++i) {{
                PyArrayObject *value = *outputs[i], *accu = *outputs[count + i], *gradient = inputs[2 * count + i];
                npy_intp size = PyArray_SIZE(value);
                good = PyArray_SIZE(accu) == size && PyArray_SIZE(gradient) == size;
                parameters.push_back({{data<float>(value), data<float>(accu), data<float>(gradient), size}});
                if (!good) PyErr_SetString(PyExc_ValueError, "a parameter differs in size from its own gradient");
            }}
            if (!good) {sub["fail"]};
            Rmsprop rmsprop = {{(float){params}->learning_rate, (float){params}->rho,
                                (float)(1 - {params}->rho), (float){params}->epsilon}};
            rmsprop.update_all({params}->num_threads, parameters);
        }}
        """
