"""The runner interleaves, records each replicate before the next, survives interruption, and resumes."""

from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from bench.errors import RecordError
from bench.machine.topology import own_cores
from bench.measure import runner
from bench.measure.case import FULL, Case, PlannedCase, Stack, make_plan
from bench.measure.runner import Step, WorkerPool, execute, interleave, measured
from bench.measure.worker import WorkerResult
from bench.records.header import RunHeader
from bench.records.run_folder import SCHEMA_VERSION, RunFolder

A, B, C = (Case(harness, "theano", "as_published", "cpu", 2, "mnist") for harness in ("epoch", "batch_size", "compile"))
PLAN = [PlannedCase(A, 3, 60, 1), PlannedCase(B, 2, 60, 1), PlannedCase(C, 1, 60, 1)]
OK = WorkerResult([{"name": "train_epoch", "seconds": [1.0], "params": {}, "extra": {}}], None, 1.5)
FAILED = WorkerResult([], "it crashed (SIGSEGV): it printed nothing", 0.5)


class SilentProgress:
    def expect(self, steps, later_seconds):
        pass

    def start(self, planned, replicate):
        pass

    def finish(self, planned, outcome):
        pass


@pytest.fixture
def folder(tmp_path):
    plan = tuple(planned.to_entry() for planned in PLAN)
    return RunFolder.create(tmp_path, RunHeader(SCHEMA_VERSION, "run", "running", "full", plan))


def names(steps):
    return [step.planned.case.harness for step in steps]


def test_cases_alternate_instead_of_running_in_blocks():
    assert names(interleave(PLAN)) == ["epoch", "batch_size", "compile", "epoch", "batch_size", "epoch"]


def test_what_is_done_is_left_out():
    assert names(interleave(PLAN, {(A, 0), (C, 0)})) == ["batch_size", "epoch", "batch_size", "epoch"]


def test_nothing_is_left_of_a_finished_plan():
    assert list(interleave(PLAN, {(A, 0), (A, 1), (A, 2), (B, 0), (B, 1), (C, 0)})) == []


def test_an_empty_plan_has_no_steps():
    assert list(interleave([])) == []


def test_a_step_knows_its_round():
    assert next(interleave(PLAN, {(A, 0), (B, 0), (B, 1), (C, 0)})) == Step(PLAN[0], 1)


def test_what_is_compared_is_measured_side_by_side():
    """Four stacks: the epochs of a round are neighbours, and so are the reference runs of a seed."""
    names = (("theano", "as_published"), ("theano", "tuned"), ("jax", "scan"), ("torch", "eager"))
    stacks = tuple(Stack(backend, variant, "cpu") for backend, variant in names)
    plan = make_plan(FULL, stacks=stacks, threads=2, dataset="mnist", optimizations=("update",))
    order = [(step.round, step.planned.case) for step in interleave(plan)]
    assert [number for number, _ in order] == sorted(number for number, _ in order)
    for number, seed in enumerate(FULL.reference_seeds):
        harnesses = [case.harness for at, case in order if at == number]
        assert len(list(groupby(harnesses))) == len(set(harnesses))  # each harness is one block of the round
        for harness in ("epoch", "reference"):
            cases = [case for at, case in order if at == number and case.harness == harness]
            assert [(case.backend, case.variant) for case in cases] == list(names)
        assert {case.seed for at, case in order if at == number and case.harness == "reference"} == {seed}


def test_a_run_measures_its_whole_plan_and_is_complete(folder):
    seen = []
    execute(folder, lambda case: seen.append(case) or OK, SilentProgress())
    assert Counter(seen) == {A: 3, B: 2, C: 1}
    again = RunFolder.open(folder.path)
    assert again.header.status == "complete"
    assert [r["status"] for r in again.replicates()] == ["ok"] * 6


def test_a_failed_case_does_not_stop_the_others(folder):
    execute(folder, lambda case: FAILED if case == B else OK, SilentProgress())
    replicates = folder.replicates()
    assert Counter(r["status"] for r in replicates) == {"ok": 4, "failed": 2}
    assert {r["reason"] for r in replicates if r["status"] == "failed"} == {FAILED.reason}


def test_an_interrupted_run_keeps_what_it_has_and_resumes_with_the_rest(folder):
    outcomes = iter([OK, OK])

    def interrupted_after_two(case):
        try:
            return next(outcomes)
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        execute(folder, interrupted_after_two, SilentProgress())
    reopened = RunFolder.open(folder.path)
    assert reopened.header.status == "interrupted"
    assert measured(reopened) == {(A, 0), (B, 0)}

    resumed = []
    execute(reopened, lambda case: resumed.append(case) or OK, SilentProgress())
    assert Counter(resumed) == {A: 2, B: 1, C: 1}
    assert RunFolder.open(folder.path).header.status == "complete"


def test_a_resumed_run_tries_failed_replicates_again(folder):
    execute(folder, lambda case: FAILED if case == C else OK, SilentProgress())
    resumed = []
    execute(folder, lambda case: resumed.append(case) or OK, SilentProgress())
    assert resumed == [C]


def test_a_replicate_that_failed_is_measured_again_in_its_own_round(folder):
    outcomes = iter([FAILED, *[OK] * 5])
    execute(folder, lambda case: next(outcomes), SilentProgress())
    execute(folder, lambda case: OK, SilentProgress())
    rounds = [r["round"] for r in folder.replicates() if r["case"]["harness"] == "epoch" and r["status"] == "ok"]
    assert sorted(rounds) == [0, 1, 2]


