"""JAX: its profiler's trace of XLA's operations, joined with the text of the compiled programs.

A trace names each operation (``hlo_op``) and when it ran on which thread or stream; what it computes, its shapes and
the line that asked for it stand in the program.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.profile.collect.base import MINIBATCH
from bench.profile.collect.concurrency import Span
from bench.profile.collect.hlo import Instruction, Program
from bench.profile.collect.sections import SectionClock
from bench.profile.collect.timeline import TimelineCollector
from bench.profile.operations import Operation
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
            is_open = False  # listeners cannot be taken back one by one

    def rehearse(self, function: str, call: Callable[[], None]) -> None:
        call()
        self._programs = {}
        for executable in self.backend._executables.values():
            text = executable.as_text()
            module = re.match(r"HloModule ([\w.-]+)", text)
            if module:
                self._programs[module[1]] = Program.parse(text)

    @contextmanager
    def profiled(self, function: str) -> Iterator[None]:
        import jax

        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # every Python call would be an event
        with tempfile.TemporaryDirectory(prefix="mlp-bench-trace-") as folder:
            with ExitStack() as stack:
                stack.enter_context(jax.profiler.trace(folder, profiler_options=options))
                yield
            self._spans, self._driver_spans = read_trace(Path(folder))
        if not self._spans:
            raise BenchError("JAX's profiler recorded no operation of XLA's on this device: its step stays one piece.")

    def annotated(self, name: str) -> AbstractContextManager[None]:
        import jax

        return jax.profiler.TraceAnnotation(name)

    def facts(self) -> dict[str, Any]:
        return {"frees_intermediates": False, "linker": "XLA"}

    def describe(self, function: str, key: Hashable, calls: float, seconds: float) -> Operation:
        module, name = key
        program = self._programs.get(module)
        instruction = program.instructions.get(name) if program else None
        if instruction is None:
            return Operation(function, f"{module}/{name}", "copy", calls, seconds, details={"op": name.split(".")[0]})
        products = program.products(instruction)
        source, _ = program.source(instruction)
        details: dict[str, Any] = {
            "op": instruction.op_name.rpartition("/")[2] or instruction.opcode,
            "id": name,
            "inputs": list(instruction.operands),
            "outputs": [name],
        }
        if products:
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


def kind_of(program: Program, instruction: Instruction) -> str:
    """What XLA fused belongs to where its result comes from: a fusion of a product and a bias is a gemm."""
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


def read_trace(folder: Path) -> tuple[list[Span], list[Span]]:
    """The operations of XLA's, keyed by (module, operation), and the annotations of ours, from a trace's folder."""
    spans, annotations, threads = [], [], {}
    for path in sorted(folder.rglob("*.trace.json.gz")):
        with gzip.open(path, "rt") as file:
            events = json.load(file)["traceEvents"]
        for event in events:
            if event.get("ph") == "M" and event.get("name") == "thread_name":
                threads[event["pid"], event["tid"]] = event["args"]["name"].split("/")[0]
        for event in events:
            if event.get("ph") != "X":
                continue
            thread = (event["pid"], event["tid"])
            name = f"{threads.get(thread, 'thread')} {event['tid']}"
            start = event["ts"] / 1e6
            arguments = event.get("args") or {}
            if "hlo_op" in arguments:
                key = (arguments.get("hlo_module", ""), arguments["hlo_op"])
                spans.append(Span(key, name, start, start + event["dur"] / 1e6))
            elif event["name"] == MINIBATCH:
                annotations.append(Span(MINIBATCH, name, start, start + event["dur"] / 1e6))
    return spans, annotations
