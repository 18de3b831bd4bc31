"""Engines do the work that is counted: the right product, all of it, and finished when they return."""

from contextlib import contextmanager

import numpy as np
import pytest
from optional import need

from bench.harness import bench_ceilings
from bench.measure import frameworks
from bench.measure.frameworks import engine
from bench.measure.frameworks.numpy import engine as host
from bench.roofline.workload import Product

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
    others = ["copy", "multiply", "random", "python_call", "kernel_launch", "host_to_device", "device_to_host"]
    assert [getattr(engine, name)() for name in others] == [None] * len(others)


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

    plain, plain_ones = torch.mul, torch.ones
    monkeypatch.setattr(torch, "mul", lambda a, b, out: events.append("mul") or plain(a, b, out=out))
    monkeypatch.setattr(torch, "ones", lambda count, pin_memory=False, device=None: plain_ones(count))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append("synchronize"))
    engine = frameworks.create("torch", "cpu", 1, SIZES)
    engine._on_gpu = True
    return engine, events


def test_on_a_gpu_the_repetitions_are_one_graph_that_is_waited_for(gpu):
    engine, events = gpu
    work = engine.multiply()
    work(7)
    assert events == ["mul", "synchronize", "replay of 7", "synchronize"]
    work(7)
    assert events[4:] == ["replay of 7", "synchronize"]  # captured once


def test_on_a_gpu_launches_and_transfers_are_waited_for_at_the_end(gpu):
    engine, events = gpu
    for work in (engine.kernel_launch(), engine.host_to_device(), engine.device_to_host()):
        work(3)
    assert events == ["synchronize"] * 3


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
