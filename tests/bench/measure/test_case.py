"""Cases are values: hashable, readable, and the same after a trip through JSON."""

from dataclasses import replace

import msgspec
import pytest

from bench.measure.case import FULL, HARNESSES, QUICK, Case, Stack, make_plan, more_seeds, planned_cases
from bench.records.header import PlanEntry

STACKS = (
    Stack("theano", "as_published", "cpu", caches_code=True),
    Stack("theano", "tuned", "cpu", caches_code=True),
    Stack("numpy", "float64", "cpu", "float64"),
)
OPTIMIZATIONS = ("dropout", "update")


def plan(effort=FULL, stacks=STACKS, optimizations=OPTIMIZATIONS, **more):
    return make_plan(effort, stacks=stacks, threads=2, dataset="mnist", optimizations=optimizations, **more)


def test_a_case_survives_json():
    written = msgspec.json.encode([planned.to_entry() for planned in plan()])
    again = planned_cases(msgspec.json.decode(written, type=list[PlanEntry]))
    assert again == plan()
    assert {planned.case for planned in again} == {planned.case for planned in plan()}


def test_fields_of_a_newer_version_are_ignored():
    case = plan()[0].case
    assert Case.from_json({**case.to_json(), "colour": "green"}) == case


def test_a_case_carries_the_precision_of_its_stack():
    found = {(p.case.backend, p.case.precision) for p in plan()}
    assert found == {(None, None), ("theano", "float32"), ("numpy", "float64")}


def test_every_case_of_a_plan_is_distinct():
    cases = [planned.case for planned in plan()]
    assert len(set(cases)) == len(cases)


def test_each_seed_of_the_reference_run_is_a_case_of_its_own():
    seeds = [p.case.seed for p in plan(harnesses=("reference",)) if p.case.variant == "as_published"]
    assert seeds == [1, 2, 3, 4, 5]


def test_only_a_backend_with_a_cache_on_disk_is_compiled_cold():
    cold = {p.case.backend for p in plan(harnesses=("compile",)) if p.case.cache == "cold"}
    assert cold == {"theano"}


def test_a_backend_without_a_cache_on_disk_has_no_state_of_one():
    states = {(p.case.backend, p.case.cache) for p in plan() if p.case.backend}
    assert states == {("theano", "cold"), ("theano", "warm"), ("numpy", None)}


def test_the_chosen_harnesses_and_no_others_are_planned():
    for harness in HARNESSES:
        assert {p.case.harness for p in plan(harnesses=(harness,))} == {harness}


def test_a_quick_run_runs_all_epochs_of_one_seed():
    assert {(p.case.num_epochs, p.case.seed) for p in plan(QUICK, harnesses=("reference",))} == {(20, 1)}


def test_loading_is_measured_once_and_not_per_backend():
    assert [p.case.backend for p in plan(harnesses=("data",))] == [None]


def test_a_case_from_before_the_ablation_leaves_nothing_out():
    record = plan()[0].case.to_json()
    del record["without"]
    assert Case.from_json(record).without is None


def test_the_ablation_leaves_each_optimization_out_once_beside_the_whole_the_published_graph_and_the_floor():
    rows = [(p.case.backend, p.case.variant, p.case.without) for p in plan(harnesses=("ablation",))]
    assert rows == [
        ("theano", "tuned", None),
        ("theano", "tuned", "dropout"),
        ("theano", "tuned", "update"),
        ("theano", "as_published", None),
        (None, None, None),
    ]


@pytest.mark.parametrize("missing", ["tuned", "as_published"])
def test_without_both_variants_of_theano_there_is_no_ablation(missing):
    stacks = tuple(stack for stack in STACKS if stack.variant != missing)
    assert plan(stacks=stacks, harnesses=("ablation",)) == []


def test_theano_on_a_gpu_is_not_what_the_ablation_measures():
    stacks = (STACKS[0], replace(STACKS[1], device="cuda"))
    assert plan(stacks=stacks, harnesses=("ablation",)) == []


