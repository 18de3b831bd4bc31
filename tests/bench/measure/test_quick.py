"""The plan of a quick run: one process of each stack, then what that tells; played with the durations of machines."""

from collections import Counter
from typing import NamedTuple

import pytest

from bench.measure import begin
from bench.measure.case import QUICK, QUICK_HARNESSES, Case, PlannedCase, Stack, make_plan, planned_cases
from bench.measure.choose import Choice
from bench.measure.quick import budget_seconds, first_processes, first_round, settle
from bench.measure.runner import execute
from bench.measure.scaling import ScalingCounts, scaling_plan
from bench.measure.worker import WorkerResult
from bench.records.header import RunHeader
from bench.records.run_folder import SCHEMA_VERSION, RunFolder
from mlp.recipe import CANONICAL


class Costs(NamedTuple):
    """Seconds of a stack: a cold and a warm compilation, a training epoch, and the rest of a process of epochs."""

    cold: float
    warm: float
    train_epoch: float
    rest: float


# Two quiet cores of an AMD EPYC, from the committed records.
CORES_2 = {
    ("theano", "as_published", "cpu"): Costs(20.5, 3.0, 1.84, 10.5),
    ("theano", "tuned", "cpu"): Costs(3.6, 0.7, 0.34, 3.3),
}
# 16 cores and an H200: a process with a warm cache as recorded, and a cold compilation as long as the process that
# filled the cache.  What was not measured there takes what its nearest relative does.
H200 = {
    ("theano", "as_published", "cpu"): Costs(25.0, 4.0, 0.88, 8.0),
    ("theano", "tuned", "cpu"): Costs(6.0, 1.0, 0.22, 3.8),
    ("jax", "scan", "cpu"): Costs(4.3, 1.5, 0.43, 4.2),
    ("jax", "step", "cpu"): Costs(2.7, 1.0, 0.45, 3.3),
    ("torch", "eager", "cpu"): Costs(0.1, 0.1, 0.88, 7.3),
    ("jax", "scan", "cuda"): Costs(22.5, 3.0, 0.0124, 5.9),
    ("jax", "step", "cuda"): Costs(6.6, 2.0, 0.084, 6.4),
    ("torch", "eager", "cuda"): Costs(0.1, 0.1, 0.06, 10.0),
    ("torch", "graph", "cuda"): Costs(0.3, 0.3, 0.0253, 10.5),
    ("theano", "as_published", "cuda"): Costs(36.0, 9.3, 0.1055, 8.2),
}
OTHERS = {"ceilings": 4.7, "data": 4.0}
SLOW = {**CORES_2, ("torch", "compiled", "cpu"): Costs(66.0, 42.0, 0.47, 5.0)}


class Machine:
    """Measures as fast as its stacks cost; ``broken`` ones fail."""

    def __init__(self, stacks, broken=()):
        self.stacks, self.broken = stacks, broken
        self.measured = []
        self._primed = set()

    @property
    def seconds(self):
        return sum(seconds for _, seconds in self.measured)

    def measure(self, case):
        stack = (case.backend, case.variant, case.device)
        if case.harness in OTHERS:
            return self._outcome(case, OTHERS[case.harness], {})
        costs = self.stacks[stack]
        compiled = costs.warm if stack in self._primed else costs.cold
        self._primed.add(stack)
        if stack in self.broken:
            return WorkerResult([], "it crashed", 1.0)
        if case.harness == "epoch":
            epochs = {"train_epoch": costs.train_epoch, "validate_epoch": 0.0, "compile": compiled}
            return self._outcome(case, compiled + costs.rest, epochs)
        if case.harness == "threads":
            return self._outcome(case, compiled + costs.rest + 2 * costs.train_epoch * (2 / case.threads - 1), {})
        return self._outcome(case, 3.0 + compiled + case.num_epochs * costs.train_epoch, {})

    def _outcome(self, case, wall_seconds, seconds):
        self.measured.append((case, wall_seconds))
        measured = [{"name": name, "seconds": [one], "params": {}, "extra": {}} for name, one in seconds.items()]
        return WorkerResult(measured, None, wall_seconds)


class Silent:
    def expect(self, steps, later_seconds):
        pass

    start = finish = expect


def planned(stacks, **more):
    """The whole plan of a quick run of these stacks, before it is split."""
    chosen = tuple(Stack(*stack, caches_code=costs.cold != costs.warm) for stack, costs in stacks.items())
    shared = {"harnesses": QUICK_HARNESSES, "stacks": chosen, "dataset": "mnist", **more}
    sweep = scaling_plan(QUICK, counts=ScalingCounts(2, (1, 2), ()), **shared)
    return [*make_plan(QUICK, threads=2, optimizations=(), **shared), *sweep]


