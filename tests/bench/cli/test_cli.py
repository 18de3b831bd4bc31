"""Bad input gets one sentence and exit code 2, before anything is measured."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import cli
from bench.errors import BenchError, RecordError
from bench.measure import doctor
from bench.measure.begin import read_seeds
from bench.measure.git import State
from bench.measure.runner import WorkerPool
from bench.measure.worker import WorkerResult
from mlp.backends import Available, Unavailable


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--batch-size", "0"], "batch size must be at least 1"),
        (["--batch-size", "-5"], "batch size must be at least 1"),
        (["--batch-size", "20000"], "larger than the validation set"),
        (["--epochs", "0"], "number of epochs must be at least 1"),
        (["--backend", "caffe"], "unknown backend 'caffe'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--harness", "speed"], "unknown harness 'speed'"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--threads", "99999"], "--threads 99999 is more than the"),
        (["--threads", "best", "--harness", "epoch"], "no run here measured theano/as_published, theano/tuned with"),
        (["--harness", "threads", "--counts", "1,99999"], "--counts 99999 is more than the"),
        (["--harness", "threads", "--counts", "two"], "--counts 'two' names no counts"),
        (["--harness", "epoch", "--counts", "2"], "--counts is of the harnesses threads, copies, devices"),
        (["--seeds", "0"], "--seeds '0' names no seeds"),
        (["--processes", "0"], "--processes must be at least 1, got 0"),
        (["--harness", "ablation", "--backend", "numpy"], "the ablation cannot be planned"),
        (["--harness", "ablation", "--variant", "tuned"], "theano/as_published on cpu, so both must be among the"),
        (["--harness", "ablation", "--quick"], "with --quick it needs --processes"),
        (["--resume", "no-such-run"], "no-such-run"),
        (["--env", "THEANO_FLAGS=floatX=float64"], "precision"),
    ],
)
def test_bad_input_is_one_sentence(invoke, small_data, tmp_path, options, sentence):
    result = invoke("run", "--runs-dir", tmp_path / "runs", *options)
    assert result.exit_code == cli.BAD_INPUT
    assert sentence in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "runs").glob("*/replicates/*"))


@pytest.mark.parametrize(("word", "meant"), [("reprot", " Did you mean 'report'?"), ("xyz", "")])
def test_a_misspelt_command_names_the_one_that_was_meant(invoke, word, meant):
    result = invoke(word)
    assert result.exit_code == cli.BAD_INPUT
    assert result.stderr.endswith(f"No such command '{word}'.{meant}\n")


@pytest.mark.parametrize(
    "options", [["--counts", "1,99999"], ["--harness", "copies", "--counts", "99999"], ["--seeds", "0"]]
)
def test_counts_and_seeds_are_checked_before_the_data_is_looked_for(invoke, tmp_path, monkeypatch, options):
    monkeypatch.setattr("bench.measure.begin._dataset", None)  # a call of it is no sentence
    result = invoke("run", "--runs-dir", tmp_path / "runs", *options)
    assert (result.exit_code, len(result.stderr.strip().splitlines())) == (cli.BAD_INPUT, 1)


def test_a_missing_data_directory_is_one_sentence(invoke, tmp_path):
    result = invoke("run", "--data", tmp_path / "nowhere", "--runs-dir", tmp_path / "runs")
    assert result.exit_code == cli.BAD_INPUT
    assert "nowhere" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_an_empty_results_folder_is_one_sentence(invoke, tmp_path):
    result = invoke("report", "--runs-dir", tmp_path)
    assert result.exit_code == cli.BAD_INPUT
    assert len(result.stderr.strip().splitlines()) == 1


def answers(outcome):
    return lambda self, case: outcome


GOOD = WorkerResult([{"name": "load", "seconds": [0.5, 0.6], "params": {}, "extra": {"bytes": 100}}], None, 1.0)
BAD = WorkerResult([], "it crashed (SIGSEGV): it printed nothing", 1.0)


def run_data(invoke, tmp_path, *more):
    return invoke("run", "--harness", "data", "--runs-dir", tmp_path / "runs", *more)


@pytest.mark.slow
def test_a_run_ends_with_a_report(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    result = run_data(invoke, tmp_path)
    assert result.exit_code == 0, result.output
    (report,) = (tmp_path / "runs").glob("*/report.md")
    assert "custom" in report.read_text().splitlines()[0].lower()


@pytest.mark.slow
def test_processes_are_planned_and_said_again_where_the_report_tells_how_to_reproduce(
    invoke, small_data, tmp_path, monkeypatch
):
    """An inherited MLP_BENCH_TUNED_WITHOUT takes no row away: each process gets its own."""
    monkeypatch.setenv("MLP_BENCH_TUNED_WITHOUT", "update")
    monkeypatch.setattr("bench.cli.run._measure", lambda *arguments: None)
    invoke("run", "--harness", "ablation", "--quick", "--processes", "15", "--runs-dir", tmp_path / "runs")
    (path,) = (tmp_path / "runs").glob("*")
    plan = json.loads((path / "run.json").read_text())["plan"]
    assert {entry["replicates"] for entry in plan} == {15}
    assert {"update", "dropout"} <= {entry["case"]["without"] for entry in plan}
    assert "make bench QUICK=1 PROCESSES=15 OPTIONS='--harness ablation'." in (path / "report.md").read_text()


def test_every_option_that_says_what_is_measured_is_on_record():
    """Whatever option is added to the command, unless it is one of those that only say where and how."""
    from bench.cli.run import NOT_MEASURED, _options_given, run

    example = {"backends": "jax", "variants": "scan", "devices": "cpu", "harnesses": "data", "settings": "A=1"}
    argv, expected = [], {}
    for option in run.params:
        if option.name not in NOT_MEASURED:
            values = [] if option.is_flag else [example.get(option.name, "7")]
            argv += [option.opts[0], *values]
            expected[option.opts[0]] = values
    assert _options_given(run.make_context("run", argv)) == expected
    assert _options_given(run.make_context("run", ["--data", "x", "--json"])) == {}


@pytest.mark.slow
def test_what_the_shell_holds_is_named_and_what_is_passed_is_on_record(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    monkeypatch.setenv("XLA_FLAGS", "--a")
    result = run_data(invoke, tmp_path, "--env", "OPENBLAS_CORETYPE=Prescott")
    assert "not passed to the measured processes: " in result.stderr and "XLA_FLAGS" in result.stderr
    (path,) = (tmp_path / "runs").glob("*")
    report, environment = (path / "report.md").read_text(), json.loads((path / "run.json").read_text())["environment"]
    assert environment["passed"] == {"OPENBLAS_CORETYPE": "Prescott"}
    assert "XLA_FLAGS" in environment["dropped"] and "XLA_FLAGS" in report
    assert "Measured with OPENBLAS_CORETYPE=Prescott" in report
    again = invoke("run", "--resume", path.name, "--runs-dir", tmp_path / "runs", "--env", "OPENBLAS_CORETYPE=Haswell")
    assert again.exit_code == cli.BAD_INPUT and "other variables" in again.stderr


@pytest.mark.slow
def test_nothing_measured_has_its_own_exit_code(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", answers(BAD))
    result = run_data(invoke, tmp_path)
    assert result.exit_code == cli.NOTHING_MEASURED
    assert "SIGSEGV" in next((tmp_path / "runs").glob("*/report.md")).read_text()


@pytest.mark.slow
def test_failures_exit_with_one_and_keep_the_rest_until_they_are_repeated(invoke, small_data, tmp_path, monkeypatch):
    outcomes = iter([GOOD, BAD, GOOD, GOOD])
    monkeypatch.setattr(WorkerPool, "measure", lambda self, case: next(outcomes))
    assert run_data(invoke, tmp_path).exit_code == cli.FAILED
    assert len(list((tmp_path / "runs").glob("*/replicates/*.json"))) == 4
    monkeypatch.setattr(WorkerPool, "measure", answers(BAD))
    resume = ("run", "--resume", "latest", "--runs-dir", tmp_path / "runs")
    assert invoke(*resume).exit_code == cli.FAILED
    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    assert invoke(*resume).exit_code == 0  # all cases were measured


@pytest.mark.slow
def test_a_stack_that_learns_worse_fails_the_run(invoke, small_data, tmp_path, monkeypatch):
    from bench.report.run.analysis import RunAnalysis

    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    monkeypatch.setattr(RunAnalysis, "learns_worse", ["jax/scan on cuda learns worse."])
    assert run_data(invoke, tmp_path).exit_code == cli.FAILED


@pytest.mark.slow
def test_what_was_skipped_is_in_the_record(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    run_data(invoke, tmp_path, "--device", "cpu")
    (header,) = (json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/run.json"))
    skipped = {entry["what"]: entry for entry in header["skipped"]}
    assert {"jax", "torch", "pytensor"} <= set(skipped)
    assert all(entry["reason"] and entry["remedy"] for entry in skipped.values())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_measured_and_resume_goes_on(invoke, small_data, tmp_path, monkeypatch, number):
    outcomes = iter([GOOD])

    def interrupted(self, case):
        try:
            return next(outcomes)
        except StopIteration:
            signal.raise_signal(number)

    monkeypatch.setattr(WorkerPool, "measure", interrupted)
    result = run_data(invoke, tmp_path)
    assert result.exit_code == cli.INTERRUPTED
    (report,) = (tmp_path / "runs").glob("*/report.md")
    run_id = report.parent.name
    assert f"RESUME={run_id}" in result.stderr

    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    resumed = invoke("run", "--resume", run_id, "--runs-dir", tmp_path / "runs")
    assert resumed.exit_code == 0, resumed.output
    header = json.loads((report.parent / "run.json").read_text())
    assert header["status"] == "complete"
    assert len(list((report.parent / "replicates").glob("*.json"))) == 4


@pytest.mark.slow
def test_a_run_that_is_being_measured_is_not_resumed_and_can_be_read(invoke, small_data, tmp_path, monkeypatch):
    from bench.records import run_lock

    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    run_data(invoke, tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    with run_lock.held(path):
        result = invoke("run", "--resume", "latest", "--runs-dir", tmp_path / "runs")
        assert result.exit_code == cli.BAD_INPUT
        assert "is being measured by process" in result.stderr
        assert invoke("report", path).exit_code == 0
    assert len(list((path / "replicates").iterdir())) == 4


def test_a_report_that_cannot_be_written_is_a_warning_and_is_printed(invoke, small_data, tmp_path, monkeypatch):
    def full(path):
        raise RecordError("cannot write report.md (No space left on device): make room.")

    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    monkeypatch.setattr("bench.report.write.write_report", full)
    result = run_data(invoke, tmp_path)
    assert result.exit_code == 0
    assert "Dataset:" in result.stdout and "warning: cannot write report.md" in result.stdout
    result = run_data(invoke, tmp_path, "--json")
    assert result.exit_code == 0 and "warning: cannot write report.md" in result.stderr
    assert json.loads(result.stdout)["status"] == "complete"
    for option, expected in (("--all", "Dataset:"), ("--json", '"status": "complete"')):
        result = invoke("report", "latest", option, "--runs-dir", tmp_path / "runs")
        assert result.exit_code == cli.BAD_INPUT and expected in result.stdout
        assert "error: cannot write report.md" in result.stderr


@pytest.mark.slow
def test_runs_that_start_in_one_second_get_folders_of_their_own(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    monkeypatch.setattr("bench.measure.begin.new_run_id", lambda commit: "20260102-030405-nocommit")
    assert [run_data(invoke, tmp_path).exit_code for _ in range(2)] == [0, 0]
    assert sorted(path.name[24:] for path in (tmp_path / "runs").iterdir()) == ["", "-2"]


@pytest.mark.slow
def test_a_run_on_other_data_is_not_resumed(invoke, small_data, tmp_path, monkeypatch):
    from mlp import dataset

    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    run_data(invoke, tmp_path)
    monkeypatch.setattr(dataset, "identify", lambda directory: dataset.Identity("custom", {"train-images": "ff"}))
    result = invoke("run", "--resume", "latest", "--runs-dir", tmp_path / "runs")
    assert result.exit_code == cli.BAD_INPUT
    assert "its dataset is custom" in result.stderr


def test_doctor_names_what_is_missing_and_fails(invoke, monkeypatch):
    findings = [
        doctor.CheckResult("BLAS", doctor.OK, "OpenBLAS"),
        doctor.CheckResult("C++ compiler", doctor.MISSING, "none on PATH", "install g++"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda data: findings)
    result = invoke("doctor")
    assert result.exit_code == cli.FAILED
    assert "install g++" in result.stdout
    as_json = json.loads(invoke("doctor", "--json").stdout)
    assert as_json[1]["remedy"] == "install g++"


def test_doctor_measures_only_when_asked_and_only_a_machine_that_can(invoke, monkeypatch):
    from bench.gate import fitness

    measured = doctor.CheckResult("Measured", doctor.WARNING, "unfit: a slowdown below 20.0 % cannot be seen", "wait")
    monkeypatch.setattr(fitness, "check_fitness", lambda data: [measured])
    for state, options, subjects in (
        (doctor.OK, ["--measure"], ["BLAS", "Measured"]),
        (doctor.OK, [], ["BLAS"]),
        (doctor.MISSING, ["--measure"], ["BLAS"]),
    ):
        monkeypatch.setattr(doctor, "examine", lambda data, state=state: [doctor.CheckResult("BLAS", state, "one")])
        result = invoke("doctor", "--json", *options)
        assert [finding["subject"] for finding in json.loads(result.stdout)] == subjects
        assert result.exit_code == (1 if state == doctor.MISSING else 0)


@pytest.mark.parametrize(
    ("changes", "missing", "details"),
    [
        ({"on_battery": True}, {}, ["it runs on its battery", "64.2 ns apart", "can be read"]),
        ({}, {"clocksource": "why"}, ["no setting hinders", "not known: clocksource (why)", "64.2 ns", "can be read"]),
        (
            {"core_distance_ns": None},
            {"core_distance_ns": "there is only one usable core", "cpu_energy_joules": "may be read by root only"},
            ["no setting hinders", "not measured: there is only one usable core", "by root only"],
        ),
    ],
)
def test_doctor_names_what_hinders_measuring_and_what_it_cannot_read(monkeypatch, changes, missing, details):
    facts = {"core_distance_ns": 64.2, "missing": missing, **changes}
    monkeypatch.setattr(doctor, "fitness_now", lambda: facts)
    found = doctor._fitness()
    assert [detail in finding.detail for detail, finding in zip(details, found, strict=True)] == [True] * len(details)


def test_doctor_says_which_optimizations_tuned_goes_without_and_why(monkeypatch):
    monkeypatch.setenv("MLP_BENCH_TUNED_WITHOUT", "update")
    active, update = doctor._optimizations()
    assert active.state == doctor.OK and "dropout" in active.detail and "update" not in active.detail
    assert update == doctor.CheckResult(
        "theano/tuned",
        doctor.WARNING,
        "without update: left out by MLP_BENCH_TUNED_WITHOUT; one pass for each parameter, as Theano fuses it",
        "unset MLP_BENCH_TUNED_WITHOUT",
    )


def test_doctor_refuses_an_unknown_optimization(monkeypatch):
    monkeypatch.setenv("MLP_BENCH_TUNED_WITHOUT", "turbo")
    (finding,) = doctor._optimizations()
    assert finding.state == doctor.MISSING and "no optimization 'turbo'" in finding.detail


@pytest.mark.parametrize(
    ("origin", "folder"),
    [
        ({"url": "file:///a%20b", "dir_info": {"editable": True}}, Path("/a b")),
        ({"url": "file:///c/mlp_bench.whl", "archive_info": {}}, None),
        (None, None),
    ],
)
def test_only_an_installation_in_place_belongs_to_a_folder(monkeypatch, origin, folder):
    """As PEP 610 writes it: a wheel's file, or an index, is no folder whose code runs."""
    text = None if origin is None else json.dumps(origin)
    installed = SimpleNamespace(read_text=lambda name: text if name == "direct_url.json" else None)
    monkeypatch.setattr(doctor.importlib.metadata, "distribution", lambda name: installed)
    assert doctor._installed_from() == folder


