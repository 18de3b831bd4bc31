"""Base classes of the tuned operations: C++ sources, cache versions, in-place operation."""

from __future__ import annotations

import copy
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import theano
from theano.gof.opt import TopoOptimizer, local_optimizer
from theano.gof.params_type import ParamsType
from theano.scalar import bool as boolean
from theano.scalar import int64

FOLDER = Path(__file__).parent


class NativeOp(theano.Op):
    """Operation written in C++ on C-contiguous float32 arrays (ValueError for others).

    Subclasses name the C++ files in ``sources``, and in ``numbers`` the attributes that C++ reads as fields of
    ``params``.  Numbers are arguments, not part of the C++ text, so that one compiled module serves all recipes.

    Parameters
    ----------
    num_threads : int
        Of the team, including the calling one; results do not depend on it, except for the rounding of products.
    """

    sources: ClassVar[tuple[str, ...]]
    numbers: ClassVar[dict[str, Any]] = {}
    code_version: ClassVar[int] = 1  # increment when the text of c_code() changes
    check_input = False  # make_node() checks the types, the C++ code the shapes

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads

    @property
    def params_type(self) -> ParamsType:
        return ParamsType(num_threads=int64, **self.numbers)

    def c_support_code(self) -> str:
        return _text(("tuning.h", "team.h", "arrays.h", *self.sources))

    def c_code_cache_version(self) -> tuple[int, str]:
        return self.code_version, hashlib.sha256(self.c_support_code().encode()).hexdigest()

    def c_headers(self) -> list[str]:
        return ["<algorithm>", "<cmath>", "<utility>", "<vector>"]

    def c_compile_args(self) -> list[str]:
        return ["-O3", "-pthread", "-fno-math-errno", "-fno-trapping-math"]


class InPlaceOp(NativeOp):
    """NativeOp that overwrites some of its inputs if no other node needs them, else works on copies.

    As usual in Theano, graphs are built of operations that overwrite nothing, and a late rewrite replaces them.
    """

    in_place = False

    def overwritten(self) -> dict[int, list[int]]:
        """Return ``{output: [input]}`` for each output that reuses an input's memory."""
        raise NotImplementedError

    @property
    def destroy_map(self) -> dict[int, list[int]]:
        return self.overwritten() if self.in_place else {}

    @property
    def params_type(self) -> ParamsType:
        return ParamsType(num_threads=int64, in_place=boolean, **self.numbers)

    def overwriting(self) -> InPlaceOp:
        """Return the same operation in place."""
        twin = copy.copy(self)
        twin.in_place = True
        return twin


@local_optimizer(None)
def work_in_place(node: Any) -> list[Any] | bool:
    """Rewrite an operation to overwrite its inputs; Theano rejects it if another node still needs one."""
    if not isinstance(node.op, InPlaceOp) or node.op.in_place:
        return False
    return node.op.overwriting().make_node(*node.inputs).outputs


# After all rewrites that inspect operations, with Theano's own in-place rewrites.
theano.compile.optdb.register(
    "mlp_bench_work_in_place",
    TopoOptimizer(work_in_place, failure_callback=TopoOptimizer.warn_inplace),
    *(75, "fast_run", "inplace"),
)


@cache
def _text(sources: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / source).read_text() for source in sources)
