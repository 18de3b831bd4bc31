"""Where the time of ``theano.function`` goes, measured from outside.

Theano's own profile knows this too, but a function compiled with it runs slower ever after.  Here a few of Theano's
methods are wrapped while the clock runs and restored when it stops; the compiled functions know nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlp.patching import replaced


@contextmanager
def compilation_parts() -> Iterator[dict[str, float]]:
    """Yield a dict that fills with seconds: ``optimise`` (graph rewriting), ``link`` (making thunks, their C code
    and its import) and ``c_compiler`` (running g++ or waiting for it, inside either of the two, because constant
    folding compiles)."""
    from theano.gof.cmodule import GCC_compiler
    from theano.gof.opt import Optimizer
    from theano.gof.vm import VM_Linker

    from mlp.theano_fast.workshop import Workshop

    seconds = {"optimise": 0.0, "link": 0.0, "c_compiler": 0.0}
    running: set[str] = set()

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if part in running:  # optimisers call optimisers: only the outermost call counts
                return function(*args, **kwargs)
            running.add(part)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[part] += time.perf_counter() - start
                running.discard(part)

        return wrapper

    with (
        replaced(Optimizer, "optimize", timed("optimise", Optimizer.optimize)),
        replaced(VM_Linker, "make_all", timed("link", VM_Linker.make_all)),
        replaced(GCC_compiler, "compile_str", staticmethod(timed("c_compiler", GCC_compiler.compile_str))),
        replaced(Workshop, "wait", timed("c_compiler", Workshop.wait)),
    ):
        yield seconds