def test_doctor_says_that_an_environment_was_made_for_another_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "_installed_from", lambda: doctor.PROJECT)
    assert [finding.state for finding in doctor._python()] == [doctor.OK]
    monkeypatch.setattr(doctor, "_installed_from", lambda: tmp_path)
    _, copied = doctor._python()
    assert copied.state == doctor.WARNING and str(tmp_path) in copied.detail


@pytest.mark.parametrize(
    ("state", "finding"),
    [
        (State("0123456789", True), ("ok", "0123456 with changes of tracked files")),
        (State(None, None), ("ok", "none: no git repository tracks these files")),
        (State(None, None, "git refuses it"), ("warning", "it would not be on record: git refuses it")),
    ],
)
def test_doctor_says_which_commit_a_record_would_name_or_why_none(monkeypatch, state, finding):
    monkeypatch.setattr(doctor, "state_of", lambda project: state)
    (found,) = doctor._commit()
    assert (found.state, found.detail) == finding


def test_doctor_says_why_a_gpu_that_is_there_is_not_used(monkeypatch):
    gpu = {"name": "H200", "driver": "470.82", "cuda_version": "11.4"}
    monkeypatch.setattr(doctor, "describe_gpus", lambda: ([gpu], None))
    monkeypatch.setattr(doctor, "find_driver", lambda: Unavailable("it supports CUDA 11.4", "Update it."))
    found, unusable = doctor._gpus()
    assert found.detail.startswith("H200, driver 470.82, CUDA 11.4")
    assert unusable == doctor.CheckResult("GPU", doctor.WARNING, "it supports CUDA 11.4", "Update it.")


