"""Profiles in a run's folder become a section of its report; what is damaged or of another run costs only itself."""

import json
import re
from dataclasses import asdict, replace

import pytest
from example_profile import PUBLISHED, TUNED, gpu_profile, recorded
from example_run import header, planned, replicates, run_header, write_example_run
from html_pages import write_profiles

from bench.records.header import CommitFacts, Environment
from bench.records.profile import KINDS, SCHEMA_VERSION
from bench.records.profile_file import FILE_NAME, save
from bench.records.run_folder import RunFolder
from bench.report.charts import style
from bench.report.charts.operations import UNATTRIBUTED, operations_chart
from bench.report.profile.explains import reasons_against
from bench.report.run.profiles import TITLE, explained, profile_details, profile_sections
from bench.report.write import write_report


@pytest.fixture
def run(tmp_path):
    path = write_example_run(tmp_path, replicates()[:1])
    write_profiles(path)
    return path


def reading(run):
    return explained(RunFolder.open(run))


def put(run, name, content):
    (run / "profiles" / name).mkdir(parents=True)
    (run / "profiles" / name / FILE_NAME).write_text(content)


def test_a_run_without_profiles_has_no_section(tmp_path):
    found, problems = reading(write_example_run(tmp_path, []))
    assert (found, problems, profile_sections(found), profile_details(found)) == ([], [], [], [])
    assert operations_chart([]) is None


def test_the_report_shows_each_profiled_stack_the_fastest_first(run):
    write_report(run)
    text = (run / "report.md").read_text()
    table = text[text.index(f"## {TITLE}") :]
    rows = [re.split(r" +\| +", line.strip("| ")) for line in table.splitlines() if line.startswith("| theano/")]
    assert rows[0][:6] == ["theano/tuned on cpu", "7.79 ms", "7.55 ms", "0.992", "0.949 to 1.04", "89.4 %"]
    assert rows[1][:6] == ["theano/as_published on cpu", "18.9 ms", "18.8 ms", "1.01", "0.989 to 1.02", "54.4 %"]
    assert rows[1][-3:] == ["4.1 %", "24.5 s", "5.47 s"]
    assert "dropout generator: The generator of the dropout masks (mrg_uniform) takes 5.00 ms" in text
    for title in ("A training step", "A training step, by kind", "Compilation"):
        assert f"## {title}: theano/tuned on cpu" in text


@pytest.mark.slow
def test_the_summary_has_the_same_numbers_for_programs(run):
    write_report(run)
    tuned, published = json.loads((run / "summary.json").read_text())["profiles"]
    assert (tuned["stack"]["variant"], tuned["findings"]) == ("tuned", [])
    assert published["profiled_seconds"] == pytest.approx(18.83e-3, rel=1e-3)
    assert published["seconds_by_kind"]["gemm"] == pytest.approx(10.25e-3, rel=1e-3)
    assert published["unattributed_seconds"] == pytest.approx(772e-6, rel=1e-2)
    generator = next(one for one in published["findings"] if one["rule"] == "dropout generator")
    assert generator["seconds"] == pytest.approx(5.00e-3, rel=1e-2)
    assert generator["cause"] and generator["remedy"]


def test_only_the_tables_of_many_alike_are_folded(run):
    found, _ = reading(run)
    assert not any(section.folded for section in profile_sections(found))
    assert all(section.folded for section in profile_details(found))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "profile.json is empty"),
        ('{"schema_version": 1, "oper', "is damaged or not a profile"),
        (json.dumps({"run_id": "x", "schema_version": 3}), "is not a profile of mlp-bench"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1, "operations": []}), "update mlp-bench"),
        (json.dumps(asdict(recorded(TUNED)) | {"stack": {"backend": "theano"}}), "is damaged"),
        (json.dumps(asdict(recorded(TUNED)) | {"plan": [], "recipe": {}, "ceilings": {"a": 1}}), "is damaged"),
        (
            json.dumps(asdict(recorded(TUNED)) | {"host": {"threads": [{"thread": ["a"], "cpu_percent": 1}]}}),
            "is damaged",
        ),
        (json.dumps(asdict(recorded(TUNED)) | {"dataset": "surrogate"}), "does not explain this run"),
        (json.dumps(asdict(recorded(TUNED)) | {"profile_id": float("nan")}), "is damaged"),
    ],
)
def test_a_profile_that_cannot_be_shown_is_named_and_costs_only_itself(run, content, sentence):
    put(run, "another", content)
    found, (problem,) = reading(run)
    assert len(found) == 2
    assert sentence in problem and "another/profile.json" in problem and str(run) not in problem
    write_report(run)
    assert problem.split(":")[0] in (run / "report.md").read_text().partition("## Failures")[2]


