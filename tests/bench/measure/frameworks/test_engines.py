"""Engines do the work that is counted: the right product, all of it, and finished when they return."""

import os
from contextlib import contextmanager

import numpy as np
import pytest
from optional import need
from small import SMALL

from bench.harness import bench_ceilings
from bench.measure import frameworks
from bench.measure.frameworks import engine
from bench.measure.frameworks.numpy import engine as host
from bench.roofline.ceilings import LOWER_PRECISIONS
from bench.roofline.workload import Product
from mlp import backends
from mlp.training import initial_parameters

SIZES = frameworks.Sizes(copy_bytes=4000, num_elements=1001, num_random=802, square_side=8, transfer_bytes=400)
PRODUCTS = [Product(4, 3, 5, a, b) for a in (False, True) for b in (False, True)]


@pytest.fixture
def factors(monkeypatch):
    """Known factors of every product."""
    made = {}

    def factors(product):
        random = np.random.default_rng(1)
        shapes = [(product.m, product.k), (product.k, product.n)]
        a, b = (random.random(shape, np.float32) for shape in shapes)
        made[product] = a @ b
        return np.ascontiguousarray(a.T if product.transpose_a else a), np.ascontiguousarray(
            b.T if product.transpose_b else b
        )

    return factors, made


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda one: f"a{one.transpose_a:d}b{one.transpose_b:d}")
def test_torch_multiplies_the_matrices_as_they_are_stored(monkeypatch, factors, product):
    need("torch")
    import torch

    from bench.measure.frameworks.torch import engine as module

    make, made = factors
    results = []
    monkeypatch.setattr(module, "random_factors", make)
    plain = torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b, out: results.append(plain(a, b, out=out)))
    frameworks.create("torch", "cpu", 1, SIZES).product(product)(2)
    assert len(results) == 2
    np.testing.assert_allclose(results[-1].numpy(), made[product], rtol=1e-5)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda one: f"a{one.transpose_a:d}b{one.transpose_b:d}")
def test_jax_multiplies_the_matrices_as_they_are_stored(monkeypatch, factors, product):
    need("jax")
    from bench.measure.frameworks.jax import engine as module

    make, made = factors
    monkeypatch.setattr(module, "random_factors", make)
    results = frameworks.create("jax", "cpu", 1, SIZES).product(product)(2)
    assert len(results) == 2
    np.testing.assert_allclose(results[-1], made[product], rtol=1e-5)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_a_cpu_a_framework_is_asked_for_its_products_only(backend):
    need(backend)
    engine = frameworks.create(backend, "cpu", 1, SIZES)
    others = ["copy", "multiply", "random", "python_call", "kernel", "kernel_launch", "host_to_device"]
    others.append("device_to_host")
    assert [getattr(engine, name)() for name in others] == [None] * len(others)
    assert [engine.product(PRODUCTS[0], precision) for precision in LOWER_PRECISIONS] == [None, None]


# --- the host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_parts_of_all_threads_are_the_whole_each_as_often_as_asked(threads):
    done = []
    engine = host.HostEngine(threads, SIZES)
    work = engine._shared_out(lambda size: lambda: done.append(size), 1001)
    work(4)
    assert len(done) == 4 * threads
    assert sum(done) == 4 * 1001


def test_the_host_copies_multiplies_and_draws_as_much_as_it_says(monkeypatch):
    sizes = {"copy": [], "multiply": [], "random": []}
    monkeypatch.setattr(host.np, "copyto", lambda target, source: sizes["copy"].append(target.nbytes))
    monkeypatch.setattr(host.np, "multiply", lambda a, b, out: sizes["multiply"].append(out.size))
    engine = host.HostEngine(2, SIZES)
    engine.copy()(1)
    engine.multiply()(1)
    assert (sum(sizes["copy"]), sum(sizes["multiply"])) == (SIZES.copy_bytes, SIZES.num_elements)