def quick_run(tmp_path, stacks, budget=None, **more):
    plan = planned(stacks, **more)
    first, candidates = first_round(plan)
    entries, more = (tuple(one.to_entry() for one in part) for part in (first, candidates))
    budget = budget or budget_seconds(one.case for one in plan)
    header = RunHeader(SCHEMA_VERSION, "run", "running", "quick", entries, candidates=more, budget_seconds=budget)
    return RunFolder.create(tmp_path, header)


def counts(machine):
    return Counter((case.harness, case.backend, case.variant, case.device) for case, _ in machine.measured)


def reference_runs(machine):
    return [(case.backend, case.variant, case.device) for case, _ in machine.measured if case.harness == "reference"]


def test_on_two_cores_it_answers_within_a_minute_and_ends_within_two(tmp_path):
    machine = Machine(CORES_2)
    execute(quick_run(tmp_path, CORES_2), machine.measure, Silent())
    harnesses = [case.harness for case, _ in machine.measured]
    assert harnesses[:3] == ["epoch", "epoch", "reference"]  # the answer, before anything that only refines it
    assert sum(seconds for _, seconds in machine.measured[:3]) < 60
    assert reference_runs(machine) == [("theano", "tuned", "cpu")]
    assert [case.num_epochs for case, _ in machine.measured if case.harness == "reference"] == [20]
    assert harnesses.count("epoch") == 6 and {"ceilings", "data"} < set(harnesses)
    sweep = [(case.variant, case.threads) for case, _ in machine.measured if case.harness == "threads"]
    assert sweep == [("tuned", 1), ("tuned", 2)]
    assert machine.seconds < 120


def test_on_a_machine_with_a_gpu_it_ends_within_four_minutes_with_an_answer_of_each_device(tmp_path):
    machine = Machine(H200)
    execute(quick_run(tmp_path, H200), machine.measure, Silent())
    assert reference_runs(machine) == [("theano", "tuned", "cpu"), ("jax", "scan", "cuda")]
    assert all(counts(machine)["epoch", *stack] >= 1 for stack in H200)
    for stack in reference_runs(machine):
        assert counts(machine)["epoch", *stack] == 3  # what answers has an interval
    assert 120 < machine.seconds < 240


def test_what_there_is_no_time_for_is_told(tmp_path):
    folder = quick_run(tmp_path, SLOW, budget=200.0)
    machine = Machine(SLOW)
    execute(folder, machine.measure, Silent())
    assert counts(machine)["epoch", "torch", "compiled", "cpu"] == 1
    told = {one.what: one.reason for one in folder.header.left_out}
    assert told["more than one process of epochs of torch/compiled on cpu"] == "no time for it in a quick run"
    (reference,) = [what for what in told if what.startswith("reference run of ")]
    assert "theano/as_published on cpu, torch/compiled on cpu" in reference and "tuned" not in reference
    assert "scaling with threads of theano/as_published on cpu, torch/compiled on cpu" in told


def test_a_run_that_has_no_time_left_tries_no_other_numbers_of_threads(tmp_path):
    folder, machine = quick_run(tmp_path, CORES_2, budget=105.0), Machine(CORES_2)
    execute(folder, machine.measure, Silent())
    assert not any(case.harness == "threads" for case, _ in machine.measured)
    told = [one.what for one in folder.header.left_out]
    assert "scaling with threads of theano/as_published on cpu, theano/tuned on cpu" in told


def test_more_threads_than_the_first_process_had_are_expected_to_take_no_longer():
    first = Case("epoch", "theano", "tuned", "cpu", 1, "mnist")
    measured = [{"name": "train_epoch", "seconds": [2.0], "params": {}, "extra": {}}]
    entry = {"case": first.to_json(), "status": "ok", "wall_seconds": 9.0, "measurements": measured}
    sweep = [PlannedCase(Case("threads", "theano", "tuned", "cpu", count, "mnist"), 1, 60, 1) for count in (1, 8, 64)]
    settled = settle([PlannedCase(first, 1, 60, 1)], sweep, [entry], budget_seconds=60.0)
    assert [(one.case.threads, one.expected_seconds) for one in settled.plan[1:]] == [(1, 9.0), (8, 9.0), (64, 9.0)]


def test_without_a_budget_every_stack_is_repeated(tmp_path):
    folder = quick_run(tmp_path, SLOW)
    folder.update_header(budget_seconds=None)
    machine = Machine(SLOW)
    execute(folder, machine.measure, Silent())
    assert {count for (harness, *_), count in counts(machine).items() if harness == "epoch"} == {3}


