"""Against a record: what is refused, what drift is divided out, and what stays undecided for want of it."""

import contextlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from bench import cli
from bench.errors import BenchError
from bench.gate import baseline
from bench.gate.config import GateConfig
from bench.gate.drift import BaselineData, judge_against
from bench.gate.verdict import Metric, Verdict
from bench.measure.case import Case, Stack
from bench.measure.git import State
from bench.measure.worker import PROJECT, WorkerResult
from bench.records.run_folder import RunFolder

STEP = Metric("train_epoch")
QUIET = [0.998, 1.0, 1.002, 1.001, 0.999]


def times(factor, values=QUIET):
    return [factor * value for value in values]


def judge(base=QUIET, candidate=QUIET, base_floor=QUIET, candidate_floor=QUIET):
    (judgement,) = judge_against(
        BaselineData({"train_epoch": base}, {"train_epoch": candidate}, base_floor, candidate_floor), (STEP,)
    )
    return judgement


def test_a_slowdown_that_the_floor_does_not_share_is_red():
    assert judge(candidate=times(1.1)).verdict is Verdict.REGRESSED


def test_a_row_of_small_slips_adds_up_against_a_pinned_record():
    """Five slips of 2 %: each is less than what matters, and so is each commit against the one before it."""
    judgements = [judge(candidate=times(1.02**slips)) for slips in range(1, 6)]
    assert [one.verdict for one in judgements] == [Verdict.UNCHANGED] * 2 + [Verdict.REGRESSED] * 3
    assert "slower by" in judgements[0].reason and "slower by" in judgements[1].reason
    assert judge(times(1.02**4), times(1.02**5)).verdict is Verdict.UNCHANGED


def test_a_machine_that_has_become_slower_for_everything_is_not_red():
    judgement = judge(candidate=times(1.3), candidate_floor=times(1.3))
    assert judgement.verdict is Verdict.UNCHANGED
    assert judgement.ratio == pytest.approx(1.0)


def test_a_faster_machine_does_not_hide_a_regression():
    assert judge(candidate=times(1.0), candidate_floor=times(0.8)).verdict is Verdict.REGRESSED


def test_noise_in_the_floor_widens_the_interval_until_nothing_is_decided():
    assert judge(candidate=times(1.1), candidate_floor=[0.8, 1.0, 1.25]).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("floor", [[], [1.0]])
def test_without_a_floor_in_both_nothing_is_decided(floor):
    for side in ("base_floor", "candidate_floor"):
        judgement = judge(candidate=times(2.0), **{side: floor})
        assert judgement.verdict is Verdict.UNDECIDED
        assert "drift is unknown" in judgement.reason


@pytest.mark.parametrize("value", [math.nan, 0.0, -1.0, math.inf])
def test_values_that_are_none_decide_nothing(value):
    for side in ("base", "candidate", "base_floor", "candidate_floor"):
        assert judge(**{side: [1.0, value, 1.0]}).verdict is Verdict.UNDECIDED


def test_one_process_decides_nothing_and_none_is_not_measured():
    assert judge(candidate=[2.0]).verdict is Verdict.UNDECIDED
    assert judge(candidate=[]).verdict is Verdict.NOT_MEASURED
    assert judge(base=[]).verdict is Verdict.NOT_MEASURED


def test_with_a_constant_floor_the_interval_is_welchs():
    base, candidate = [1.0, 1.1, 0.95, 1.05], [1.2, 1.15, 1.3]
    judgement = judge(base, candidate, [1.0, 1.0], [1.0, 1.0])
    # scipy.stats.ttest_ind with unequal variances is the outside oracle
    expected = stats.ttest_ind(np.log(candidate), np.log(base), equal_var=False).confidence_interval(0.95)
    assert (judgement.low, judgement.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))


def test_red_needs_more_evidence_the_more_metrics_are_judged():
    candidate = [1.06, 1.10, 1.08]
    many = tuple(Metric(f"metric_{number}") for number in range(40))
    names = [metric.name for metric in many]
    then = BaselineData(dict.fromkeys(names, QUIET), dict.fromkeys(names, candidate), QUIET, QUIET)
    assert judge_against(then, many[:1])[0].verdict is Verdict.REGRESSED
    assert judge_against(then, many)[0].verdict is Verdict.UNDECIDED


RECORD = PROJECT / "results" / "records" / "amd-epyc-2-cores" / "2026-11-24-7b3b1d4"


@pytest.fixture(scope="module")
def record():
    return RunFolder.open(RECORD)


