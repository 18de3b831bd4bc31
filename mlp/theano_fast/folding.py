"""Constant folding by Python implementations, without a C module for each kind of node.

The optimiser computes a node whose inputs are all constants once, while it rewrites the graph.  Theano compiles the
node's C code for that unless the result is a scalar; the Python implementation gives the same constants at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlp.patching import replaced

MOST_PYTHON_INPUTS = 31  # of an Elemwise: NumPy's ufuncs take 32 operands


@contextmanager
def python_constant_folding() -> Iterator[None]:
    """Fold every Op that has a Python implementation with it inside the block."""
    from theano.gof.op import Op
    from theano.tensor.elemwise import Elemwise

    def has_python(self: Any, node: Any) -> bool:
        return type(self).perform is not Op.perform

    def elemwise_has_python(self: Any, node: Any) -> bool:
        return len(node.inputs) <= MOST_PYTHON_INPUTS

    method = "python_constant_folding"
    with replaced(Op, method, has_python), replaced(Elemwise, method, elemwise_has_python):
        yield
