"""Lasagne's RMSProp for all parameters in one operation: one pass over memory, in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import theano
from theano.scalar import float64

from mlp.backends.theano_tuned.native import InPlaceOp


class Rmsprop(InPlaceOp):
    """``accu = rho*accu + (1-rho)*g**2; p -= learning_rate * g / sqrt(accu + epsilon)``: ``lasagne.updates.rmsprop``.

    Called with the parameters, then their accumulators, then their gradients, each a list of float32 arrays; returns
    the new parameters and the new accumulators, which overwrite the old.
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
        count, params, fail = self.num_parameters, sub["params"], sub["fail"]
        checks = "".join(
            f'if (!require_contiguous({array}, "a parameter, accumulator or gradient")) {fail};\n' for array in inputs
        )
        outputs_made = "".join(
            f"if (!take_over(&{new}, {old}, {params}->in_place)) {fail};\n"
            for new, old in zip(outputs, inputs, strict=False)
        )
        triples = zip(outputs[:count], outputs[count:], inputs[2 * count :], strict=True)
        additions = "".join(
            f"""
            if (PyArray_SIZE({p}) != PyArray_SIZE({accu}) || PyArray_SIZE({p}) != PyArray_SIZE({gradient})) {{
                PyErr_SetString(PyExc_ValueError, "a parameter, its accumulator and its gradient differ in size");
                {fail};
            }}
            parameters.push_back({{data<float>({p}), data<float>({accu}), data<float>({gradient}), PyArray_SIZE({p})}});
            """
            for p, accu, gradient in triples
        )
        return f"""
        {{
            std::vector<Parameter> parameters;
            {checks}{outputs_made}{additions}
            Rmsprop rmsprop = {{(float){params}->learning_rate, (float){params}->rho,
                                (float)(1 - {params}->rho), (float){params}->epsilon}};
            rmsprop.update_all({params}->num_threads, parameters);
        }}
        """