@pytest.mark.parametrize("interrupted_after", range(1, 10))
def test_a_resumed_run_measures_what_the_uninterrupted_one_does(tmp_path, interrupted_after):
    whole, machine = Machine(CORES_2), Machine(CORES_2)
    execute(quick_run(tmp_path / "whole", CORES_2), whole.measure, Silent())
    folder = quick_run(tmp_path / "resumed", CORES_2)

    def interrupted(case):
        if len(machine.measured) == interrupted_after:
            raise KeyboardInterrupt
        return machine.measure(case)

    try:
        execute(folder, interrupted, Silent())
    except KeyboardInterrupt:
        execute(RunFolder.open(folder.path), machine.measure, Silent())
    assert machine.measured == whole.measured
    found = RunFolder.open(folder.path)
    assert found.header.status == "complete" and found.header.candidates == ()
    assert {one.case for one in planned_cases(found.header.plan)} == {case for case, _ in machine.measured}


def test_a_stack_that_fails_is_neither_the_fastest_nor_started_again(tmp_path):
    machine = Machine(CORES_2, broken=[("theano", "tuned", "cpu")])
    folder = quick_run(tmp_path, CORES_2, budget=600.0)
    execute(folder, machine.measure, Silent())
    assert reference_runs(machine) == [("theano", "as_published", "cpu")]
    assert counts(machine)["epoch", "theano", "as_published", "cpu"] == 3
    assert "its first process failed" in [one.reason for one in folder.header.left_out]
    assert sum(one.case.variant == "tuned" and one.replicates > 1 for one in planned_cases(folder.header.plan)) == 0


def test_if_every_stack_fails_the_rest_is_measured_all_the_same(tmp_path):
    machine = Machine(CORES_2, broken=list(CORES_2))
    folder = quick_run(tmp_path, CORES_2)
    execute(folder, machine.measure, Silent())
    assert {case.harness for case, _ in machine.measured} == {"ceilings", "data"}
    assert folder.header.status == "complete"


def test_canonical_precision_answers_before_a_faster_row_of_less(tmp_path):
    cases = [
        Case("epoch", "jax", variant, "cuda", 16, "mnist", precision=precision)
        for variant, precision in (("scan", "float32"), ("scan_tf32", "tf32"))
    ]
    plan = [PlannedCase(case, 1, 60, 1) for case in cases]
    references = [
        PlannedCase(Case(**{**case.to_json(), "harness": "reference", "num_epochs": 20}), 1, 60, 1) for case in cases
    ]
    replicates = [
        {
            "case": case.to_json(),
            "status": "ok",
            "wall_seconds": 9.0,
            "measurements": [{"name": "train_epoch", "seconds": [seconds], "params": {}, "extra": {}}],
        }
        for case, seconds in zip(cases, (0.0124, 0.0089), strict=True)
    ]
    assert [one.case.variant for one in first_processes(replicates)] == ["scan_tf32", "scan"]
    settled = settle(plan, references, replicates, None)
    assert [one.case.variant for one in settled.plan if one.case.harness == "reference"] == ["scan"]


@pytest.mark.parametrize("sample", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_a_clock_that_went_wrong_makes_no_stack_the_fastest(sample):
    def entry(variant, seconds):
        measured = [{"name": "train_epoch", "seconds": seconds, "params": {}, "extra": {}}]
        case = Case("epoch", "theano", variant, "cpu", 2, "mnist")
        return {"case": case.to_json(), "status": "ok", "wall_seconds": 9.0, "measurements": measured}

    found = first_processes([entry("tuned", [0.3, sample]), entry("as_published", [2.0, 2.0])])
    assert [one.case.variant for one in found] == ["as_published"]


def test_without_epochs_there_is_nothing_to_settle():
    plan = [one for one in planned(CORES_2) if one.case.harness != "epoch"]
    assert first_round(plan) == (plan, [])


@pytest.mark.parametrize("threads, swept", [((1,), False), ((1, 2), True)])
def test_one_core_has_nothing_to_scale_with(monkeypatch, threads, swept):
    counts = ScalingCounts(threads[-1], threads, ())
    monkeypatch.setattr(begin, "scaling_counts", lambda asked, **known: counts)
    choice = Choice(stacks=[Stack("theano", "tuned", "cpu")])

    def plan(request):
        effort, known = begin._effort(request), begin._counts(request, choice, num_gpus=0)
        return begin._plan(request, choice, effort, known, "mnist", CANONICAL, ())

    for quick in (True, False):
        assert any(one.case.harness == "threads" for one in plan(begin.RunRequest(quick=quick))) == swept
    named = plan(begin.RunRequest(harnesses=("threads",)))
    assert {one.case.harness for one in named} == {"threads"}