def test_the_streams_of_two_threads_differ(monkeypatch):
    outs = []
    plain = host.np.empty
    monkeypatch.setattr(host.np, "empty", lambda size: outs.append(plain(size)) or outs[-1])
    host.HostEngine(2, SIZES).random()(1)
    first, second = outs
    assert len(first) + len(second) == SIZES.num_random // 2
    assert 0 <= first.min() < first.max() < 1
    assert not np.array_equal(first[:200], second[:200])


def test_a_copy_is_far_beyond_the_last_cache_but_leaves_most_of_the_memory(monkeypatch):
    def copy_bytes(cache, available):
        monkeypatch.setattr(engine.cpu, "facts", lambda: {"l3_bytes": cache})
        monkeypatch.setattr(engine.psutil, "virtual_memory", lambda: type("Memory", (), {"available": available}))
        return engine._far_beyond_caches()

    assert copy_bytes(None, 2**40) == 128 * 2**20
    assert copy_bytes(2**30, 2**40) == 4 * 2**30
    assert copy_bytes(2**30, 2**30) == 2**27


# --- a GPU, as far as a stand-in goes ---------------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch):
    """A torch engine that believes to be on a GPU, and the events that its driver would see."""
    need("torch")
    import torch

    events = []

    class Graph:
        def replay(self):
            events.append(f"replay of {self.calls}")

    @contextmanager
    def graph(captured):
        before = len(events)
        yield
        captured.calls = len(events) - before
        del events[before:]

    plain_mm, plain, plain_ones = torch.mm, torch.mul, torch.ones

    def mm(a, b, out):
        events.append(f"{a.dtype} at {torch.get_float32_matmul_precision()}")
        return plain_mm(a, b, out=out)

    def ones(count, pin_memory=None, device=None):
        if pin_memory is not None:
            events.append("pinned" if pin_memory else "pageable")
        return plain_ones(count)

    monkeypatch.setattr(torch, "mm", mm)
    monkeypatch.setattr(torch, "mul", lambda a, b, out: events.append("mul") or plain(a, b, out=out))
    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append("synchronize"))
    engine = frameworks.create("torch", "cpu", 1, SIZES)
    engine._on_gpu = True
    return engine, events


def test_the_gpu_of_the_case_is_the_one_on_which_graphs_are_captured(monkeypatch):
    """Else a graph captured for cuda:1 would be empty: its stream would be one of cuda:0."""
    need("torch")
    import torch

    class MadeCurrent(Exception):
        pass

    def set_device(index):
        raise MadeCurrent(index)

    monkeypatch.setattr(torch.cuda, "set_device", set_device)
    backend = backends.load("torch")("graph")
    for start in (
        lambda device: frameworks.create("torch", device, 1, SIZES),
        lambda device: backend.build(SMALL, initial_parameters(SMALL), device),
    ):
        with pytest.raises(MadeCurrent, match="1"):
            start("cuda:1")
        start("cpu")


@pytest.mark.parametrize("given", [None, "true"])
def test_jax_takes_no_more_memory_for_its_ceilings_than_it_needs(monkeypatch, given):
    """Another process may use the card; a setting that was passed on purpose stays."""
    need("jax")
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    monkeypatch.setenv(name, given or "")
    if given is None:
        monkeypatch.delenv(name)
    frameworks.create("jax", "cpu", 1, SIZES)
    assert os.environ[name] == (given or "false")


def test_on_a_gpu_the_repetitions_are_one_graph_that_is_waited_for(gpu):
    engine, events = gpu
    work = engine.multiply()
    work(7)
    assert events == ["mul", "synchronize", "replay of 7", "synchronize"]
    work(7)
    assert events[4:] == ["replay of 7", "synchronize"]  # captured once


def test_on_a_gpu_launches_and_transfers_are_waited_for_at_the_end(gpu):
    engine, events = gpu
    for work in (engine.kernel_launch(), engine.host_to_device(True), engine.device_to_host(False)):
        work(3)
    assert events == ["pinned", "pageable", *["synchronize"] * 3]