def test_processes_are_those_of_what_is_compared_pair_by_pair():
    def replicates(effort):
        return {p.case.harness: p.replicates for p in plan(effort) if p.case.cache != "cold"}

    more = replicates(FULL.with_processes(15))
    assert more == {**replicates(FULL), "epoch": 15, "ablation": 15, "ceilings": 15}
    assert replicates(QUICK.with_processes(2))["ablation"] == 2


def test_labels_say_what_is_running():
    labels = [p.case.label for p in plan(QUICK.with_processes(1))]
    assert "compile theano/as_published cpu cold" in labels
    assert "reference theano/as_published cpu warm seed 1" in labels
    assert "data" in labels
    assert "ablation theano/tuned cpu warm without dropout" in labels
    assert "ablation eight products" in labels


def test_ceilings_are_the_hosts_and_those_of_each_framework_with_libraries_of_its_own():
    stacks = (*STACKS, Stack("jax", "scan", "cpu"), Stack("jax", "step", "cpu"), Stack("torch", "graph", "cuda"))
    planned = plan(stacks=stacks, harnesses=("ceilings",))
    assert [(p.case.backend, p.case.device) for p in planned] == [(None, "cpu"), ("jax", "cpu"), ("torch", "cuda")]


def test_a_quick_run_measures_the_ceilings_of_frameworks_only_when_it_is_asked_for_them():
    stacks = (Stack("jax", "scan", "cpu"),)
    for effort, engines in ((QUICK, [None]), (replace(QUICK, framework_ceilings=True), [None, "jax"])):
        assert [p.case.backend for p in plan(effort, stacks, harnesses=("ceilings",))] == engines


@pytest.mark.parametrize("effort", [FULL, QUICK.with_processes(2)])
def test_every_round_of_epochs_has_the_ceilings_that_judge_it(effort):
    replicates = {p.case.harness: p.replicates for p in plan(effort, harnesses=("ceilings", "epoch"))}
    assert replicates["ceilings"] == replicates["epoch"] >= 2


RECORDED_SECONDS = {  # a process of as_published and of tuned on two cores: medians of the committed records
    "compile cold": (25.0, 6.0),
    "compile": (7.2, 2.5),
    "epoch": (16.2, 4.6),
    "batch_size": (16.5, 8.9),
    "reference": (50.7, 11.1),
    "ablation": (13.1, 4.3),
    "data": (5.8, 5.8),
    "ceilings": (12.0, 12.0),
}


def test_a_full_run_of_the_default_stacks_takes_less_than_20_minutes_on_two_cores():
    total_seconds, default = 0.0, plan(stacks=STACKS[:2], optimizations=tuple("abcdefgh"))
    for planned in default:
        case = planned.case
        harness = "compile cold" if (case.harness, case.cache) == ("compile", "cold") else case.harness
        total_seconds += planned.replicates * RECORDED_SECONDS[harness][case.variant != "as_published"]
    assert 15 * 60 < total_seconds < 18 * 60
    assert sum(one.replicates * one.expected_seconds for one in default) == pytest.approx(total_seconds, rel=0.15)


def test_a_full_run_has_the_processes_that_its_intervals_need():
    replicates = {p.case.harness: p.replicates for p in plan() if p.case.cache != "cold"}
    assert replicates["epoch"] >= 6 and replicates["batch_size"] >= 4 and replicates["ablation"] >= 3


def test_more_seeds_are_those_that_a_plan_lacks_in_later_rounds():
    planned = plan(harnesses=("reference", "epoch"))
    stacks = {one.case.variant for one in planned if one.case.harness == "reference"}
    added = more_seeds(planned, (4, 5, 6, 7))
    assert {(one.case.variant, one.case.seed, one.first_round) for one in added} == {
        (variant, seed, seed - 1) for variant in stacks for seed in (6, 7)
    }
    assert more_seeds([*planned, *added], (6, 7)) == []
