"""Clock of the parts of ``theano.function``.

Functions compiled with Theano's own profile run slower.  Here a few of Theano's methods are wrapped while the clock
runs and restored when it stops; the compiled functions are unaffected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlp.patching import replaced


@contextmanager
def compilation_parts() -> Iterator[dict[str, float]]:
    """Yield a dict that collects seconds: ``optimise`` (graph rewriting), ``link`` (making thunks, their C code and its
    import) and ``c_compiler`` (running or awaiting g++, inside either of these, as constant folding compiles)."""
    from theano.gof.cmodule import GCC_compiler
    from theano.gof.opt import Optimizer
    from theano.gof.vm import VM_Linker

    from mlp.theano_fast.compile_pool import CompilePool

    seconds = {"optimise": 0.0, "link": 0.0, "c_compiler": 0.0}
    running: set[str] = set()

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if part in running:  # optimisers are nested: only the outermost call counts
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
        replaced(CompilePool, "wait", timed("c_compiler", CompilePool.wait)),
    ):
        yield seconds