def test_a_full_disk_stops_the_run_and_keeps_what_was_measured(folder, monkeypatch):
    append = RunFolder.append

    def full_after_two(self, replicate):
        if len(self.replicates()) == 2:
            raise RecordError("cannot write the record: no space left on device.")
        return append(self, replicate)

    monkeypatch.setattr(RunFolder, "append", full_after_two)
    with pytest.raises(RecordError, match="no space left"):
        execute(folder, lambda case: OK, SilentProgress())
    assert len(RunFolder.open(folder.path).replicates()) == 2


class Recorded(WorkerPool):
    """A pool whose workers do nothing but tell which compile directory they were given."""

    def __init__(self, tmp_path, reason=None):
        self.warnings = []
        super().__init__(PLAN, tmp_path, False, self.warnings.append)
        self.given = []
        self._reason = reason

    def _run(self, case, compile_directory):
        self.given.append((case.harness, case.cache, compile_directory))
        self._count += 1
        parts = [("train_epoch", {}), ("compile", {"harness": "compile"})] if case.harness == "epoch" else []
        measurements = [{"name": name, "seconds": [1.0], "params": params, "extra": {}} for name, params in parts]
        return WorkerResult(measurements, self._reason, 0.0)


def test_the_first_cold_compilation_primes_the_warm_cache(tmp_path):
    with Recorded(tmp_path) as pool:
        pool.measure(Case("compile", "theano", "as_published", "cpu", 2, "mnist", cache="cold"))
        pool.measure(Case("epoch", "theano", "as_published", "cpu", 2, "mnist", cache="warm"))
        (_, _, primed), (_, _, warm) = pool.given
    assert primed == warm


def test_a_later_cold_compilation_gets_a_fresh_directory(tmp_path):
    cold = Case("compile", "theano", "as_published", "cpu", 2, "mnist", cache="cold")
    with Recorded(tmp_path) as pool:
        for _ in range(3):
            pool.measure(cold)
        directories = [directory for _, _, directory in pool.given]
    assert len(set(directories)) == 3


def test_what_a_framework_keeps_with_its_temporary_files_is_as_cold_as_its_cache(tmp_path, monkeypatch):
    """PyTorch's precompiled header is such a thing, and PyTensor's mode pytorch uses it, too."""
    seen = []
    monkeypatch.setattr(runner.worker, "measure", lambda argv, variables, *_: seen.append(variables) or OK)
    with WorkerPool(PLAN, tmp_path, False, print) as pool:
        for stack in (("torch", "compiled"), ("torch", "compiled"), ("pytensor", "pytorch")):
            pool.measure(Case("compile", *stack, "cpu", 2, "mnist", cache="cold"))
    temporary = [Path(variables["TMPDIR"]) for variables in seen]
    assert [folder.parent for folder in temporary] == [Path(one["TORCHINDUCTOR_CACHE_DIR"]).parent for one in seen]
    assert len(set(temporary)) == 3


def test_a_warm_case_alone_is_primed_first_and_only_once(tmp_path):
    warm = Case("reference", "theano", "as_published", "cpu", 2, "mnist", cache="warm")
    with Recorded(tmp_path) as pool:
        pool.measure(warm)
        pool.measure(warm)
        assert [harness for harness, _, _ in pool.given] == ["compile", "reference", "reference"]


def test_the_first_process_of_epochs_fills_the_cache_itself_and_says_that_it_compiled_cold(tmp_path):
    warm = Case("epoch", "theano", "as_published", "cpu", 2, "mnist", cache="warm")
    with Recorded(tmp_path) as pool:
        outcomes = [pool.measure(warm), pool.measure(warm)]
        pool.measure(replace(warm, harness="reference"))
        assert [harness for harness, _, _ in pool.given] == ["epoch", "epoch", "reference"]
        assert len({directory for _, _, directory in pool.given}) == 1
    caches = [{one["name"]: one["params"].get("cache") for one in outcome.measurements} for outcome in outcomes]
    assert caches == [{"train_epoch": None, "compile": "cold"}, {"train_epoch": None, "compile": None}]


def test_an_ablated_stack_is_primed_for_itself(tmp_path):
    """It compiles other operations: what the whole stack left in the cache does not make it warm."""
    warm = Case("ablation", "theano", "tuned", "cpu", 2, "mnist", cache="warm")
    primed = []
    with Recorded(tmp_path) as pool:
        run = pool._run
        pool._run = lambda case, directory: primed.append((case.harness, case.without)) or run(case, directory)
        for without in (None, "update", "update"):
            pool.measure(replace(warm, without=without))
    assert primed == [
        ("compile", None),
        ("ablation", None),
        ("compile", "update"),
        ("ablation", "update"),
        ("ablation", "update"),
    ]


def test_a_failed_priming_is_a_warning_and_not_the_end(tmp_path):
    warm = Case("batch_size", "theano", "as_published", "cpu", 2, "mnist", cache="warm")
    with Recorded(tmp_path, reason="no compiler") as pool:
        pool.measure(warm)
        assert pool.warnings == ["the compile cache could not be primed: no compiler"]


def test_the_scratch_folder_goes_with_the_pool(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Recorded(tmp_path):
        assert list(tmp_path.glob("mlp-bench-*"))
    assert not list(tmp_path.glob("mlp-bench-*"))


def test_a_case_of_the_threads_runs_on_cores_of_its_own_and_others_on_all(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(runner.worker, "measure", lambda *_: seen.append(len(own_cores())) or OK)
    every = len(own_cores())
    with WorkerPool([], tmp_path, False, print) as pool:
        pool.measure(replace(A, harness="threads", threads=1, variant=None, cache=None))
        pool.measure(replace(A, cache=None))
    assert seen == [min(1, every), every] and len(own_cores()) == every
