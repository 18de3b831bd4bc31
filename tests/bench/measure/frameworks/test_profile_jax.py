"""XLA's programs and traces: a program of a few lines in its format, and a trace with events of known times."""

import gzip
import json

import pytest

from bench.measure.frameworks.concurrency import shared_seconds
from bench.measure.frameworks.jax.hlo import HloProgram
from bench.measure.frameworks.jax.profiler import kind_of, read_trace, waits

PROGRAM = """\
HloModule jit_train_step, is_scheduled=true, entry_computation_layout={(f32[20,784]{1,0})->f32[784,32]{1,0}}

FileNames
1 "/home/someone/mlp-bench/mlp/backends/jax/program.py"
2 "/home/someone/mlp-bench/run.py"

FunctionNames
1 "Program.train_step.<locals>.<listcomp>"
2 "Program._logits"
3 "<module>"

FileLocations
1 {file_name_id=1 function_name_id=1 line=50 end_line=50 column=12 end_column=89}
2 {file_name_id=1 function_name_id=2 line=82 end_line=82 column=29 end_column=87}
3 {file_name_id=2 function_name_id=3 line=7 end_line=7 column=0 end_column=9}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
4 {file_location_id=2 parent_frame_id=1}
5 {file_location_id=3 parent_frame_id=1}

%fused_product (p0: f32[20,784], p1: f32[784,32], p2: f32[32]) -> f32[20,32] {
  %p0 = f32[20,784]{1,0} parameter(0)
  %p1 = f32[784,32]{1,0} parameter(1)
  ROOT %dot_general.9 = f32[20,32]{1,0} dot(%p0, %p1), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

ENTRY %main (images.1: f32[20,784], w.1: f32[784,32]) -> f32[784,32] {
  %images.1 = f32[20,784]{1,0} parameter(0)
  %w.1 = f32[784,32]{1,0} parameter(1)
  %bits = u32[20,32]{1,0} custom-call(), metadata={op_name="jit(f)/jit(_bernoulli)/add" stack_frame_id=4}
  %ynn_fusion.1 = f32[20,32]{1,0} fusion(%images.1, %w.1), kind=kCustom, calls=%fused_product, \
metadata={op_name="jit(f)/jvp()/dot_general" stack_frame_id=4}
  %mask = f32[20,32]{1,0} fusion(%ynn_fusion.1, %bits), kind=kLoop, \
metadata={op_name="jit(f)/select_n" stack_frame_id=4}
  %dot = f32[784,32]{1,0} dot(%images.1, %mask), lhs_contracting_dims={0}, rhs_contracting_dims={0}, \
metadata={op_name="jit(f)/transpose" stack_frame_id=4}
  %bitcast.1 = f32[784,32]{1,0} bitcast(%dot)
  %scores = f32[20,32]{1,0} fusion(%mask), kind=kLoop, metadata={op_name="jit(f)/log_softmax/exp" stack_frame_id=5}
  %copy.3 = f32[784,32]{1,0} copy(%w.1)
  ROOT %sub = f32[784,32]{1,0} fusion(%copy.3, %bitcast.1), kind=kLoop, metadata={op_name="jit(f)/sub" stack_frame_id=1}
}
"""
FLOP = 2 * 20 * 784 * 32


@pytest.fixture
def program():
    return HloProgram.parse(PROGRAM)


def test_a_product_is_found_whichever_side_is_contracted_and_inside_a_fusion(program):
    assert program.products(program.instructions["ynn_fusion.1"]) == [(20, 32, 784)]
    assert program.products(program.instructions["dot"]) == [(784, 32, 20)]
    assert program.products(program.instructions["mask"]) == []


def test_bytes_are_those_of_operands_and_output(program):
    assert program.num_bytes(program.instructions["dot"]) == 4 * (20 * 784 + 20 * 32 + 784 * 32)


def test_the_source_is_the_projects_line_without_the_machines_folders(program):
    assert program.source(program.instructions["dot"]) == ("mlp/backends/jax/program.py:82", "Program._logits")
    assert program.source(program.instructions["scores"])[0] is None
    assert program.source(program.instructions["copy.3"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bits", "rng"),
        ("ynn_fusion.1", "gemm"),
        ("mask", "elementwise"),
        ("dot", "gemm"),
        ("scores", "softmax"),
        ("copy.3", "copy"),
        ("sub", "update"),
    ],
)
def test_an_instruction_is_of_the_kind_that_its_origin_says(program, name, kind):
    assert kind_of(program, program.instructions[name]) == kind


def test_another_text_is_an_empty_program():
    assert HloProgram.parse("no HLO\n%at all\n").instructions == {}


# --- traces -----------------------------------------------------------------------------------------------------


def operation(name, start_us, end_us, thread=1, run="7"):
    arguments = {"hlo_op": name, "hlo_module": "jit_train_step", "run_id": run}
    return {
        "ph": "X",
        "pid": 1,
        "tid": thread,
        "ts": start_us,
        "dur": end_us - start_us,
        "name": name,
        "args": arguments,
    }


def trace_folder(tmp_path, *events):
    thread = {"ph": "M", "pid": 1, "tid": 1, "name": "thread_name", "args": {"name": "tf_XLAEigen/-32"}}
    folder = tmp_path / "plugins" / "profile" / "2026"
    folder.mkdir(parents=True)
    with gzip.open(folder / "vm.trace.json.gz", "wt") as file:
        json.dump({"traceEvents": [thread, *events]}, file)
    return tmp_path


def test_a_trace_is_read_run_by_run_and_what_is_no_operation_is_left_out(tmp_path):
    host = {"ph": "X", "pid": 1, "tid": 9, "ts": 0, "dur": 5, "name": "PjitFunction"}
    minibatch = {"ph": "X", "pid": 1, "tid": 9, "ts": 5, "dur": 2, "name": "minibatch"}
    folder = trace_folder(tmp_path, host, minibatch, operation("dot", 10, 20), operation("dot", 30, 40, run="8"))
    runs, driver = read_trace(folder)
    assert [[span.key for span in spans] for spans in runs.values()] == [[("jit_train_step", "dot")]] * 2
    assert next(iter(runs.values()))[0].thread == "tf_XLAEigen 1"
    assert [(span.key, round(span.end - span.start, 9)) for span in driver] == [("minibatch", 2e-6)]


def test_an_empty_trace_holds_no_runs(tmp_path):
    assert read_trace(tmp_path) == ({}, [])


def test_the_gap_before_an_operation_belongs_to_the_product_that_it_waited_for(tmp_path, program):
    """``dot`` is started in 1 µs and computed on unrecorded threads, until ``sub`` begins."""
    runs, _ = read_trace(trace_folder(tmp_path, operation("dot", 10, 11), operation("sub", 111, 121)))
    (spans,) = runs.values()
    seconds = shared_seconds([*spans, *waits(spans, program)])
    assert seconds["jit_train_step", "dot"] == pytest.approx(101e-6)
    assert seconds["jit_train_step", "sub"] == pytest.approx(10e-6)


def test_a_gap_that_no_product_explains_stays_the_hosts(tmp_path, program):
    runs, _ = read_trace(trace_folder(tmp_path, operation("dot", 0, 10), operation("copy.3", 50, 60)))
    (spans,) = runs.values()
    assert waits(spans, program) == []


def test_a_product_that_still_runs_on_another_thread_leaves_no_gap(tmp_path, program):
    events = (operation("dot", 0, 10), operation("mask", 5, 45, thread=2), operation("sub", 40, 50))
    runs, _ = read_trace(trace_folder(tmp_path, *events))
    (spans,) = runs.values()
    assert waits(spans, program) == []
