"""Collectors of PyTensor's modes: the C mode by its virtual machine, the others from outside.

``jax`` is profiled as JAX is.  ``numba`` and ``pytorch`` compile a step into one function: it is one operation, timed
by PyTensor's own profile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bench.advice import bench_command
from bench.measure.frameworks.jax.profiler import JaxCollector
from bench.measure.frameworks.profiler import Collector
from bench.measure.frameworks.section_clock import SectionClock, TimedFunction
from bench.measure.frameworks.theano.virtual_machine import VirtualMachineCollector, linker_functions
from bench.records.profile import Operation
from mlp.backends import Backend
from mlp.patching import replaced

FUNCTION_OF = {"train_step": "training", "evaluate": "evaluation"}  # names in the backend's graph


def compiled_function(backend: Backend, function: str) -> tuple[tuple[str, Any], Any]:
    """Return (key, function) in the backend's table, for the profiled batch size."""
    found = [item for item in backend._functions.items() if item[0][0] == FUNCTION_OF[function]]
    return found[-1]


class CModeCollector(VirtualMachineCollector):
    profiler = "PyTensor's ProfileStats"

    @contextmanager
    def compiling(self, clock: SectionClock) -> Iterator[None]:
        from pytensor.link.c import cmodule
        from pytensor.link.c.basic import CLinker

        with functions_watched(self.backend, clock), clock.watching(*linker_functions(CLinker, cmodule)):
            yield

    def facts(self) -> dict[str, Any]:
        from mlp.theano_compat.blas import choose_blas
        from mlp.theano_compat.dialect import PYTENSOR

        blas, machine = choose_blas(PYTENSOR), self._machine(self._function("train_step"))
        return {
            "blas": {"name": blas.name, "note": blas.note, "threads": None},
            "frees_intermediates": bool(machine.allow_gc),
            "linker": type(machine).__name__,
        }

    def _function(self, function: str) -> Any:
        return compiled_function(self.backend, function)[1]

    @contextmanager
    def _in_its_place(self, function: str, other: Callable[..., Any]) -> Iterator[None]:
        key, compiled = compiled_function(self.backend, function)
        self.backend._functions[key] = other
        try:
            yield
        finally:
            self.backend._functions[key] = compiled

    def _machine(self, compiled: Any) -> Any:
        return compiled.vm

    def _new_stats(self) -> Any:
        return new_stats()

    def _node(self, key: Any) -> Any:
        _, node = key
        return node

    def _shared_variables(self) -> tuple[list[Any], list[Any]]:
        return self.backend._graph.parameters, self.backend._graph.accumulators

    def _updates(self, compiled: Any) -> Mapping[Any, Any]:
        fgraph = compiled.maker.fgraph
        return {fgraph.outputs[output]: fgraph.inputs[of] for output, of in fgraph.update_mapping.items()}


class WholeCollector(Collector):
    """Collector of modes that compile a step into one function: only its total time is known."""

    profiler = "PyTensor's ProfileStats"

    def compiling(self, clock: SectionClock) -> AbstractContextManager[None]:
        return functions_watched(self.backend, clock)

    def warm_up(self, function: str, call: Callable[[], None]) -> None:
        call()
        self.problems.append(
            f"pytensor/{self.backend.variant.name} compiles a step into one function, inside which no profiler sees: "
            f"it is one row; {bench_command('profile --backend pytensor --variant c')} shows the same network by "
            "operations"
        )

    @contextmanager
    def profiled(self, function: str) -> Iterator[None]:
        compiled = compiled_function(self.backend, function)[1]
        self._stats = compiled.profile = new_stats()
        try:
            yield
        finally:
            compiled.profile = None

    def operations(self, function: str, num_calls: int) -> list[Operation]:
        calls, seconds = self._stats.fct_callcount / num_calls, self._stats.vm_call_time / num_calls
        name = f"compiled function ({self.backend.variant.name})"
        return [Operation(function, name, "program", calls, seconds, details={"op": "function"})]

    def facts(self) -> dict[str, Any]:
        return {"linker": self.backend.variant.name}


class JaxModeCollector(JaxCollector):
    """Collector of the JAX mode (``jax.jit``); programs are recompiled from JAX's cache to read their text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._jitted: dict[str, tuple[Any, Any]] = {}  # function -> (jitted function, argument shapes)

    @contextmanager
    def compiling(self, clock: SectionClock) -> Iterator[None]:
        import jax

        jit = jax.jit

        def remembering_jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
            jitted = jit(function, **options)
            runs = "evaluate" if "evaluate" in clock.path else "train_step"

            def call(*args: Any) -> Any:
                if runs not in self._jitted:
                    shapes = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), args)
                    self._jitted[runs] = jitted, shapes
                return jitted(*args)

            return call

        with functions_watched(self.backend, clock), replaced(jax, "jit", remembering_jit):
            yield

    def warm_up(self, function: str, call: Callable[[], None]) -> None:
        call()
        jitted, shapes = self._jitted[function]
        self._learn(function, [jitted.lower(*shapes).compile().as_text()])


@contextmanager
def functions_watched(backend: Backend, clock: SectionClock) -> Iterator[None]:
    """Time the making of each of the backend's functions as a section: rewriting its graph, linking, and the first
    call, which compiles."""
    from pytensor.graph.rewriting.basic import GraphRewriter

    make = backend._function

    def timed(name: str, batch_size: int) -> Any:
        with clock.section("evaluate" if name == "evaluation" else "train_step"):
            return make(name, batch_size)

    watched = [
        TimedFunction(GraphRewriter, "rewrite", "rewrite"),
        TimedFunction(type(backend), "_warm_up", "first_call"),
    ]
    with replaced(backend, "_function", timed), clock.watching(*watched):
        yield


def new_stats() -> Any:
    from pytensor.compile.debug.profiling import ProfileStats

    return ProfileStats(atexit_print=False)


def collector(backend: Backend) -> Collector:
    by_variant = {"c": CModeCollector, "jax": JaxModeCollector}
    return by_variant.get(backend.variant.name, WholeCollector)(backend)