def test_doctor_finds_no_compiler_where_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = doctor._compiler()
    assert finding.state == doctor.MISSING
    assert "g++" in finding.remedy


@pytest.mark.slow
def test_doctor_looks_at_everything_on_a_real_machine(small_data):
    subjects = {finding.subject for finding in doctor.examine(None)}
    assert {
        "Python",
        "C++ compiler",
        "BLAS",
        "Threads",
        "GPU",
        "theano on cpu",
        "theano on cuda",
        "Dataset",
    } <= subjects


def test_doctor_joins_variants_with_one_answer_and_says_how_to_add_what_is_missing(monkeypatch):
    def probe(name, variant, device):
        if name == "jax":
            return Unavailable("not installed", "Install it.")
        return Available(f"{name} is here")

    monkeypatch.setattr(doctor, "probe", probe)
    found = {finding.subject: finding for finding in doctor._backends()}
    assert found["jax on cpu"] == doctor.CheckResult(
        "jax on cpu", "warning", "not installed (scan, step)", "Install it."
    )
    assert found["numpy on cpu"].state == doctor.OK
    assert "numpy on cuda" not in found


def test_doctor_says_what_loading_costs_without_isa_l(monkeypatch):
    from mlp import inflate

    monkeypatch.setattr(inflate, "igzip_lib", None)
    (finding,) = doctor._decompression()
    assert (finding.state, finding.remedy) == (doctor.WARNING, "pip install isal")


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (1, 2, 3)), ("6-8", (6, 7, 8)), ("7,9", (7, 9)), ("1,6-7,6", (1, 6, 7)), ("7-7", (7,))]
)
def test_seeds_are_a_count_or_a_list(text, seeds):
    assert read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "0", "-3", "1001", "8-6", "1-5000", "1,,2", "six", "1.5", "7,"])
