"""Clauses of conduct: inputs, other builds and other devices are left alone, and bad input is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from bench.measure.conformance.clauses import NAMES, Clause, batch, parameters_close
from bench.measure.conformance.deviation import Deviation, close, same, true
from bench.measure.conformance.example import PLAIN
from bench.measure.conformance.stack import CheckedStack, Oracle
from mlp import backends
from mlp.backends import Available, Unavailable
from mlp.cuda_driver import find_driver
from mlp.errors import BackendError
from mlp.training import initial_parameters


def inputs_unchanged(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    backend, (images, labels) = stack.compiled(PLAIN), batch(60)
    given = [array.copy() for array in initial_parameters(PLAIN)]
    images, labels, order = images.copy(), labels.copy(), np.random.RandomState(3).permutation(60)
    arrays = {"images": images, "labels": labels, "order": order, **dict(zip(NAMES, given, strict=True))}
    before = {name: array.copy() for name, array in arrays.items()}
    backend.set_parameters(given)
    backend.train_step(images[:20], labels[:20])
    backend.train_epoch(images, labels, order)
    backend.evaluate(images, labels)
    backend.probabilities(images)
    for name, array in arrays.items():
        yield same(f"{name} that were passed", array, before[name])


def builds_are_independent(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    recipe = replace(PLAIN, seed=9)  # other parameters, so that those of the first build would show
    first, reference = stack.compiled(PLAIN), oracle(recipe)
    for _ in range(3):
        first.train_step(*batch())
    trained = first.parameters()
    second = stack.fresh(recipe)
    yield from parameters_close("of a second build, before training", second.parameters(), initial_parameters(recipe))
    for step in (1, 2):
        tolerance = 10 * stack.relative_error
        what = f"loss of step {step} of a second build"
        yield close(what, second.train_step(*batch()), reference.train_step(*batch()), rel=tolerance)
    yield from parameters_close("of the first build, after the second trained", first.parameters(), trained)


def bad_input(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    backend, (images, labels) = stack.compiled(PLAIN), batch()
    before = backend.parameters()
    flat = images.reshape(20, 784)
    yield _refused("783 pixels", lambda: backend.train_step(np.ascontiguousarray(flat[:, 1:]), labels))
    yield _refused("20 images with 19 labels", lambda: backend.train_step(images, labels[:19]))
    yield from parameters_close("after what was refused", backend.parameters(), before)
    try:
        type(backend).variant_named("no such variant")
        yield true("an unknown variant is refused", False, "it is accepted")
    except BackendError:
        yield true("an unknown variant is refused", True)


def _refused(what: str, call: Callable[[], object]) -> Deviation:
    try:
        call()
    except Exception:  # of the framework: the contract leaves its type open
        return true(f"{what} are refused", True)
    return true(f"{what} are refused", False, "they are accepted")


def device(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    """A device is answered for without an exception, and available only where it can be."""
    backend = backends.load(stack.backend)
    variant = None if stack.stand_in else stack.variant
    answer = backend.availability(stack.device, variant)
    yield true(f"it is available on {stack.device}", isinstance(answer, Available), str(answer))
    if isinstance(find_driver(), Unavailable):
        for absent in ("cuda", "cuda:99"):
            answer = backend.availability(absent, variant)
            there = isinstance(answer, Available)
            yield true(f"it is not available on {absent}", not there, "it is, and there is no NVIDIA GPU")
    elif stack.device != "cpu":
        yield _uses_gpu(stack)


def _uses_gpu(stack: CheckedStack) -> Deviation:
    """Find the CUDA driver in this process and memory in use on the GPU, after a step."""
    from bench.machine.cuda_device import find_gpu
    from bench.machine.nvml import opened

    with opened() as nvml:
        gpu = find_gpu(nvml, stack.device)
        stack.compiled(PLAIN).train_step(*batch())
        mapped = "libcuda.so" in _mapped_files()
        memory_bytes = gpu.reading()["gpu_memory_bytes"]
    what = f"it computes on {stack.device}"
    return true(what, mapped and memory_bytes != 0, "its process loaded no CUDA driver, or the GPU's memory is empty")


def _mapped_files() -> str:
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return "libcuda.so"  # not Linux: nothing can be told


OF_CONDUCT = (
    Clause(device, "its devices are those that it declares"),
    Clause(inputs_unchanged, "its inputs are not changed"),
    Clause(builds_are_independent, "one build leaves another alone", compiles=True),
    Clause(bad_input, "bad input is refused"),
)