def test_the_smallest_kernel_is_repeated_in_a_graph_and_its_launch_is_not(gpu):
    """The fake graph counts events of the capture, and adding 1 in place is none."""
    engine, events = gpu
    engine.kernel()(7)
    assert events == ["synchronize", "replay of 0", "synchronize"]
    engine.kernel_launch()(7)
    assert events[3:] == ["synchronize"]


@pytest.mark.parametrize(
    ("precision", "called"),
    [("float32", "float32 at highest"), ("tf32", "float32 at high"), ("bfloat16", "bfloat16 at highest")],
)
def test_a_gpus_products_are_captured_at_their_precision(gpu, precision, called):
    engine, events = gpu
    engine.product(PRODUCTS[0], precision)(3)
    assert events == [f"torch.{called}", "synchronize", "replay of 3", "synchronize"]


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_jax_repeats_small_products_in_one_program_and_none_of_them_is_dead(monkeypatch, factors, precision):
    """On a CPU XLA may still merge equal products, so what is counted is the program that it is given."""
    need("jax")
    from bench.measure.frameworks.jax import engine as module

    make, made = factors
    monkeypatch.setattr(module, "random_factors", make)
    engine = frameworks.create("jax", "cpu", 1, SIZES)
    engine._on_gpu = True
    work = engine.product(PRODUCTS[0], precision)
    program = work.launch.trace(*work._arguments).lower(lowering_platforms=("cuda",)).as_text()
    assert program.count("stablehlo.while") == 1
    assert program.count("stablehlo.dot_general") == module.UNROLLED
    assert program.count("stablehlo.optimization_barrier") == module.UNROLLED
    if precision == "tf32":
        return  # which a CPU does not multiply in
    results = work(2 * work.chunk)
    assert len(results) == module.UNROLLED and work.chunk % module.UNROLLED == 0
    for result in results:
        tolerance = 2e-2 if precision == "bfloat16" else 1e-5
        np.testing.assert_allclose(np.float32(result), made[PRODUCTS[0]], rtol=tolerance)


def test_jax_calls_large_products_one_by_one(monkeypatch):
    need("jax")
    from bench.measure.frameworks.jax import engine as module

    monkeypatch.setattr(module, "SMALL_BYTES", Product(4, 3, 5).bytes - 1)
    engine = frameworks.create("jax", "cpu", 1, SIZES)
    engine._on_gpu = True
    assert not hasattr(engine.product(Product(4, 3, 5)), "chunk")
    assert engine.host_to_device(pinned=True) is None and engine.host_to_device(pinned=False) is not None


# --- how long a round is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call_seconds", [1e-9, 2e-6, 3e-4, 0.5])
def test_a_round_is_long_enough_for_the_clock_and_bounded(monkeypatch, call_seconds):
    now = [0.0]
    monkeypatch.setattr(bench_ceilings.time, "perf_counter", lambda: now[0])

    def work(n):
        now[0] += n * call_seconds

    calls, seconds = bench_ceilings._calls_per_round(work)
    assert seconds == pytest.approx(calls * call_seconds)
    assert calls == bench_ceilings.MAX_CALLS or seconds >= bench_ceilings.ROUND_SECONDS
    assert 1 <= calls <= bench_ceilings.MAX_CALLS


@pytest.mark.parametrize("call_seconds", [1e-6, 1e-4])
def test_a_round_is_whole_launches_of_work_that_repeats_itself(monkeypatch, call_seconds):
    now, asked = [0.0], []
    monkeypatch.setattr(bench_ceilings.time, "perf_counter", lambda: now[0])

    def work(n):
        asked.append(n)
        now[0] += n * call_seconds

    work.chunk = 48
    calls, _ = bench_ceilings._calls_per_round(work)
    assert {n % 48 for n in asked} == {0} and calls * call_seconds >= bench_ceilings.ROUND_SECONDS
