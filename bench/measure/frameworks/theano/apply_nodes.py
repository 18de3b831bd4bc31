"""Conversion of Apply nodes of Theano and PyTensor to operations: kind, operands, bytes and FLOP.

Neither framework is imported: nodes, variables and owners have the same attributes in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.records.profile import ArrayShape, Operation

# By the name of the Op's class, without the ``Gpu`` in front of it; those of many names by pattern, which goes first.
KIND_OF_CLASS = {
    **dict.fromkeys(("Dot22", "Dot22Scalar", "Gemm", "Gemv", "CGemv", "Ger", "CGer", "Dot", "Product"), "gemm"),
    **dict.fromkeys(("Elemwise", "DropoutRelu", "DropoutReluGradient"), "elementwise"),
    **dict.fromkeys(("Sum", "Prod", "Max", "Min", "MaxAndArgmax", "Argmax"), "reduction"),
    **dict.fromkeys(("Minibatch", "FromHost", "HostFromGpu", "Contiguous", "DeepCopyOp", "Alloc", "Join"), "copy"),
    **dict.fromkeys(("AdvancedSubtensor", "AdvancedSubtensor1", "AdvancedIncSubtensor1", "AllocEmpty"), "copy"),
    **dict.fromkeys(("DimShuffle", "Reshape", "Shape", "Shape_i", "MakeVector", "Subtensor", "ViewOp"), "host"),
    **dict.fromkeys(("Assert", "ScalarFromTensor", "TensorFromScalar", "Rebroadcast", "SpecifyShape"), "host"),
    "Rmsprop": "update",
}
GATHERS = ("Minibatch", "AdvancedSubtensor", "AdvancedSubtensor1")
KIND_PATTERNS = (("(?i:softmax)", "softmax"), ("uniform|Random|RV$", "rng"), ("^CAReduce", "reduction"))
MAKES_NODES = ("make_node", "__call__", "L_op", "grad")  # frames of our own Ops: the source line is further out
FRAMEWORKS_OWN = re.compile(r"site-packages/(?:theano|pytensor)/")
ASKED_FROM = re.compile(r".*/((?:lasagne|mlp)/.*)$")


class Size(NamedTuple):
    """Shape and bytes of an array; None for other values."""

    shape: ArrayShape
    num_bytes: int | None


def size_of(value: Any) -> Size:
    return Size(tuple(int(size) for size in getattr(value, "shape", ())), getattr(value, "nbytes", None))


class Graph:
    """Nodes of one compiled function in execution order.

    Parameters
    ----------
    names : variable -> str
        Of the function's inputs and shared variables; others are named after their node, ``#7`` or ``#7.1``.
    new_values : variables
        Outputs that become the next values of parameters and accumulators.
    size_of : variable -> Size
        Size of the variable's value when the nodes ran.
    """

    def __init__(
        self,
        nodes: Sequence[Any],
        names: Mapping[Any, str],
        new_values: Sequence[Any],
        size_of: Callable[[Any], Size],
    ) -> None:
        self.nodes = list(nodes)
        self._number = {node: number for number, node in enumerate(self.nodes)}
        self._names = names
        self._size_of = size_of
        self._kinds = self._find_kinds(set(new_values))
        self.unknown: set[str] = {name for node in self.nodes if _class_kind(name := class_name(node)) is None}

    def operation(self, function: str, node: Any, calls: float, seconds: float) -> Operation:
        """Return ``node`` as an operation; ``calls`` and ``seconds`` are per call of ``function``."""
        kind = self._kinds[node]
        shapes = [[self._size_of(variable).shape for variable in group] for group in (node.inputs, node.outputs)]
        details: dict[str, Any] = {
            "op": class_name(node),
            "id": f"#{self._number[node]}",
            "inputs": [self.name(variable) for variable in node.inputs],
            "outputs": [self.name(variable) for variable in node.outputs],
            "in_place": bool(getattr(node.op, "destroy_map", None)),
        }
        threads = getattr(node.op, "num_threads", None)
        if threads is not None:
            details["thread_team"] = threads
        if getattr(node.op, "skip_zeros", False):
            details["skips_zeros"] = True
        gemm = self._gemm(node, *shapes) if kind == "gemm" else {}
        details |= gemm
        name = f"{class_name(node)}({', '.join(_shortened(details['inputs']))})"
        return Operation(
            *(function, name, kind, calls, seconds),
            flop=2.0 * gemm["m"] * gemm["n"] * gemm["k"] if gemm else None,
            bytes=self._bytes(node, kind),
            input_shapes=tuple(shapes[0]),
            output_shapes=tuple(shapes[1]),
            source=source_of(node),
            details=details,
        )

    def name(self, variable: Any) -> str:
        """Return the identity of a value: transposes and other views have the name of their base."""
        node = variable.owner
        if node is None:
            return self._names.get(variable) or str(variable)
        if class_name(node) == "DimShuffle" and tuple(getattr(node.op, "new_order", ())) == (1, 0):
            return f"{self.name(node.inputs[0])}.T"
        if class_name(node) in ("DimShuffle", "Reshape"):
            return self.name(node.inputs[0])
        number = f"#{self._number[node]}"
        return number if variable.index == 0 else f"{number}.{variable.index}"

    def _find_kinds(self, new_values: set[Any]) -> dict[Any, str]:
        """Return the kind of each node; elementwise nodes that reach only new values elementwise are ``update``."""
        readers: dict[Any, list[Any]] = {}
        for node in self.nodes:
            for variable in node.inputs:
                readers.setdefault(variable, []).append(node)
        kinds: dict[Any, str] = {}
        for node in reversed(self.nodes):
            kind = _class_kind(class_name(node)) or "elementwise"
            if kind == "elementwise":
                of_update = bool(new_values) and all(
                    variable in new_values
                    or (readers.get(variable) and all(kinds[reader] == "update" for reader in readers[variable]))
                    for variable in node.outputs
                )
                kind = "update" if of_update else kind
            kinds[node] = kind
        return kinds

    def _gemm(self, node: Any, inputs: list[ArrayShape], outputs: list[ArrayShape]) -> dict[str, Any]:
        """Return m, n, k and the product; {} if the shapes are ambiguous.

        The operands are the last two matrices among the inputs (Gemm's first is the sum that it adds to), or vectors.
        """
        matrices = [index for index, shape in enumerate(inputs) if len(shape) >= 2][-2:]
        arrays = [index for index, shape in enumerate(inputs) if len(shape) >= 1][-2:]
        operands = matrices if len(matrices) == 2 else arrays
        if len(operands) < 2 or not outputs or len(outputs[0]) != 2:
            return {}
        m, n = outputs[0]
        a, b = inputs[operands[0]], inputs[operands[1]]
        transpose_a = bool(getattr(node.op, "transpose_a", False))
        k = 1 if len(a) < 2 else a[0 if transpose_a else 1]
        names = [self.name(node.inputs[index]) for index in operands]
        if transpose_a:
            names[0] += ".T"
        if getattr(node.op, "transpose_b", False) and len(b) == 2:
            names[1] += ".T"
        return {"m": m, "n": n, "k": k, "product": " @ ".join(names)}

    def _bytes(self, node: Any, kind: str) -> int | None:
        """Return bytes of inputs and outputs, each once; 0 for views, None if unknown; gathers read only their rows."""
        if kind == "host":
            return 0
        if class_name(node) in GATHERS:
            sizes = [self._size_of(variable).num_bytes for variable in node.outputs]
            return None if None in sizes else 2 * sum(sizes)
        sizes = [self._size_of(variable).num_bytes for variable in dict.fromkeys((*node.inputs, *node.outputs))]
        return None if None in sizes else sum(sizes)


def class_name(node: Any) -> str:
    """Return the class name of the node's Op without the prefix ``Gpu``."""
    return type(node.op).__name__.removeprefix("Gpu")


def _class_kind(name: str) -> str | None:
    return next((kind for pattern, kind in KIND_PATTERNS if re.search(pattern, name)), KIND_OF_CLASS.get(name))


def source_of(node: Any) -> str | None:
    """Return the innermost source line outside the framework, ``lasagne/layers/dense.py:88``; None if unknown."""
    for variable in node.outputs:
        for trace in getattr(variable.tag, "trace", None) or []:
            for file, line, function, *_ in reversed(trace):
                path = Path(file).as_posix()
                found = None if FRAMEWORKS_OWN.search(path) or function in MAKES_NODES else ASKED_FROM.match(path)
                if found:
                    return f"{found[1]}:{line}"
    return None


def _shortened(names: list[str], most: int = 6) -> list[str]:
    return names if len(names) <= most else [*names[: most - 1], f"and {len(names) - most + 1} more"]