def test_what_names_no_seeds_is_one_sentence(text):
    with pytest.raises(BenchError, match=r"names no seeds: give a count, 1 to 1,000, or the seeds, e\.g\. 6-15"):
        read_seeds(text)


@pytest.mark.slow
def test_resume_adds_seeds_to_a_complete_run(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    invoke("run", "--quick", "--harness", "reference", "--variant", "as_published", "--runs-dir", tmp_path / "runs")
    resumed = invoke("run", "--resume", "latest", "--runs-dir", tmp_path / "runs", "--seeds", "1-3")
    assert resumed.exit_code == 0, resumed.output
    (path,) = (tmp_path / "runs").iterdir()
    replicates = [json.loads(file.read_text()) for file in sorted((path / "replicates").glob("*.json"))]
    assert [(one["case"]["seed"], one["round"]) for one in replicates] == [(1, 0), (2, 1), (3, 2)]
    assert json.loads((path / "run.json").read_text())["options"]["--seeds"] == ["1,2,3"]


@pytest.mark.slow
def test_a_run_without_a_reference_run_takes_no_seeds(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", answers(GOOD))
    run_data(invoke, tmp_path)
    result = invoke("run", "--resume", "latest", "--runs-dir", tmp_path / "runs", "--seeds", "6-8")
    assert result.exit_code == cli.BAD_INPUT
    assert "has no reference run to add seeds to" in result.stderr
    (path,) = (tmp_path / "runs").iterdir()
    header = json.loads((path / "run.json").read_text())
    (entry,) = header["plan"]
    candidate = {**entry, "case": {**entry["case"], "harness": "reference"}}
    (path / "run.json").write_text(json.dumps({**header, "candidates": [candidate]}))  # a quick run's first round
    result = invoke("run", "--resume", "latest", "--runs-dir", tmp_path / "runs", "--seeds", "6-8")
    assert (result.exit_code, "resume it without --seeds" in result.stderr) == (cli.BAD_INPUT, True)
