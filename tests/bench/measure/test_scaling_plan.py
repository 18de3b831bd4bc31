"""Plans of the scaling harnesses: cases, counts and cores on fake machines, and what is refused."""

from dataclasses import replace

import pytest

from bench.errors import BenchError
from bench.machine.topology import LogicalCore
from bench.measure.case import FULL, QUICK, Case, Stack
from bench.measure.scaling import (
    ScalingCounts,
    check_devices,
    check_threads,
    cores_of_case,
    read_counts,
    scaling_counts,
    scaling_plan,
)

STACKS = (
    Stack("theano", "tuned", "cpu", caches_code=True),
    Stack("jax", "scan", "cpu", caches_code=True),
    Stack("jax", "scan", "cuda", caches_code=True),
)


def cores(count, threads_per_core=1):
    """Logical cores in the order of placement, siblings last."""
    physical = count // threads_per_core
    return [LogicalCore(number, number % physical, 0, 0, number // physical) for number in range(count)]


def plan(*harnesses, counts=None, stacks=STACKS, effort=FULL):
    counts = counts or scaling_counts(cores=cores(4))
    return scaling_plan(effort, harnesses=harnesses, stacks=stacks, counts=counts, dataset="mnist")


def test_each_stack_on_the_cpu_and_each_engine_is_measured_with_each_number_of_threads():
    found = [(p.case.backend, p.case.variant, p.case.threads) for p in plan("threads")]
    assert sorted(found, key=str) == sorted(
        [
            (backend, variant, threads)
            for backend, variant in ((None, None), ("jax", None), ("theano", "tuned"), ("jax", "scan"))
            for threads in (1, 2, 4)
        ],
        key=str,
    )


def test_a_full_run_has_the_processes_of_an_interval_and_a_run_without_the_harness_has_none():
    assert {p.replicates for p in plan("threads")} == {3}
    assert plan("epoch") == [] and plan("threads", stacks=STACKS[2:]) == []
    assert {p.replicates for p in plan("threads", effort=QUICK.with_processes(7))} == {7}


def test_labels_name_the_threads():
    labels = [p.case.label for p in plan("threads", stacks=STACKS[:1])]
    assert labels[0] == "threads host 1 thread" and labels[-1] == "threads theano/tuned cpu warm 4 threads"


def test_counts_end_with_all_threads_and_splits_use_each_core_once():
    found = scaling_counts(cores=cores(6))
    assert (found.threads, found.most_threads) == ((1, 2, 4, 6), 6)
    assert found.splits == ((1, 1), (1, 3), (1, 6), (2, 3), (4, 1), (6, 1))


def test_two_cores_are_two_points():
    assert scaling_counts(cores=cores(2)) == ScalingCounts(
        2, (1, 2), ((1, 1), (1, 2), (2, 1)), {"cpu": (1, 2), "cuda": ()}
    )


def test_one_core_is_one_point():
    found = scaling_counts(cores=cores(1))
    assert (found.threads, found.splits, found.devices["cpu"]) == ((1,), ((1, 1),), (1,))


def test_counts_that_are_asked_for_include_the_base():
    assert scaling_counts((3,), cores=cores(4)).threads == (1, 3)


def test_more_threads_than_can_run_are_refused_with_the_reason():
    with pytest.raises(BenchError, match=r"--counts 5 is more than the 4 threads .*affinity.*quota"):
        check_threads(5, 4, "--counts")
    with pytest.raises(BenchError, match="--threads 3 is more than the 2 threads"):
        check_threads(3, 2, "--threads")


@pytest.mark.parametrize("text", ["", "0", "1,,2", "two", "1;2", "-1", "²", "9" * 20])
def test_what_is_no_list_of_counts_is_refused(text):
    with pytest.raises(BenchError, match="names no counts"):
        read_counts(text)


def test_counts_are_sorted_and_told_once():
    assert read_counts("4, 1,2,2") == (1, 2, 4)


def test_a_case_is_pinned_to_as_many_cores_as_it_has_threads():
    case = Case("threads", "theano", "tuned", "cpu", 3, "mnist")
    assert cores_of_case(case, cores(8, 2)) == [0, 1, 2]
    assert cores_of_case(case, []) == []
    assert cores_of_case(Case("epoch", "theano", "tuned", "cpu", 3, "mnist"), cores(8)) == []


def test_every_split_and_every_training_alone_is_a_case_of_copies():
    cases = [p.case for p in plan("copies", stacks=STACKS[:1], counts=scaling_counts(cores=cores(4)))]
    assert [(one.copies, one.threads) for one in cases] == [(1, 1), (1, 2), (1, 4), (2, 2), (4, 1)]
    assert {one.num_epochs for one in cases} == {20}
    assert cases[3].label == "copies theano/tuned cpu warm 2 x 2 threads"
    assert cores_of_case(cases[3], cores(8, 2)) == [0, 1, 2, 3]


TORCH = Stack("torch", "eager", "cpu")


def devices_plan(stacks, counts):
    cases = [planned.case for planned in plan("devices", counts=counts, stacks=stacks)]
    return [(one.variant, one.devices, one.batch_size, one.threads) for one in cases]


def test_devices_are_the_plain_training_and_each_count_strong_and_weak():
    assert devices_plan((TORCH,), scaling_counts(cores=cores(4))) == [
        ("eager", None, 500, 4),
        ("ddp", 1, 500, 4),
        ("ddp", 2, 500, 2),
        ("ddp", 2, 1000, 2),
    ]


def test_a_batch_that_jax_cannot_divide_is_measured_weak_only():
    found = devices_plan(STACKS[1:2], scaling_counts((3,), cores=cores(4)))
    assert found == [("step", None, 500, 4), ("sharded", 1, 500, 4), ("sharded", 3, 1500, 4)]


def test_gpus_are_counted_up_to_those_that_are_there():
    counts = scaling_counts(cores=cores(8), num_gpus=6)
    assert counts.devices == {"cpu": (1, 2), "cuda": (1, 2, 4, 6)}
    assert devices_plan((replace(TORCH, device="cuda"),), scaling_counts(cores=cores(8))) == []


def test_gpus_may_be_more_than_the_cores_of_their_processes():
    counts = scaling_counts((8,), cores=cores(2), num_gpus=8)
    assert counts.devices["cuda"] == (8,) and counts.threads == (1,)
    stacks = (replace(TORCH, device="cuda"),)
    check_devices(counts, stacks, (8,))
    assert devices_plan(stacks, counts) == [("eager", None, 500, 2), ("ddp", 8, 500, 1), ("ddp", 8, 4000, 1)]
    with pytest.raises(BenchError, match="--counts 9 is more than the 8 GPUs here"):
        asked = (8, 9)
        check_devices(scaling_counts(asked, cores=cores(2), num_gpus=8), stacks, asked)


def test_the_harness_devices_needs_a_data_parallel_backend_and_enough_gpus():
    counts = scaling_counts((4,), cores=cores(8), num_gpus=2)
    with pytest.raises(BenchError, match="the harness devices needs jax or torch among the stacks"):
        check_devices(counts, STACKS[:1], ())
    with pytest.raises(BenchError, match="--counts 4 is more than the 2 GPUs here"):
        check_devices(scaling_counts((2, 4), cores=cores(8), num_gpus=2), STACKS, (2, 4))
    check_devices(counts, (TORCH,), (4,))


@pytest.mark.parametrize("threads, few", [((1,), (1,)), ((1, 2), (1, 2)), ((1, 2, 4, 8, 16), (1, 4, 16))])
def test_a_quick_run_has_at_most_three_numbers_of_threads(threads, few):
    assert ScalingCounts(threads[-1], threads, ()).with_few_threads().threads == few
