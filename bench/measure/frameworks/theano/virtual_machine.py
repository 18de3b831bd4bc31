"""Base class of the collectors of Theano and PyTensor's C mode, whose virtual machine can time each node.

The same function is timed plain and profiled: ``time_thunks`` is a switch of its machine, and ``ProfileStats`` receives
the counters of the machine.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bench.measure.frameworks.profiler import SHOWN_CALLS, Collector
from bench.measure.frameworks.section_clock import TimedFunction
from bench.measure.frameworks.theano.apply_nodes import Graph, size_of
from bench.records.profile import Event, Operation


def linker_functions(linker: type, cmodule: Any) -> tuple[TimedFunction, ...]:
    """Return what the C linker and its module ``cmodule`` spend compile time on; both frameworks have the names."""
    return (
        TimedFunction(linker, "cmodule_key", "module_keys"),
        TimedFunction(linker, "code_gen", "c_code"),
        TimedFunction(cmodule.ModuleCache, "refresh", "read_cache"),
        TimedFunction(cmodule.ModuleCache, "_add_to_cache", "write_cache"),
        TimedFunction(cmodule.GCC_compiler, "compile_str", "c_compiler"),
        TimedFunction(cmodule, "dlimport", "import_modules"),
    )


class VirtualMachineCollector(Collector):
    """Collector by a virtual machine; subclasses locate the functions of the backend and name the framework's parts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._graphs: dict[str, Graph] = {}
        self._stats: Any = None

    @abstractmethod
    def _function(self, function: str) -> Any:
        """Return the compiled function."""

    @abstractmethod
    def _in_its_place(self, function: str, other: Callable[..., Any]) -> AbstractContextManager[None]:
        """Let the backend call ``other`` instead of the function inside the block."""

    @abstractmethod
    def _machine(self, compiled: Any) -> Any:
        """Return the virtual machine of a compiled function."""

    @abstractmethod
    def _new_stats(self) -> Any:
        """Return an empty ProfileStats."""

    def _node(self, key: Any) -> Any:
        """Return the node of a key in the tables of ProfileStats."""
        return key

    @abstractmethod
    def _shared_variables(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the shared variables of the parameters, and those of their mean squares."""

    @abstractmethod
    def _updates(self, compiled: Any) -> Mapping[Any, Any]:
        """Return {output: input} of the outputs that become the next values of inputs."""

    def warm_up(self, function: str, call: Callable[[], None]) -> None:
        """Warm up and record the shapes of a call's arrays, which the profile lacks."""
        compiled, arguments = self._function(function), []

        def recorded(*args: Any) -> Any:
            arguments[:] = args
            return compiled(*args)

        with self._in_its_place(function, recorded):
            call()
        graph = self._graphs[function] = self._run_once(compiled, arguments)
        self.problems += [f"the operation {name} is not known; it counts as elementwise" for name in graph.unknown]

    def profiled(self, function: str) -> AbstractContextManager[None]:
        return self._nodes_timed(self._machine(self._function(function)))

    @contextmanager
    def _nodes_timed(self, machine: Any) -> Iterator[None]:
        machine.time_thunks = 1
        try:
            yield
        finally:
            machine.time_thunks = 0
            self._stats = self._new_stats()
            machine.update_profile(self._stats)  # and empties the machine's own counters

    def operations(self, function: str, num_calls: int) -> list[Operation]:
        tables = self._stats.apply_callcount, self._stats.apply_time
        calls, seconds = ({self._node(key): value for key, value in table.items()} for table in tables)
        graph = self._graphs[function]
        return [
            graph.operation(function, node, calls[node] / num_calls, seconds[node] / num_calls) for node in graph.nodes
        ]

    def events(self, function: str, call: Callable[[], None], num_calls: int) -> list[Event]:
        """Return the events of a few additional calls.  The machine has durations and order only: each node starts at
        the end of its predecessor, the first at the call of the function."""
        compiled = self._function(function)
        starts: list[float] = []
        events: list[Event] = []

        def shown(*args: Any) -> Any:
            if len(starts) == SHOWN_CALLS:
                return compiled(*args)
            starts.append(self._clock())
            with self._nodes_timed(self._machine(compiled)):
                result = compiled(*args)
            start = starts[-1] - starts[0]
            for operation in self.operations(function, 1):
                kind, seconds = operation.kind, operation.seconds
                events.append(Event(function, operation.name, kind, "virtual machine", start, seconds))
                start += seconds
            return result

        with self._in_its_place(function, shown):
            call()
        return [event for event in events if event.seconds > 0]

    def _run_once(self, compiled: Any, arguments: Sequence[Any]) -> Graph:
        """Run each node from Python, and record the shapes of its outputs before they are freed."""
        machine = self._machine(compiled)
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
        names = self._names(compiled)
        learned = {name for name in names.values() if name.startswith(("W", "b"))}
        new_values = [output for output, of in self._updates(compiled).items() if names[of] in learned]
        return Graph(machine.nodes, names, new_values, sizes.__getitem__)

    def _names(self, compiled: Any) -> dict[Any, str]:
        """Return names of a function's inputs: of their shared variable (``W1``, ``b1``, ``W1 (mean square)``), else
        their own, else ``state 7``."""
        known = {
            id(shared.container.storage): f"{'Wb'[index % 2]}{index // 2 + 1}{suffix}"
            for suffix, group in zip(("", " (mean square)"), self._shared_variables(), strict=True)
            for index, shared in enumerate(group)
        }
        inputs = zip(compiled.maker.fgraph.inputs, compiled.input_storage, strict=True)
        return {
            variable: known.get(id(container.storage)) or variable.name or f"state {number}"
            for number, (variable, container) in enumerate(inputs)
        }
