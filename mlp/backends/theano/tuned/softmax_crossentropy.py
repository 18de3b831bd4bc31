"""Top layer of the network as one operation: softmax, cross-entropy, its gradient, accuracy."""

from __future__ import annotations

from typing import Any

import theano
import theano.tensor as T

from mlp.backends.theano.tuned.native import InPlaceOp


class SoftmaxCrossentropy(InPlaceOp):
    """``(gradient at z, gradient at bias, loss, accuracy)`` of the mean cross-entropy of ``softmax(z + bias)``.

    The gradient is computed with the loss, because both need the same exponentials; ``graph.py`` passes it to
    ``theano.grad``.  It overwrites ``z``.

    z: float32 (n, classes); bias: float32 (classes,); labels: int32 (n,), each in [0, classes), else ValueError.
    Loss and accuracy are float64 scalars.
    """

    __props__ = ("num_threads", "in_place")
    sources = ("softmax_crossentropy.h",)

    def overwritten(self) -> dict[int, list[int]]:
        return {0: [0]}

    def make_node(self, z: Any, bias: Any, labels: Any) -> theano.Apply:
        return theano.Apply(self, [z, bias, labels], [T.fmatrix(), T.fvector(), T.dscalar(), T.dscalar()])

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: dict[str, str]) -> str:
        z, bias, labels = inputs
        dz, dbias, loss, accuracy = outputs
        return f"""
        {{
            npy_intp n = PyArray_DIM({z}, 0), classes = PyArray_DIM({z}, 1);
            if (!require_contiguous({z}, "z") || !require_contiguous({bias}, "bias") ||
                !require_contiguous({labels}, "labels")) {sub["fail"]};
            if (PyArray_DIM({labels}, 0) != n || PyArray_DIM({bias}, 0) != classes ||
                !labels_are_classes(data<npy_int32>({labels}), n, classes)) {{
                PyErr_SetString(PyExc_ValueError, "there must be one bias for each class, and one label for each "
                                                  "example, which is a class");
                {sub["fail"]};
            }}
            if (!take_over(&{dz}, {z}, {sub["params"]}->in_place)) {sub["fail"]};
            if (!provide_output(&{dbias}, 1, &classes, NPY_FLOAT32) || !provide_output(&{loss}, 0, &n, NPY_FLOAT64) ||
                !provide_output(&{accuracy}, 0, &n, NPY_FLOAT64)) {sub["fail"]};
            *data<double>({loss}) = softmax_crossentropy({sub["params"]}->num_threads, data<float>({dz}),
                data<float>({bias}), data<npy_int32>({labels}), n, classes, data<float>({dbias}),
                data<double>({accuracy}));
        }}
        """
