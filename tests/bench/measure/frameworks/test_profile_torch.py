"""PyTorch's events as its profiler documents them, made by hand: no PyTorch and no GPU are needed."""

import sys
from types import SimpleNamespace

import pytest

from bench.measure.frameworks.concurrency import shared_seconds
from bench.measure.frameworks.torch.profiler import Key, TorchCollector, compiler_seconds, kind_of, spans_of


def event(name, start_us, end_us, device="CPU", shapes=(), parent=None, **more):
    return SimpleNamespace(
        name=name,
        time_range=SimpleNamespace(start=start_us, end=end_us),
        device_type=f"DeviceType.{device}",
        input_shapes=[list(shape) for shape in shapes],
        thread=more.get("thread", 1),
        device_resource_id=more.get("stream", 7),
        cpu_parent=parent and SimpleNamespace(name=parent),
    )


ADDMM = event("aten::addmm", 10, 110, shapes=[(500,), (500, 784), (784, 500), ()])
LINEAR = event("aten::linear", 0, 120, shapes=[(500, 784), (500, 784), (500,)])


def collector():
    return TorchCollector(SimpleNamespace(_device=SimpleNamespace(type="cpu")))


def described(one):
    (span,), _ = spans_of([one], on_gpu="CUDA" in one.device_type)
    return collector().describe("train_step", span.key, 1, 1e-3)


def test_an_operator_counts_without_those_it_calls():
    spans, _ = spans_of([LINEAR, ADDMM], on_gpu=False)
    seconds = {key.name: round(1e6 * value) for key, value in shared_seconds(spans).items()}
    assert seconds == {"aten::linear": 20, "aten::addmm": 100}


def test_on_a_gpu_the_kernels_count_and_the_operators_that_launch_them_do_not():
    kernel = event("ampere_sgemm_128x64_nn", 50, 90, device="CUDA")
    spans, _ = spans_of([ADDMM, kernel], on_gpu=True)
    assert [(span.key.name, span.thread) for span in spans] == [("ampere_sgemm_128x64_nn", "stream 7")]


def test_on_a_gpu_the_minibatch_costs_only_what_no_kernel_hides():
    kernel = event("sgemm", 0, 30, device="CUDA")
    annotations = [event("minibatch", 20, 50), event("minibatch", 20, 50, device="CUDA")]
    seconds = shared_seconds(*spans_of([kernel, *annotations], on_gpu=True))
    assert seconds["minibatch"] == pytest.approx(20e-6)


def test_the_operands_of_addmm_come_after_the_sum():
    row = described(ADDMM)
    assert (row.kind, row.flop) == ("gemm", 2 * 500 * 784 * 500)
    assert row.name == "aten::addmm(500, 500x784, 784x500)"


def test_a_kernel_without_shapes_has_no_flop_and_not_zero():
    row = described(event("ampere_sgemm_128x64_nn", 0, 1, device="CUDA"))
    assert (row.kind, row.flop, row.bytes) == ("gemm", None, None)


@pytest.mark.parametrize(
    ("name", "parent", "kind"),
    [
        ("hidden_layer", "", "gemm"),
        ("aten::bernoulli_", "", "rng"),
        ("void at::native::fused_dropout_kernel", "", "rng"),
        ("aten::_log_softmax_backward_data", "", "softmax"),
        ("aten::sqrt_", "aten::_foreach_sqrt_", "update"),
        ("aten::mul", "", "elementwise"),
        ("Memcpy HtoD (Pageable -> Device)", "", "copy"),
        ("aten::t", "", "host"),
        ("autograd::engine::evaluate_function: AddmmBackward0", "", "host"),
        ("Inductor's graph f2ugvbpt", "", "elementwise"),
        ("something new", "", "host"),
    ],
)
def test_an_operator_is_of_the_kind_that_its_name_says(name, parent, kind):
    assert kind_of(Key(name, (), parent)) == kind


def test_the_shown_events_are_those_of_the_first_calls():
    made = collector()
    events = [event("aten::mm", 100 * step, 100 * step + 90, shapes=[(2, 3), (3, 4)]) for step in range(10)]
    made._spans, made._driver_spans = spans_of(events, on_gpu=False)
    shown = made.events("train_step", lambda: None, 10)
    assert [round(1e6 * one.start_seconds) for one in shown] == [0, 100, 200]


def test_the_compilers_own_clocks_become_phases_by_their_nesting(monkeypatch):
    metrics = {"_compile.compile_inner": [2.0, 1.0], "create_aot_dispatcher_function": [2.5], "gc": [9.0]}
    utils = SimpleNamespace(compilation_time_metrics=metrics)
    monkeypatch.setitem(sys.modules, "torch._dynamo.utils", utils)
    assert compiler_seconds() == {"dynamo": 3.0, "dynamo/aot_autograd": 2.5}


def test_a_process_that_compiles_nothing_has_no_such_phases(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch._dynamo.utils", raising=False)
    assert compiler_seconds() == {}
