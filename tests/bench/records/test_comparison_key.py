"""Comparison keys of a run's stacks: their code, and the versions that they ran."""

import pytest
from example_run import case, header, measurement, replicate, run_header

from bench.records.comparison_key import comparison_keys

PUBLISHED, SCAN = "theano/as_published on cpu", "jax/scan on cpu"


def of(code=None, processes=None, backend="theano", variant="as_published", **changes):
    """The key of the one stack of a run."""
    epoch = replicate(case("epoch", backend=backend, variant=variant), [measurement("train_epoch", [2.0])])
    epoch = epoch if code is None else {**epoch, "code": code}
    found = comparison_keys(run_header(processes=processes or [], **changes), [epoch])
    return found[f"{backend}/{variant} on cpu"]


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ({"code": "aa"}, {"code": "aa"}, True),
        ({"code": "aa"}, {"code": "bb"}, False),
        ({"code": "aa"}, {"code": "aa", "commit": {"id": "9", "dirty": True}}, True),
        ({}, {}, True),  # the commit implies the code
        ({}, {"commit": {"id": "99", "dirty": False}}, None),
        ({}, {"code": "aa"}, None),
        ({"commit": {"id": "1", "dirty": True}}, {"commit": {"id": "1", "dirty": True}}, None),
        ({"commit": None}, {"commit": None}, None),
    ],
)
def test_code_is_equal_different_or_unknown(then, now, same):
    assert of(**then).has_code_of(of(**now)) is same
    if same:
        assert of(**then).digest == of(**now).digest


def test_another_version_of_the_workload_is_other_code():
    processes = [{"backend": "theano", "packages": {}, "libraries": [], "workload": version} for version in (1, 2)]
    one, two = (of("aa", [process]) for process in processes)
    assert one.has_code_of(two) is False
    assert one.has_code_of(of("aa")) is True  # a record without it is of version 1
    assert one.digest != two.digest


def test_other_tuning_parameters_are_another_version_of_tuned_alone():
    """They can send a product to the BLAS, which rounds otherwise."""
    facts = {"backend": "theano", "packages": {}, "libraries": []}
    tunings = [{"parameters": text, "instruction_set": "AVX2"} for text in ("threads=2", "threads=2,weights_2=dense")]
    one, two = (of("aa", [{**facts, "tuning": tuning}], variant="tuned") for tuning in tunings)
    assert one.versions == {"tuning": "threads=2", "instruction set": "AVX2"}
    assert one.other_versions(two) == ["tuning threads=2, then threads=2,weights_2=dense"]
    assert one.digest != two.digest
    assert of("aa", [{**facts, "tuning": tunings[0]}]).versions == {}


def test_a_digest_is_unknown_where_the_code_is():
    assert of(commit=None).digest is None


def test_versions_are_those_of_the_measured_process_and_of_what_the_stack_runs_on():
    blas = {"library": "scipy.libs/libopenblas.so", "api": "blas", "sha256": "0123456789abcdef"}
    packages = {"theano": "1.0.6", "numpy": "2.1.0", "isal": "1.7"}
    process = {"backend": "theano", "python": "CPython 3.12.1", "packages": packages, "libraries": [blas]}
    other = {"backend": "jax", "packages": {"jax": "0.5"}, "libraries": []}
    key = of("aa", [process, other])
    assert key.versions == {
        "theano": "1.0.6", "numpy": "2.1.0", "Python": "CPython 3.12", "scipy.libs/libopenblas.so": "0123456789ab",
    }  # fmt: skip
    jax = of("aa", [process, other], backend="jax", variant="scan")
    assert "numpy" not in jax.versions and jax.versions["jax"] == "0.5"


def test_a_version_that_one_side_does_not_record_is_no_difference():
    machine = header()["machine"]
    newer = {**machine, "packages": {**machine["packages"], "numpy": "2.1.0", "lasagne": "0.1"}}
    assert of(machine=machine).other_versions(of(machine=newer)) == ["numpy 2.0.0, then 2.1.0"]


def test_a_tree_that_was_edited_during_the_run_has_both_codes():
    found = [{**replicate(case("epoch"), []), "code": code} for code in ("bb", "aa", "bb")]
    found.append({**replicate(case("epoch"), [], reason="it broke"), "code": "cc"})
    assert comparison_keys(run_header(), found)[PUBLISHED].code == "aa+bb"


def test_ablation_and_ceilings_have_no_key_and_loading_has_one():
    without_stack = {"backend": None, "variant": None}
    found = [replicate(case(name, **without_stack), []) for name in ("data", "ceilings", "ablation")]
    assert list(comparison_keys(run_header(), found)) == [""]
