"""Cases are values: hashable, readable, and the same after a trip through JSON."""

import json

from bench.case import FULL, HARNESSES, QUICK, Case, Planned, Stack, make_plan

STACKS = (Stack("theano", "as_published", "cpu", caches_code=True), Stack("numpy", "float64", "cpu", "float64"))


def plan(effort=FULL, **more):
    return make_plan(effort, stacks=STACKS, threads=2, dataset="mnist", **more)


def test_a_case_survives_json():
    for planned in plan():
        again = Planned.from_json(json.loads(json.dumps(planned.to_json())))
        assert again == planned
        assert hash(again.case) == hash(planned.case)


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
    seeds = [p.case.seed for p in plan(harnesses=("reference",)) if p.case.backend == "theano"]
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


def test_quick_keeps_every_harness_and_shortens_the_reference_run():
    quick = plan(QUICK)
    assert {p.case.harness for p in quick} == set(HARNESSES)
    assert {p.case.num_epochs for p in quick if p.case.harness == "reference"} == {2}


def test_loading_is_measured_once_and_not_per_backend():
    assert [p.case.backend for p in plan(harnesses=("data",))] == [None]


def test_labels_say_what_is_running():
    labels = [p.case.label for p in plan(QUICK)]
    assert "compile theano/as_published cpu cold" in labels
    assert "reference theano/as_published cpu warm seed 1" in labels
    assert "data" in labels
