"""Collector of PyTorch: events of ``torch.profiler``, ATen's operators on a CPU, kernels on a GPU."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from bench.errors import BenchError
from bench.measure.frameworks.concurrency import Span
from bench.measure.frameworks.profiler import MINIBATCH
from bench.measure.frameworks.section_clock import SectionClock
from bench.measure.frameworks.timeline import TimelineCollector
from bench.records.profile import ArrayShape, Operation
from mlp.patching import replaced

# Parts of a name, lower case, in the order in which they are tried; CUDA's kernels have the same words.
KINDS = (
    (("addmm", "aten::mm", "bmm", "matmul", "gemm", "cutlass", "xmma"), "gemm"),
    (("hidden_layer", "output_layer", "hidden_gradient", "update_layer"), "gemm"),  # of torch/fused, with all around it
    (("bernoulli", "dropout", "uniform", "random", "philox", "distribution"), "rng"),
    (("softmax", "nll_loss", "cross_entropy"), "softmax"),
    (("foreach", "addcmul", "addcdiv", "sqrt", "multi_tensor_apply"), "update"),
    (("aten::sum", "aten::mean", "aten::argmax", "reduce"), "reduction"),
    (("copy", "memcpy", "memset", "aten::cat", "aten::stack", "aten::fill", "aten::zero", "aten::to"), "copy"),
    (("aten::mul", "aten::div", "aten::add", "aten::eq", "relu", "threshold", "clamp", "elementwise"), "elementwise"),
    (("inductor's graph", "triton", "cpp_fused"), "elementwise"),  # kernels that Inductor wrote
)
# Names of torch.compile's phases in torch._dynamo.utils.compilation_time_metrics.
COMPILER_PHASES = {
    "_compile.compile_inner": "dynamo",
    "create_aot_dispatcher_function": "dynamo/aot_autograd",
    "compile_fx.<locals>.fw_compiler_base": "dynamo/aot_autograd/inductor",
    "backward._backward_impl": "inductor_backward",
}
GENERATED = re.compile(r"## Call CompiledFxGraph (\w{1,8})")
MOST_SHAPES = 4
NO_WORK = ("autograd::", "backward0", "aten::linear", "aten::dropout", "aten::cross_entropy_loss")


class Key(NamedTuple):
    """Key of a row: operators of equal name and shapes are merged."""

    name: str
    shapes: tuple[ArrayShape, ...]
    parent: str  # the ``_foreach_`` operator that it is a part of; "" for none


class TorchCollector(TimelineCollector):
    profiler = "torch.profiler"

    @contextmanager
    def compiling(self, clock: SectionClock) -> Iterator[None]:
        def timed(section: str, method: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*args: Any) -> Any:
                before = compiler_seconds()
                with clock.section(section):
                    result = method(*args)
                    for name, seconds in compiler_seconds().items():
                        if seconds > before.get(name, 0.0):
                            clock.add(f"{clock.path}/{name}", seconds - before.get(name, 0.0))
                return result

            return wrapper

        step, evaluation = self.backend._step, self.backend._launch_evaluation
        with (
            replaced(self.backend, "_step", timed("train_step", step)),
            replaced(self.backend, "_launch_evaluation", timed("evaluate", evaluation)),
        ):
            yield

    @contextmanager
    def profiled(self, function: str) -> Iterator[None]:
        from torch.profiler import ProfilerActivity, profile

        on_gpu = self.backend._device.type == "cuda"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
        with profile(activities=activities, record_shapes=True) as profiler:
            yield
        self._spans, self._driver_spans = spans_of(profiler.events(), on_gpu)
        if not self._spans:
            raise BenchError(
                "PyTorch's profiler recorded no kernel: it may not read the GPU's counters here "
                "(to allow it, see https://developer.nvidia.com/ERR_NVGPUCTRPERM)."
                if on_gpu
                else "PyTorch's profiler recorded no operator."
            )

    def annotated(self, name: str) -> AbstractContextManager[None]:
        from torch.profiler import record_function

        return record_function(name)

    def facts(self) -> dict[str, Any]:
        import torch

        blas = "MKL" if torch.backends.mkl.is_available() else "OpenBLAS or Eigen"
        return {
            "blas": {"name": f"PyTorch's {blas}", "note": "", "threads": torch.get_num_threads()},
            "frees_intermediates": True,
            "linker": "ATen",
        }

    def describe(self, function: str, key: Hashable, calls: float, seconds: float) -> Operation:
        kind = kind_of(key)
        details: dict[str, Any] = {"op": key.name}
        product = _product(key) if kind == "gemm" else None
        if product is not None:
            details |= dict(zip("mnk", product, strict=True))
        return Operation(
            *(function, _name(key), kind, calls, seconds),
            flop=calls * 2.0 * math.prod(product) if product else None,
            input_shapes=key.shapes,
            details=details,
        )


def kind_of(key: Key) -> str:
    """Return the kind of an operator; views, bookkeeping and the engine that runs the backward pass are the host's."""
    name = f"{key.parent} {key.name}".lower()
    if any(word in key.name.lower() for word in NO_WORK):
        return "host"
    return next((kind for words, kind in KINDS if any(word in name for word in words)), "host")


def spans_of(events: Iterable[Any], on_gpu: bool) -> tuple[list[Span], list[Span]]:
    """Split ``torch.profiler``'s FunctionEvents into operators (on a GPU kernels and copies) and annotations."""
    spans, annotations = [], []
    for event in events:
        start, end = event.time_range.start / 1e6, event.time_range.end / 1e6
        is_kernel = "CUDA" in str(event.device_type)
        thread = f"{'stream' if is_kernel else 'thread'} {getattr(event, 'device_resource_id', event.thread)}"
        if event.name == MINIBATCH:
            if not is_kernel:
                annotations.append(Span(MINIBATCH, thread, start, end))
        elif is_kernel == on_gpu:
            spans.append(Span(_key(event), thread, start, end))
    return spans, annotations


def _key(event: Any) -> Key:
    shapes = tuple(tuple(shape) for shape in event.input_shapes or () if isinstance(shape, (list, tuple)) and shape)
    above = event.cpu_parent
    parent = above.name if above is not None and "_foreach_" in above.name else ""
    graph = GENERATED.match(event.name)
    return Key(f"Inductor's graph {graph[1]}" if graph else event.name, shapes, parent)


def _name(key: Key) -> str:
    """Format ``aten::mm(500x784, 784x500)``."""
    shapes = ["x".join(map(str, shape)) for shape in key.shapes[:MOST_SHAPES]]
    return f"{key.name}({', '.join(shapes)})" if shapes else key.name


def _product(key: Key) -> tuple[int, int, int] | None:
    """Return (m, n, k) of the first two operands, after the addend of ``addmm``."""
    operands = key.shapes[1:3] if "addmm" in key.name else key.shapes[:2]
    if len(operands) < 2 or any(len(shape) != 2 for shape in operands):
        return None
    (m, k), (_, n) = operands
    return m, n, k


def compiler_seconds() -> dict[str, float]:
    """Return {path of the phase: seconds} of ``torch.compile`` in this process so far; {} if it was not used."""
    utils = sys.modules.get("torch._dynamo.utils")
    metrics = getattr(utils, "compilation_time_metrics", None) or {}
    return {path: sum(metrics[name]) for name, path in COMPILER_PHASES.items() if name in metrics}
