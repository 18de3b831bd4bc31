"""Theano: its virtual machine times each node by itself when it is told to, and its optimisers time themselves.

The very function that is timed plainly is the one that is profiled: ``time_thunks`` is a switch of the compiled
function, and ``ProfileStats`` is where its counters are emptied into.  Compilation is profiled by Theano's
``profile_optimizer`` and by clocks around its linker, code generator, compiler and cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.profile.collect.apply_nodes import Graph, size_of
from bench.profile.collect.base import Collector
from bench.profile.collect.sections import SectionClock, Watched
from bench.profile.operations import Operation
from mlp.patching import replaced

FUNCTION_OF = {"train_step": "_train_fn", "evaluate": "_val_fn"}  # attributes of the backend


class TheanoCollector(Collector):
    profiler = "Theano's ProfileStats"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._graphs: dict[str, Graph] = {}
        self._stats: Any = None

    @contextmanager
    def compiling(self, clock: SectionClock) -> Iterator[None]:
        import theano

        function = theano.function

        def profiled_function(*args: Any, **kwargs: Any) -> Any:
            stats = theano.compile.profiling.ProfileStats(atexit_print=False, gpu_checks=False)
            compiled = function(*args, **kwargs, profile=stats)
            compiled.profile, compiled.fn.time_thunks = None, 0  # from here on nobody profiles it
            add_optimisers(clock, f"{clock.path}/optimise", stats.optimizer_profile)
            return compiled

        asked, theano.config.profile_optimizer = theano.config.profile_optimizer, True
        try:
            with replaced(theano, "function", profiled_function), clock.watching(*_watched(type(self.backend))):
                yield
        finally:
            theano.config.profile_optimizer = asked

    def rehearse(self, function: str, call: Callable[[], None]) -> None:
        """Keeps the shapes of a call's arrays too: the profile does not know them."""
        compiled, arguments = self._function(function), []

        def recorded(*args: Any) -> Any:
            arguments[:] = args
            return compiled(*args)

        with replaced(self.backend, FUNCTION_OF[function], recorded):
            call()
        graph = self._graphs[function] = self._run_once(compiled, arguments)
        self.problems += [f"Theano's operation {name} is not known; counted as elementwise" for name in graph.unknown]

    @contextmanager
    def profiled(self, function: str) -> Iterator[None]:
        from theano.compile.profiling import ProfileStats

        machine = self._function(function).fn
        machine.time_thunks = 1
        try:
            yield
        finally:
            machine.time_thunks = 0
            self._stats = ProfileStats(atexit_print=False, gpu_checks=False)
            machine.update_profile(self._stats)  # and empties the machine's own counters

    def operations(self, function: str, num_calls: int) -> list[Operation]:
        graph, calls, seconds = self._graphs[function], self._stats.apply_callcount, self._stats.apply_time
        return [
            graph.operation(function, node, calls[node] / num_calls, seconds[node] / num_calls) for node in graph.nodes
        ]

    def facts(self) -> dict[str, Any]:
        from mlp.backends.theano_tuned.levers import blas_threads
        from mlp.theano_compat.blas import choose_blas

        blas = choose_blas()
        machine = self._function("train_step").fn
        return {
            "blas": {"name": blas.name, "note": blas.note, "threads": blas_threads()},
            "frees_intermediates": bool(machine.allow_gc),
            "linker": type(machine).__name__,
        }

    # --- the pieces ------------------------------------------------------------------------------------------------

    def _function(self, function: str) -> Any:
        return getattr(self.backend, FUNCTION_OF[function])

    def _run_once(self, compiled: Any, arguments: Sequence[Any]) -> Graph:
        """Run each node from Python, and keep the shapes of what it leaves before the memory is given back."""
        machine = compiled.fn
        for container, argument in zip(compiled.input_storage, arguments, strict=False):  # shared variables follow
            container.value = argument
        for thunk in machine.thunks:
            thunk()
        sizes = {}
        for node in machine.nodes:
            for variable in (*node.inputs, *node.outputs):
                constant = getattr(variable, "data", None)
                sizes[variable] = size_of(machine.storage_map[variable][0] if constant is None else constant)
        for node in machine.nodes if machine.allow_gc else ():
            for variable in node.outputs:
                machine.storage_map[variable][0] = None
        names, new_values = self._names(compiled)
        return Graph(machine.nodes, names, new_values, sizes.__getitem__)

    def _names(self, compiled: Any) -> tuple[dict[Any, str], list[Any]]:
        """Names of the inputs and shared variables (``images``, ``W1``, ``W1 (mean square)``), and the outputs that
        become new values of parameters and accumulators."""
        import lasagne

        parameters = lasagne.layers.get_all_params(self.backend.network)
        accumulators = [shared for shared in self.backend._updates if shared not in set(parameters)]
        known = {}
        for suffix, group in (("", parameters), (" (mean square)", accumulators)):
            for index, shared in enumerate(group):
                known[id(shared.container.storage)] = f"{'Wb'[index % 2]}{index // 2 + 1}{suffix}"
        fgraph = compiled.maker.fgraph
        updated = [one.update is not None for one in compiled.maker.expanded_inputs]
        next_values = iter(fgraph.outputs[len(fgraph.outputs) - sum(updated) :])
        names, new_values = {}, []
        for variable, container, is_updated in zip(fgraph.inputs, compiled.input_storage, updated, strict=True):
            of_shared = known.get(id(container.storage))
            names[variable] = of_shared or variable.name or f"state {len(names)}"
            output = next(next_values) if is_updated else None
            if of_shared and output is not None:
                new_values.append(output)
        return names, new_values


def _watched(backend: type) -> tuple[Watched, ...]:
    """Where ``theano.function`` spends its time, from the outside."""
    from theano.gof import cmodule
    from theano.gof.cc import CLinker
    from theano.gof.opt import Optimizer
    from theano.gof.vm import VM_Linker

    from mlp.theano_fast.workshop import Workshop

    return (
        Watched(backend, "_compile_training", "train_step"),
        Watched(backend, "_compile_validation", "evaluate"),
        Watched(Optimizer, "optimize", "optimise"),
        Watched(VM_Linker, "make_all", "link"),
        Watched(CLinker, "cmodule_key", "module_keys"),
        Watched(CLinker, "code_gen", "c_code"),
        Watched(cmodule.ModuleCache, "refresh", "read_cache"),
        Watched(cmodule.ModuleCache, "_add_to_cache", "write_cache"),
        Watched(cmodule.GCC_compiler, "compile_str", "c_compiler"),
        Watched(Workshop, "wait", "c_compiler"),
        Watched(cmodule, "dlimport", "import_modules"),
    )


def add_optimisers(clock: SectionClock, path: str, optimizer_profile: Any) -> None:
    """Theano's record of a sequence of optimisers, as sections below ``path``; of the local ones inside an equilibrium
    each that took time.

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