@pytest.fixture(scope="module")
def here(record):
    """This machine, if it were that of the record."""
    return {
        "machine": dict(record.header.machine),
        "dataset": record.header.dataset["sha256"],
        "recipe": baseline._recipe(),
    }


def test_a_record_of_this_machine_is_accepted(record, here):
    baseline.refuse_another_machine(record.header, here)


def test_a_record_of_another_machine_is_refused_with_all_differences(record, here):
    other = {**here, "machine": {**here["machine"], "cpu_model": "Cray-1", "usable_cores": 1}, "dataset": {}}
    with pytest.raises(BenchError) as caught:
        baseline.refuse_another_machine(record.header, other)
    text = str(caught.value)
    assert "its cpu_model is AMD EPYC, here is Cray-1" in text
    assert "its usable_cores is 2, here is 1" in text
    assert "its dataset is mnist, and here are other files" in text


def test_a_record_of_a_processor_with_another_cache_is_refused(record, here):
    machines = [{**here["machine"], "l3_bytes": size} for size in (2**25, 2**24)]
    with pytest.raises(BenchError, match=f"its l3_bytes is {2**25}, here is {2**24}"):
        baseline.refuse_another_machine(replace(record.header, machine=machines[0]), {**here, "machine": machines[1]})


def test_what_an_older_record_does_not_say_is_no_difference(record, here):
    older = {name: value for name, value in record.header.machine.items() if name != "numa_nodes"}
    baseline.refuse_another_machine(replace(record.header, machine=older), here)


def test_a_record_that_does_not_say_which_processor_it_is_of_is_refused(record, here):
    with pytest.raises(BenchError, match="its processor is unknown"):
        baseline.refuse_another_machine(replace(record.header, machine={}), here)


def test_a_record_with_another_recipe_is_refused(record, here):
    header = replace(record.header, recipe={**record.header.recipe, "learning_rate": 0.5})
    with pytest.raises(BenchError, match=r"its learning_rate is 0.5, here is 0.001"):
        baseline.refuse_another_machine(header, here)


def test_an_upgrade_of_a_package_is_what_one_may_want_to_judge(record, here):
    baseline.refuse_another_machine(record.header, {**here, "machine": {**here["machine"], "python": "CPython 3.13"}})


def test_the_case_is_that_of_the_record_or_a_sentence(record):
    recorded = record.replicates()
    assert baseline.epoch_case(recorded, Stack("theano", "tuned", "cpu"), RECORD).batch_size == 500
    with pytest.raises(BenchError, match="holds no epochs of jax/step on cuda"):
        baseline.epoch_case(recorded, Stack("jax", "step", "cuda"), RECORD)


CEILINGS = Case("ceilings", None, None, "cpu", 2, "mnist")
FLOOR = Case("ablation", None, None, "cpu", 2, "mnist", batch_size=500)


def replicate(case, status="ok", **seconds):
    measurements = [{"name": name, "seconds": values} for name, values in seconds.items()]
    return {"case": case.to_json(), "status": status, "measurements": measurements, "reason": None}


@pytest.fixture
def on_the_same_machine(monkeypatch, record):
    """The gate's command on the machine of the record, where everything takes ``factor`` times as long as then."""
    from mlp import dataset

    header = record.header
    floors = [replicate(FLOOR, eight_products=[seconds]) for seconds in (0.0071, 0.0069, 0.0070, 0.0072)]
    recorded = [*record.replicates(), *floors]
    monkeypatch.setattr(RunFolder, "replicates", lambda self: recorded)
    identity = dataset.Identity("mnist", header.dataset["sha256"])
    monkeypatch.setattr(dataset, "locate", lambda directory: dataset.Source(Path(), "directory"))
    monkeypatch.setattr(dataset, "identify", lambda directory: identity)
    monkeypatch.setattr(baseline.fingerprint, "fingerprint", lambda: header.machine)
    monkeypatch.setattr(cli, "console", cli.Console(soft_wrap=True, width=300))

    def invoke(factor, floor_factor):
        class Pool(contextlib.nullcontext):
            def __enter__(self):
                return self

            def measure(self, case):
                entries = [entry for entry in recorded if Case.from_json(entry["case"]) == case]
                entry = entries[self.count % len(entries)]
                Pool.count += 1
                by = floor_factor if case.is_floor else factor
                slowed = [{**one, "seconds": [by * value for value in one["seconds"]]} for one in entry["measurements"]]
                return WorkerResult(slowed, None, 1.0)

        Pool.count = 0
        monkeypatch.setattr(baseline, "WorkerPool", lambda *arguments: Pool())
        monkeypatch.setattr(baseline, "_measure", lambda measure, cases, *_: _rounds(measure, cases))
        options = ["--baseline", str(RECORD), "--metric", "train_epoch", "--json", "-"]
        result = CliRunner().invoke(cli.main, ["gate", *options])
        assert result.stdout, (result.stderr, result.exception)
        return json.loads(result.stdout)

    return invoke


