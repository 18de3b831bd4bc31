"""What all tuned operations share: C++ from files beside this one, a place in Theano's cache, working in place."""

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
    """An operation written in C++, on float32 arrays that are C-contiguous (others get a ValueError).

    Subclasses name the C++ files in ``sources``, and in ``numbers`` those of their attributes that C++ sees as fields
    of ``params``.  Numbers are arguments and no part of the C++ text, so that one compiled module serves all recipes.

    Parameters
    ----------
    num_threads : int
        Of the team, the calling one included; results do not depend on it, but for the rounding of products.
    """

    sources: ClassVar[tuple[str, ...]]
    numbers: ClassVar[dict[str, Any]] = {}
    code_version: ClassVar[int] = 1  # count up when the text that c_code() returns changes
    check_input = False  # make_node() sees to the types, the C++ code to the shapes

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads

    @property
    def params_type(self) -> ParamsType:
        return ParamsType(num_threads=int64, **self.numbers)

    def c_support_code(self) -> str:
        return _text(("team.h", "arrays.h", *self.sources))

    def c_code_cache_version(self) -> tuple[int, str]:
        return self.code_version, hashlib.sha256(self.c_support_code().encode()).hexdigest()

    def c_headers(self) -> list[str]:
        return ["<algorithm>", "<cmath>", "<utility>", "<vector>"]

    def c_compile_args(self) -> list[str]:
        return ["-O3", "-pthread", "-fno-math-errno", "-fno-trapping-math"]


class InPlaceOp(NativeOp):
    """A NativeOp that overwrites some of its inputs where nobody else needs them; elsewhere it works on copies.

    Theano's rule: a graph is built of operations that overwrite nothing, and a late rewrite puts in those that do.
    """

    in_place = False

    def overwritten(self) -> dict[int, list[int]]:
        """For each output that takes an input's memory: ``{output: [input]}``."""
        raise NotImplementedError

    @property
    def destroy_map(self) -> dict[int, list[int]]:
        return self.overwritten() if self.in_place else {}

    @property
    def params_type(self) -> ParamsType:
        return ParamsType(num_threads=int64, in_place=boolean, **self.numbers)

    def overwriting(self) -> InPlaceOp:
        """The same operation, in place."""
        twin = copy.copy(self)
        twin.in_place = True
        return twin


@local_optimizer(None)
def work_in_place(node: Any) -> list[Any] | bool:
    """Let an operation overwrite its inputs; Theano refuses where somebody else still needs one."""
    if not isinstance(node.op, InPlaceOp) or node.op.in_place:
        return False
    return node.op.overwriting().make_node(*node.inputs).outputs


# After all rewrites that need to see what an operation computes, with Theano's own in-place rewrites.
theano.compile.optdb.register(
    "mlp_bench_work_in_place",
    TopoOptimizer(work_in_place, failure_callback=TopoOptimizer.warn_inplace),
    *(75, "fast_run", "inplace"),
)


@cache
def _text(sources: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / source).read_text() for source in sources)
