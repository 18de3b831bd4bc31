"""The command and its driver, with a worker that is a fake: what it leaves, and how it ends, is written down here."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from example_run import write_example_run

from bench.cli import main
from bench.machine import fingerprint
from bench.measure.git import state_of
from bench.measure.process import PROJECT, ProcessResult
from bench.measure.profiling import driver
from bench.records.profile import CompilePhase, Operation, Timing
from bench.records.profile_file import load, save
from mlp import registry

OPTIONS = ("--variant", "tuned", "--no-ceilings", "--threads", "2")
FINISHED = ProcessResult(0, None, "", 1.0)


class FakeProcesses:
    """Each process adds its part to the profile, then ends as it was told to."""

    def __init__(self, *endings, complete=True):
        self.endings = list(endings)
        self.complete = complete
        self.requests = []

    def __call__(self, argv, variables, limit_seconds, folder):
        request = json.loads(Path(argv[-1]).read_text())
        self.requests.append(request | {"flags": variables["THEANO_FLAGS"]})
        path = Path(request["profile"])
        profile = load(path)
        phases = (*profile.compile_phases, CompilePhase("import", 0.5, request["cache"]))
        more = {"compile_phases": phases}
        if not request["compile_only"]:
            more |= {
                "timings": {"train_step": Timing((4e-3, 5e-3), (5e-3, 6e-3), 20)},
                "operations": (
                    Operation("train_step", "Product(#0, W1)", "gemm", 1, 4e-3, flop=3.92e8),
                    Operation(
                        "train_step", "between operations", "host", 1, 1e-3, details={"op": "between operations"}
                    ),
                ),
            }
        ending = self.endings.pop(0)
        if isinstance(ending, BaseException):
            save(replace(profile, **more), path)
            raise ending
        save(replace(profile, **more, complete=ending.exit_code == 0), path)
        return ending


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr("mlp.dataset.locate", lambda given: SimpleNamespace(directory=tmp_path))
    monkeypatch.setattr("mlp.dataset.identify", lambda directory: SimpleNamespace(name="mnist", sha256={}, digest=None))

    def invoke(processes, *options):
        monkeypatch.setattr(driver, "run_to_end", processes)
        place = () if "--run" in options else ("--output", str(tmp_path / "out"))
        return CliRunner().invoke(main, ["profile", *place, *options])

    return invoke


def the_profile(tmp_path):
    (folder,) = (tmp_path / "out").glob("*/theano-tuned-cpu")
    return load(folder), folder


def test_a_stack_is_compiled_with_an_empty_cache_and_profiled_with_the_one_that_this_filled(run, tmp_path):
    processes = FakeProcesses(FINISHED, FINISHED)
    result = run(processes, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert [(one["cache"], one["compile_only"]) for one in processes.requests] == [("cold", True), ("warm", False)]
    assert processes.requests[0]["flags"] == processes.requests[1]["flags"]
    profile, folder = the_profile(tmp_path)
    assert profile.complete
    assert [phase.cache for phase in profile.compile_phases] == ["cold", "warm"]
    assert (folder / "operations.csv").read_text().count("\n") == 3


def test_the_table_says_what_a_step_takes_what_profiling_costs_and_what_is_left(run):
    output = " ".join(run(FakeProcesses(FINISHED, FINISHED), *OPTIONS).output.split())
    assert "takes 4.50 ms unprofiled (median of 2 rounds of 20 calls each) and 5.00 ms profiled" in output
    assert "profiling multiplies it by 1.22 (n = 2)" in output  # an interval needs three rounds
    assert "add up to 80.0 % of the profiled time" in output
    assert "Product(#0, W1) gemm 1 4.00 ms 80.0 % 98.0" in output


def test_json_is_the_profiles_alone(run):
    (profile,) = json.loads(run(FakeProcesses(FINISHED, FINISHED), *OPTIONS, "--json").stdout)
    assert profile["operations"][0]["flop"] == 3.92e8


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (ProcessResult(-11, None, "Fatal error", 1.0), "it crashed (SIGSEGV)"),
        (ProcessResult(-9, None, "", 1.0), "most likely by the kernel because memory ran out"),
        (ProcessResult(None, "it hung: no end within its limit of 900 s, so it was stopped", "", 900.0), "it hung"),
        (ProcessResult(1, None, "ImportError: no module", 1.0), "exit code 1: ImportError: no module"),
    ],
)
def test_a_process_that_ends_badly_costs_only_what_was_still_to_come(run, tmp_path, ending, sentence):
    result = run(FakeProcesses(FINISHED, ending), *OPTIONS)
    assert result.exit_code == 1
    profile, _ = the_profile(tmp_path)
    assert not profile.complete
    assert profile.operations
    assert any(sentence in problem for problem in profile.problems)
    assert "INCOMPLETE" in result.output


def test_after_a_cold_compilation_that_failed_nothing_else_is_started(run, tmp_path):
    processes = FakeProcesses(ProcessResult(1, None, "g++: fatal error", 1.0))
    assert run(processes, *OPTIONS).exit_code == 1
    assert len(processes.requests) == 1
    assert not the_profile(tmp_path)[0].complete


def test_an_interruption_keeps_what_was_measured_and_says_so_by_its_exit_code(run, tmp_path):
    assert run(FakeProcesses(FINISHED, KeyboardInterrupt()), *OPTIONS).exit_code == 130
    profile, _ = the_profile(tmp_path)
    assert (profile.complete, len(profile.operations)) == (False, 2)
    assert any("interrupted" in problem for problem in profile.problems)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--backend", "caffe"), "unknown backend 'caffe'"),
        (("--variant", "untuned"), "unknown variant 'untuned'"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--batch-size", "0"), "batch size must be at least 1"),
        (("--batch-size", "20000"), "batch size 20000 is larger than the validation set"),
        (("--steps", "0"), "--steps"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(run, tmp_path, options, sentence):
    processes = FakeProcesses()
    result = run(processes, *options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert processes.requests == []
    assert not (tmp_path / "out").exists()


def test_a_backend_without_a_collector_is_named(run, monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "theano", replace(registry.THEANO, profiler=None))
    result = run(FakeProcesses(), *OPTIONS)
    assert result.exit_code == 2
    assert "theano cannot be profiled: its entry names no profiler." in result.stderr


# --- into a run -------------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path):
    """A function that writes a run of this machine and commit, but for its changes."""

    def measured(**changes):
        here = {
            "machine": fingerprint.fingerprint(),
            "commit": asdict(state_of(PROJECT).facts),
            "dataset": {"identity": "mnist"},
        }
        return write_example_run(tmp_path / "runs", [], **here | changes)

    return measured


@pytest.mark.slow
def test_a_profile_of_a_run_goes_into_its_folder_and_into_its_report(run, measured):
    path = measured()
    result = run(FakeProcesses(FINISHED, FINISHED), *OPTIONS, "--run", str(path))
    assert result.exit_code == 0, result.output
    assert load(path / "profiles" / "theano-tuned-cpu").complete
    assert "Product(#0, W1)" in (path / "report.html").read_text(encoding="utf-8")
    (profile,) = json.loads((path / "summary.json").read_text())["profiles"]
    assert profile["stack"]["variant"] == "tuned"


@pytest.mark.slow
def test_the_latest_run_is_found_by_that_name(run, measured):
    path = measured()
    options = ("--run", "latest", "--runs-dir", str(path.parent))
    assert run(FakeProcesses(FINISHED, FINISHED), *OPTIONS, *options).exit_code == 0
    assert (path / "profiles" / "theano-tuned-cpu").is_dir()


@pytest.mark.slow
def test_a_whole_profile_is_kept_and_an_interrupted_one_is_made_again(run, measured):
    path = measured()
    assert run(FakeProcesses(FINISHED, KeyboardInterrupt()), *OPTIONS, "--run", str(path)).exit_code == 130
    assert "is incomplete" in (path / "report.md").read_text()
    assert run(FakeProcesses(FINISHED, FINISHED), *OPTIONS, "--run", str(path)).exit_code == 0
    again = FakeProcesses()
    result = run(again, *OPTIONS, "--run", str(path))
    assert (result.exit_code, again.requests) == (0, [])
    assert "the run has its profile" in result.stderr


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        ({"commit": {"id": "0123456"}}, (), "was measured at commit 0123456, the profile is of"),
        ({"dataset": {"identity": "surrogate"}}, (), "measured the dataset surrogate, the profile mnist"),
        ({"machine": {"cpu_model": "Abacus"}}, (), "cpu model is Abacus in"),
        ({}, ("--batch-size", "100"), "the recipe's batch size is 500 in"),
        ({}, ("--output", "elsewhere"), "leave out --output"),
    ],
)
def test_a_run_that_would_not_be_explained_is_refused_before_anything_is_measured(
    run, measured, changes, options, sentence
):
    path, processes = measured(**changes), FakeProcesses()
    result = run(processes, *OPTIONS, "--run", str(path), *options)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert processes.requests == [] and not (path / "profiles").exists()


def test_a_run_that_is_not_there_is_one_sentence(run, tmp_path):
    result = run(FakeProcesses(), *OPTIONS, "--run", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "is not a run" in result.stderr
