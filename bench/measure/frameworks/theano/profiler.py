"""Collector of Theano: node times of its virtual machine, and times of its optimisers.

Compilation is profiled by Theano's ``profile_optimizer``, read from its objects, and by clocks around its linker, code
generator, compiler and cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bench.measure.frameworks.section_clock import SectionClock, TimedFunction
from bench.measure.frameworks.theano.virtual_machine import VirtualMachineCollector, linker_functions
from mlp.patching import replaced

FUNCTION_OF = {"train_step": "_train_fn", "evaluate": "_val_fn"}  # attributes of the backend


class TheanoCollector(VirtualMachineCollector):
    profiler = "Theano's ProfileStats"

    @contextmanager
    def compiling(self, clock: SectionClock) -> Iterator[None]:
        import theano

        function = theano.function

        def profiled_function(*args: Any, **kwargs: Any) -> Any:
            stats = self._new_stats()
            compiled = function(*args, **kwargs, profile=stats)
            compiled.profile, compiled.fn.time_thunks = None, 0  # profiling ends here
            add_optimisers(clock, f"{clock.path}/optimise", stats.optimizer_profile)
            return compiled

        asked, theano.config.profile_optimizer = theano.config.profile_optimizer, True
        try:
            with replaced(theano, "function", profiled_function), clock.watching(*_watched(type(self.backend))):
                yield
        finally:
            theano.config.profile_optimizer = asked

    def facts(self) -> dict[str, Any]:
        from mlp.backends.theano.tuned.optimizations import blas_threads
        from mlp.theano_compat.blas import choose_blas

        blas = choose_blas()
        machine = self._function("train_step").fn
        return {
            "blas": {"name": blas.name, "note": blas.note, "threads": blas_threads()},
            "frees_intermediates": bool(machine.allow_gc),
            "linker": type(machine).__name__,
        }

    def _function(self, function: str) -> Any:
        return getattr(self.backend, FUNCTION_OF[function])

    def _in_its_place(self, function: str, other: Callable[..., Any]) -> AbstractContextManager[None]:
        return replaced(self.backend, FUNCTION_OF[function], other)

    def _machine(self, compiled: Any) -> Any:
        return compiled.fn

    def _new_stats(self) -> Any:
        from theano.compile.profiling import ProfileStats

        return ProfileStats(atexit_print=False, gpu_checks=False)

    def _shared_variables(self) -> tuple[list[Any], list[Any]]:
        import lasagne

        parameters = lasagne.layers.get_all_params(self.backend.network)
        return parameters, [shared for shared in self.backend._updates if shared not in set(parameters)]

    def _updates(self, compiled: Any) -> Mapping[Any, Any]:
        """Return the updates: the last outputs, in the order of the inputs."""
        fgraph = compiled.maker.fgraph
        inputs = zip(fgraph.inputs, compiled.maker.expanded_inputs, strict=True)
        updated = [variable for variable, declared in inputs if declared.update is not None]
        return dict(zip(fgraph.outputs[len(fgraph.outputs) - len(updated) :], updated, strict=True))


def _watched(backend: type) -> tuple[TimedFunction, ...]:
    """Return the functions inside ``theano.function`` that are timed as sections."""
    from theano.gof import cmodule
    from theano.gof.cc import CLinker
    from theano.gof.opt import Optimizer
    from theano.gof.vm import VM_Linker

    from mlp.theano_fast.compile_pool import CompilePool

    return (
        TimedFunction(backend, "_compile_training", "train_step"),
        TimedFunction(backend, "_compile_validation", "evaluate"),
        TimedFunction(Optimizer, "optimize", "optimise"),
        TimedFunction(VM_Linker, "make_all", "link"),
        TimedFunction(CompilePool, "wait", "c_compiler"),
        *linker_functions(CLinker, cmodule),
    )


def add_optimisers(clock: SectionClock, path: str, optimizer_profile: Any) -> None:
    """Add Theano's record of a sequence of optimisers as sections below ``path``; of local ones inside an equilibrium
    only those that took time.

    The records are tuples whose layout only Theano's ``print_profile`` methods document (theano/gof/opt.py).
    """
    if optimizer_profile is None:
        return
    sequence, (_, seconds_of_each, *_middle, sub_profiles, _validate, _nodes, _callbacks) = optimizer_profile
    for optimiser, seconds, sub_profile in zip(sequence, seconds_of_each, sub_profiles, strict=False):
        own_path = f"{path}/{_name(optimiser)}"
        clock.add(own_path, seconds, calls=1)
        if type(optimiser).__name__ == "EquilibriumOptimizer" and sub_profile:
            _add_local_optimisers(clock, own_path, sub_profile)


def _add_local_optimisers(clock: SectionClock, path: str, profile: Any) -> None:
    _, _, process_counts, _, _, _, time_of, *_ = profile
    for optimiser, seconds in sorted(time_of.items(), key=lambda item: item[1], reverse=True):
        if seconds > 0:
            applied = sum(counts.get(optimiser, 0) for counts in process_counts)
            clock.add(f"{path}/{_name(optimiser)}", seconds, calls=applied)


def _name(optimiser: Any) -> str:
    name = getattr(optimiser, "name", None) or getattr(optimiser, "__name__", None) or type(optimiser).__name__
    return str(name).replace("/", ":")
