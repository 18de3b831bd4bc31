"""Collector of JAX: its profiler's trace of XLA's operations, joined with the text of the compiled programs.

A trace has name (``hlo_op``), time and thread or stream of each operation; the program has its shapes and source line.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.measure.frameworks.concurrency import Span
from bench.measure.frameworks.jax.hlo import HloProgram, Instruction
from bench.measure.frameworks.profiler import MINIBATCH
from bench.measure.frameworks.section_clock import SectionClock
from bench.measure.frameworks.timeline import TimelineCollector
from bench.records.profile import Operation
from mlp.patching import replaced

# jax.monitoring's names of durations -> sections of the compile profile (jax/_src/dispatch.py, compiler.py).
COMPILE_EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "xla",
    "/jax/compilation_cache/cache_retrieval_time_sec": "xla/read_cache",
}
RANDOM = re.compile(r"threefry|random|_uniform|_bernoulli|fold_in|rng_bit_generator")
SOFTMAX = re.compile("softmax|take_along_axis")


class JaxCollector(TimelineCollector):
    profiler = "jax.profiler"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._programs: dict[str, dict[str, HloProgram]] = {}

    @contextmanager
    def compiling(self, clock: SectionClock) -> Iterator[None]:
        from jax import monitoring

        executable = self.backend._executable
        is_open = True

        def timed_executable(name: str, *arguments: Any) -> Any:
            with clock.section("evaluate" if name == "evaluate" else "train_step"):
                return executable(name, *arguments)

        def add(event: str, seconds: float, **_: Any) -> None:
            if is_open and event in COMPILE_EVENTS:
                clock.add(f"{clock.path}/{COMPILE_EVENTS[event]}", seconds, calls=1)

        monitoring.register_event_duration_secs_listener(add)
        try:
            with replaced(self.backend, "_executable", timed_executable):
                yield
        finally:
            is_open = False  # listeners cannot be unregistered one by one

    def warm_up(self, function: str, call: Callable[[], None]) -> None:
        call()
        self._learn(function, [executable.as_text() for executable in self.backend._executables.values()])

    def _learn(self, function: str, texts: list[str]) -> None:
        """Store the programs that ``function`` runs, by the names of their modules."""
        programs = [HloProgram.parse(text) for text in texts]
        self._programs[function] = {program.module: program for program in programs}

    @contextmanager
    def profiled(self, function: str) -> Iterator[None]:
        import jax

        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # every Python call would be an event
        with tempfile.TemporaryDirectory(prefix="mlp-bench-trace-") as folder:
            with ExitStack() as stack:
                stack.enter_context(jax.profiler.trace(folder, profiler_options=options))
                yield
            runs, self._driver_spans = read_trace(Path(folder))
        self._spans = [span for spans in runs.values() for span in spans]
        self._waits = [wait for spans in runs.values() for wait in self._waits_of(function, spans)]
        if not self._spans:
            raise BenchError("JAX's profiler recorded no operation of XLA's on this device: its step stays one piece.")

    def _waits_of(self, function: str, run: list[Span]) -> list[Span]:
        module, _ = run[0].key
        program = self._programs[function].get(module)
        return waits(run, program) if program else []

    def annotated(self, name: str) -> AbstractContextManager[None]:
        import jax

        return jax.profiler.TraceAnnotation(name)

    def facts(self) -> dict[str, Any]:
        return {"frees_intermediates": False, "linker": "XLA"}

    def describe(self, function: str, key: Hashable, calls: float, seconds: float) -> Operation:
        module, name = key
        program = self._programs[function].get(module)
        instruction = program.instructions.get(name) if program else None
        if instruction is None:  # of another program that the function calls
            return Operation(function, f"{module}/{name}", "program", calls, seconds, details={"op": name})
        products = program.products(instruction)
        source, _ = program.source(instruction)
        details: dict[str, Any] = {
            "op": instruction.op_name.rpartition("/")[2] or instruction.opcode,
            "id": name,
            "inputs": list(instruction.operands),
            "outputs": [name],
        }
        if len(products) == 1:
            details |= dict(zip("mnk", products[0], strict=True)) | {"product": " @ ".join(instruction.operands[:2])}
        return Operation(
            *(function, name, kind_of(program, instruction), calls, seconds),
            flop=calls * sum(2.0 * m * n * k for m, n, k in products) if products else None,
            bytes=calls * program.num_bytes(instruction),
            input_shapes=program.shapes(instruction.operands),
            output_shapes=tuple(shape for _, shape in instruction.outputs),
            source=source,
            details=details,
        )


def kind_of(program: HloProgram, instruction: Instruction) -> str:
    """Return the kind of an instruction; a fusion has the kind of its main operation, e.g. gemm with a bias."""
    inside = list(program.inside(instruction))
    if any(one.opcode == "dot" for one in inside):
        return "gemm"
    if RANDOM.search(instruction.op_name):
        return "rng"
    if instruction.opcode == "while":
        return "host"
    if SOFTMAX.search(instruction.op_name):
        return "softmax"
    _, asked_by = program.source(instruction)
    if instruction.opcode == "copy" or instruction.op_name.endswith(("gather", "dynamic_slice")):
        return "copy"
    if (asked_by or "").startswith("Program.train_step"):
        return "update"
    return "reduction" if any(one.opcode.startswith("reduce") for one in inside) else "elementwise"


def waits(spans: list[Span], program: HloProgram) -> list[Span]:
    """Attribute the gaps in a run of ``program`` to the matrix product that the operation after the gap waited for.

    On a CPU XLA multiplies asynchronously: a product's own span ends when it has been started, and while its parts run
    on the threads of a pool no operation is traced (measured: without the gaps products seem to exceed the peak of the
    machine).  Two concurrent products cannot be separated.  Gaps before operations that need no product are attributed
    to the host.
    """
    found: list[Span] = []
    ran: dict[str, Span] = {}  # the latest span of each operation so far
    busy_until = math.inf
    for span in sorted(spans, key=lambda one: one.start):
        _, name = span.key
        if span.start > busy_until:
            needed = [ran[one] for one in program.products_before(name) if one in ran]
            if needed:
                product = max(needed, key=lambda one: one.end)
                found.append(Span(product.key, f"{product.thread} (its parts)", busy_until, span.start))
        busy_until = max(span.end, busy_until if busy_until < math.inf else span.end)
        ran[name] = span
    return found


def read_trace(folder: Path) -> tuple[dict[str, list[Span]], list[Span]]:
    """Read XLA's operations by run of their program, keyed by (module, operation), and our annotations."""
    runs: dict[str, list[Span]] = defaultdict(list)
    annotations, threads = [], {}
    for path in sorted(folder.rglob("*.trace.json.gz")):
        with gzip.open(path, "rt") as file:
            events = json.load(file)["traceEvents"]
        for event in events:
            if event.get("ph") == "M" and event.get("name") == "thread_name":
                threads[event["pid"], event["tid"]] = event["args"]["name"].split("/")[0]
        for event in events:
            if event.get("ph") != "X":
                continue
            thread = f"{threads.get((event['pid'], event['tid']), 'thread')} {event['tid']}"
            start, arguments = event["ts"] / 1e6, event.get("args") or {}
            end = start + event["dur"] / 1e6
            if "hlo_op" in arguments:
                module = arguments.get("hlo_module", "")
                run = f"{module} {arguments.get('run_id')}"
                runs[run].append(Span((module, arguments["hlo_op"]), thread, start, end))
            elif event["name"] == MINIBATCH:
                annotations.append(Span(MINIBATCH, thread, start, end))
    return dict(runs), annotations
