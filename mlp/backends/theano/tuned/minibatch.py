"""Gathering of a minibatch from the data set inside the compiled function, by the team of threads."""

from __future__ import annotations

from typing import Any

import theano
import theano.tensor as T

from mlp.backends.theano.tuned.native import NativeOp


class Minibatch(NativeOp):
    """Operation ``(images[rows], labels[rows])``.

    images: float32 (n, features); labels: int32 (n,); rows: int64 (b,), each in [0, n), else IndexError.
    """

    __props__ = ("num_threads",)
    sources = ("minibatch.h",)

    def make_node(self, images: Any, labels: Any, rows: Any) -> theano.Apply:
        return theano.Apply(self, [images, labels, rows], [T.fmatrix(), T.ivector()])

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: dict[str, str]) -> str:
        images, labels, rows = inputs
        x, y = outputs
        return f"""
        {{
            npy_intp size = PyArray_DIM({images}, 0), num_rows = PyArray_DIM({rows}, 0);
            npy_intp shape[2] = {{num_rows, PyArray_DIM({images}, 1)}};
            if (!require_contiguous({images}, "images") || !require_contiguous({labels}, "labels") ||
                !require_contiguous({rows}, "rows")) {sub["fail"]};
            npy_intp outside = first_outside(data<npy_int64>({rows}), num_rows, size);
            if (outside >= 0 || PyArray_DIM({labels}, 0) != size) {{
                PyErr_SetString(PyExc_IndexError, outside >= 0 ? "a row of the minibatch is not in the data"
                                                               : "images and labels differ in number");
                {sub["fail"]};
            }}
            if (!provide_output(&{x}, 2, shape, NPY_FLOAT32) || !provide_output(&{y}, 1, shape, NPY_INT32))
                {sub["fail"]};
            gather_rows({sub["params"]}->num_threads, data<float>({images}), data<npy_int32>({labels}),
                        data<npy_int64>({rows}), num_rows, shape[1], data<float>({x}), data<npy_int32>({y}));
        }}
        """