def test_an_interrupted_profile_says_so_and_invents_no_numbers(tmp_path):
    path = write_example_run(tmp_path, [])
    nothing = {"timings": {}, "operations": (), "compile_phases": (), "complete": False}
    write_profiles(path, **nothing, problems=("interrupted: the measurements until then are here",))
    found, problems = reading(path)
    overview = profile_sections(found)[0]
    assert not problems and len(overview.notices) == 2
    assert "is incomplete: interrupted" in overview.notices[0]
    assert set(overview.cells[0][1:]) == {"\N{EN DASH}"}
    assert operations_chart([one.step for one in found]) is None


def test_the_parts_of_a_bar_add_up_to_the_profiled_step(tmp_path):
    path = write_example_run(tmp_path, [])
    (path / "profiles" / "gpu").mkdir(parents=True)
    save(gpu_profile(machine={}, commit=CommitFacts()), path / "profiles" / "gpu" / FILE_NAME)
    (one,), _ = reading(path)
    parts = operations_chart([one.step]).data.set_index("kind")
    expected = {"gemm": 0.7e-3, "elementwise": 0.2e-3, UNATTRIBUTED: 0.1e-3}
    assert parts["seconds"].to_dict() == pytest.approx(expected)
    assert parts["share"].sum() == pytest.approx(1)


def test_a_kind_that_a_stack_has_not_is_no_bar_and_each_kind_has_its_look(run):
    chart = operations_chart([one.step for one in reading(run)[0]])
    rows = {trace["name"]: trace["y"] for trace in chart.figure["data"]}
    assert (rows["gemm"], rows["rng"]) == ([0, 1], [1])
    assert set(style.KINDS) == set(KINDS) and len({*style.KINDS.values(), style.REST}) == len(KINDS) + 1


# --- which profiles belong to a run -----------------------------------------------------------------------------------

HERE = replace(recorded(PUBLISHED), machine=header()["machine"], commit=run_header().commit)
PLAN = [planned({"threads": 2})]


def test_a_profile_of_the_same_machine_data_recipe_and_commit_belongs():
    assert reasons_against(run_header(plan=PLAN), HERE, header()["dataset"]["sha256"]) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threads": 1}, "threads is 2 in 20260102-030405-0123456 and 1 in the profile"),
        ({"machine": {"cpu_model": "Other CPU"}}, "cpu model is Example CPU @ 3.50GHz in"),
        ({"dataset": "surrogate"}, "measured the dataset mnist, the profile surrogate"),
        ({"recipe": HERE.recipe | {"batch_size": 100}}, "the recipe's batch size is 500 in"),
        ({"commit": CommitFacts("fedcba9", False)}, "was measured at commit 0123456789abcdef"),
    ],
)
def test_what_differs_is_the_reason_why_a_profile_does_not_belong(changes, reason):
    (found,) = reasons_against(run_header(plan=PLAN), replace(HERE, **changes))
    assert reason in found


def test_custom_data_is_told_apart_by_its_bytes():
    (found,) = reasons_against(run_header(), HERE, {"train-images-idx3-ubyte": "00"})
    assert "SHA-256" in found


def test_what_a_record_does_not_tell_contradicts_nothing():
    assert reasons_against(run_header(machine=None, dataset=None, recipe=None, commit=None), HERE) == []


def test_a_profile_without_the_variables_of_a_run_does_not_explain_it():
    run = run_header(plan=PLAN, environment={"passed": {"OPENBLAS_CORETYPE": "Prescott"}, "dropped": []})
    assert reasons_against(run, replace(HERE, environment=run.environment)) == []
    (found,) = reasons_against(run, replace(HERE, environment=Environment({}, ("XLA_FLAGS",))))
    assert "OPENBLAS_CORETYPE=Prescott" in found and "none in the profile" in found


def test_the_seed_and_the_number_of_epochs_do_not_matter_to_a_step():
    assert reasons_against(run_header(), replace(HERE, recipe=HERE.recipe | {"seed": 7, "num_epochs": 2})) == []


def test_a_saved_profile_still_belongs(tmp_path):
    path = write_example_run(tmp_path, [], plan=PLAN)
    (path / "profiles" / "one").mkdir(parents=True)
    save(HERE, path / "profiles" / "one" / FILE_NAME)
    found, problems = reading(path)
    assert (len(found), problems) == (1, [])
