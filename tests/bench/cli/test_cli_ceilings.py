"""``run --harness ceilings`` and ``profile --diff``: what they print, and one sentence for invalid input."""

import json

import pytest
from example_ceilings import ceilings_replicate
from example_profile import PUBLISHED, RECORDED, TUNED

from bench import cli
from bench.measure.runner import WorkerPool
from bench.measure.worker import WorkerResult


@pytest.fixture
def measured(monkeypatch):
    """Every process ends with the outcome of its turn; the cases that were asked for."""
    cases, outcomes = [], []

    def measure(self, case):
        cases.append(case)
        return outcomes[(len(cases) - 1) % len(outcomes)]

    monkeypatch.setattr(WorkerPool, "measure", measure)
    return cases, outcomes


GOOD = WorkerResult(ceilings_replicate(0)["measurements"], None, 1.0)
BAD = WorkerResult([], "it crashed (SIGSEGV): it printed nothing", 1.0)


def sentence_of(result):
    assert result.exit_code == cli.BAD_INPUT, result.output
    assert "Traceback" not in result.output
    (line,) = result.stderr.strip().splitlines()
    return line


# --- ceilings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def run_ceilings(invoke, tmp_path):
    return lambda *options: invoke("run", "--harness", "ceilings", "--runs-dir", tmp_path / "runs", *options)


def test_ceilings_alone_need_neither_stack_nor_data_and_end_in_the_lower_bound(run_ceilings, measured, monkeypatch):
    cases, outcomes = measured
    outcomes.append(GOOD)
    monkeypatch.setattr("mlp.dataset.locate", None)
    result = run_ceilings("--processes", 2)
    assert result.exit_code == 0, result.output
    assert [(case.harness, case.backend, case.batch_size) for case in cases] == [("ceilings", None, 500)] * 2
    assert "13.5 ms for a training step (92 % of it matrix products)" in result.stdout
    assert "product forward_1" in result.stdout and "100 GFLOP/s, 50 % of the square product's rate" in result.stdout


def test_the_summary_holds_the_ceilings(run_ceilings, measured):
    _, outcomes = measured
    outcomes.append(GOOD)
    (device,) = json.loads(run_ceilings("--backend", "theano", "--device", "cpu", "--json").stdout)["lower_bounds"]
    assert device["step_seconds"] == pytest.approx(13.522724e-3)
    assert {one["name"] for one in device["ceilings"]} >= {"copy", "gemm_square"}


def test_a_failed_process_of_ceilings_costs_only_itself(run_ceilings, measured):
    _, outcomes = measured
    outcomes += [GOOD, BAD]
    result = run_ceilings("--processes", 2)
    assert result.exit_code == cli.FAILED
    assert "it crashed (SIGSEGV)" in result.stdout and "13.5 ms for a training step" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--processes", 0], "must be at least 1"),
        (["--threads", -1], "must be at least 1"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--backend", "caffe"], "unknown backend 'caffe'"),
        (["--batch-size", 0], "batch size must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence(run_ceilings, measured, arguments, sentence):
    cases, _ = measured
    assert sentence in sentence_of(run_ceilings(*arguments))
    assert cases == []


# --- profile --diff ---------------------------------------------------------------------------------------------------


def test_a_diff_names_both_and_what_changed(invoke):
    result = invoke("profile", "--diff", RECORDED / PUBLISHED, RECORDED / TUNED)
    assert result.exit_code == 0, result.output
    assert "From theano/as_published on cpu" in result.stdout and "to theano/tuned on cpu" in result.stdout
    assert "mrg_uniform" in result.stdout


def test_a_diff_as_json_has_a_row_for_each_operation(invoke):
    rows = json.loads(invoke("profile", "--diff", RECORDED / PUBLISHED, RECORDED / TUNED, "--json").stdout)
    assert {"before", "after", "difference_seconds"} < rows[0].keys()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "is not a profile"),
        ("", "is empty"),
        ("{", "is damaged or not a profile"),
        ("[]", "is not a profile of mlp-bench"),
        ('{"traceEvents": []}', "is not a profile of mlp-bench"),
        ('{"schema_version": 99, "operations": []}', "has schema version 99"),
        ('{"schema_version": 1, "operations": [1]}', "is damaged"),
    ],
)
def test_a_foreign_file_is_one_sentence(invoke, tmp_path, content, sentence):
    other = tmp_path / "profile.json"
    if content is not None:
        other.write_text(content)
    assert sentence in sentence_of(invoke("profile", "--diff", RECORDED / TUNED, other))


def test_a_diff_names_the_variables_in_which_two_profiles_differ(invoke, tmp_path):
    for name, passed in (("first", {}), ("second", {"OMP_WAIT_POLICY": "passive"})):
        profile = json.loads((RECORDED / TUNED).read_text()) | {"environment": {"passed": passed, "dropped": []}}
        (tmp_path / name).write_text(json.dumps(profile))
    result = invoke("profile", "--diff", tmp_path / "first", tmp_path / "second")
    note = "The variables of --env differ: none and OMP_WAIT_POLICY=passive."
    assert note in result.stdout
    assert note in invoke("profile", "--diff", tmp_path / "first", tmp_path / "second", "--json").stderr


def test_other_work_is_refused_with_its_reasons(invoke, tmp_path):
    profile = json.loads((RECORDED / TUNED).read_text())
    profile["recipe"]["batch_size"] = 64
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    found = sentence_of(invoke("profile", "--diff", RECORDED / TUNED, tmp_path))
    assert "did not do the same work (batch size 500 and 64)" in found