def _rounds(measure, cases):
    found = []
    for case in cases * 8:
        outcome = measure(case)
        measured = {"measurements": outcome.measurements, "reason": outcome.reason}
        found.append({"case": case.to_json(), "status": outcome.status, **measured})
    return found, 60.0


def test_the_command_tells_a_change_from_a_drift_and_how_far_it_can_be_trusted(on_the_same_machine):
    slower = on_the_same_machine(factor=2.0, floor_factor=1.0)
    assert slower["exit_code"] == 1, slower
    drifted = on_the_same_machine(factor=2.0, floor_factor=2.0)
    assert drifted["exit_code"] in (0, 4)
    said = " ".join(drifted["sentences"])
    assert "A, the base, is the record 2026-11-24-7b3b1d4" in said
    assert "there is no null control" in said
    assert "The ratio of the products of a training step, now / then, is 2.0" in said


def test_a_code_and_versions_of_the_record_are_told_apart_from_others(record, here):
    commit = record.header.commit.id
    epochs = baseline.epoch_case(record.replicates(), Stack("theano", "tuned", "cpu"), RECORD)
    fresh = [replicate(epochs, train_epoch=[1.0])]
    same = "The code of theano/tuned on cpu is that of the record: a difference is not its own."
    assert baseline._since_then(record.header, record.replicates(), here, State(commit, False), fresh) == [same]
    packages = {**here["machine"]["packages"], "theano": "1.0.6"}
    newer = {**here, "machine": {**here["machine"], "packages": packages, "os": "Linux 7"}}
    (changed,) = baseline._since_then(record.header, record.replicates(), newer, State("another", False), fresh)
    assert "theano 1.0.5, then 1.0.6; system" in changed


def test_the_command_refuses_the_record_of_another_machine(monkeypatch, record):
    from mlp import dataset

    other = {**record.header.machine, "cpu_model": "Cray-1"}
    monkeypatch.setattr(dataset, "locate", lambda directory: dataset.Source(Path(), "directory"))
    monkeypatch.setattr(dataset, "identify", lambda directory: dataset.Identity("custom", {}))
    monkeypatch.setattr(baseline.fingerprint, "fingerprint", lambda: other)
    result = CliRunner().invoke(cli.main, ["gate", "--baseline", str(RECORD)])
    assert result.exit_code == cli.BAD_INPUT


def test_a_metric_that_no_record_can_judge_is_refused_before_anything_is_measured():
    with pytest.raises(BenchError, match="a record can only judge train_epoch, validate_epoch, train_step"):
        baseline.against_record(None, GateConfig(measures=("load",)), {})


def test_the_floor_is_the_sum_of_the_ceilings_products_without_the_square_one():
    recorded = [replicate(CEILINGS, gemm_a=[1.0, 2.0, 3.0], gemm_b=[4.0], gemm_square=[100.0], copy=[7.0])] * 2
    assert baseline.floor_case([replicate(FLOOR), *recorded]) == CEILINGS
    assert baseline.floor_values(recorded, CEILINGS) == [6.0, 6.0]


def test_an_older_record_has_the_floor_of_its_ablation_or_none():
    recorded = [replicate(FLOOR, eight_products=[0.007, 0.008, 0.009]), replicate(FLOOR, status="failed")]
    assert baseline.floor_case(recorded) == FLOOR
    assert baseline.floor_values(recorded, FLOOR) == [0.008]
    assert baseline.floor_case([]) is None and baseline.floor_values([], None) == []


def test_rounds_go_on_within_the_budget_and_there_are_two_at_least(monkeypatch):
    seconds = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: 10.0 * next(seconds))
    outcome = WorkerResult([], "it crashed", 1.0)
    for budget_seconds, rounds in ((1.0, 2), (60.0, 6)):
        found, _ = baseline._measure(lambda case: outcome, [CEILINGS, FLOOR], budget_seconds, lambda text: None)
        assert len(found) == 2 * rounds
        assert found[0]["reason"] == "it crashed"


def test_the_drift_is_said_in_numbers_or_called_unknown():
    then = BaselineData({}, {}, times(1.0), times(1.25))
    assert "now / then, is 1.25 (5 and 5 processes)" in then.drift_sentence
    assert "drift is unknown" in BaselineData({}, {}, [], []).drift_sentence
