"""The command line as a shell sees it: completion, pipes, colours, JSON, and how each command ends."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner
from example_run import case, measurement, replicate, replicates, write_example_run

from bench import cli
from bench.cli.completion import PROGRAM, SHELLS
from bench.measure.case import EVERY_HARNESS, Case, PlannedCase
from bench.measure.progress import RunProgress
from bench.measure.runner import Step, WorkerPool
from bench.measure.worker import WorkerResult

PROJECT = Path(__file__).resolve().parents[3]
GOOD = WorkerResult([{"name": "load", "seconds": [0.5, 0.6], "params": {}, "extra": {"bytes": 100}}], None, 1.0)


@pytest.fixture
def run_path(tmp_path):
    return write_example_run(tmp_path / "runs", replicates())


@pytest.fixture
def loading_run_path(tmp_path):
    """A run of loading alone, whose report has tables and no plot that Matplotlib draws."""
    return write_example_run(tmp_path / "runs", [one for one in replicates() if one["case"]["harness"] == "data"])


def python_m_bench(*arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **variables}
    argv = [sys.executable, "-m", "bench", *map(str, arguments)]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)


def test_a_current_folder_that_is_gone_is_one_sentence(tmp_path):
    script = 'rmdir "$1" && exec "$2" -m bench report'
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    argv = ["sh", "-c", script, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (cli.BAD_INPUT, "")
    assert done.stderr == "error: the current folder is gone (No such file or directory): change to another one.\n"


# --- help and exit codes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_examples_and_says_how_it_ends(invoke, command):
    shown = invoke(command, "--help").stdout
    assert "Examples:" in shown
    _, title, codes = shown.partition("Exit codes:")
    told = {int(code) for code in re.findall(r"(?:^ *|[:;] )(\d+) +[a-z]", title + codes, re.M)}
    assert told and told <= set(cli.EXIT_CODES)


@pytest.mark.parametrize("command", [name for name in cli.COMMANDS if name != "completion"])
def test_every_command_that_prints_a_result_has_json(invoke, command):
    assert "--json" in invoke(command, "--help").stdout


def test_the_table_of_exit_codes_stands_in_the_help_and_in_the_docs(invoke):
    shown = invoke("--help").stdout
    readme = (PROJECT / "docs" / "running.md").read_text().partition("Exit codes")[2]
    for code, meaning in cli.EXIT_CODES.items():
        assert re.search(rf"^ +{code} +{re.escape(meaning[:30])}", shown, re.M)
        assert re.search(rf"\b{code}\b", readme)


# --- completion -----------------------------------------------------------------------------------------------------


def offered(*words):
    """Return the completions of the last of ``words``."""
    complete = get_completion_class("bash")(cli.main, {}, PROGRAM, cli.COMPLETE_VARIABLE)
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_commands_are_completed():
    assert offered("re") == ["report"]
    assert set(offered("")) == set(cli.COMMANDS)


def test_options_are_completed():
    assert offered("run", "--ba") == ["--backend", "--batch-size"]


def test_backends_variants_devices_and_harnesses_are_completed():
    assert offered("run", "--backend", "p") == ["pytensor"]
    assert offered("run", "--device", "") == ["cpu", "cuda"]
    assert offered("run", "--harness", "") == list(EVERY_HARNESS)
    assert "jax/scan" in offered("run", "--variant", "jax/")
    of_numpy = offered("run", "--backend", "numpy", "--variant", "")
    assert "numpy/float32" in of_numpy and not any(name.startswith("jax/") for name in of_numpy)


def test_formats_are_completed():
    assert offered("export", "--format", "py") == ["pytest-benchmark", "pyperf"]


def test_run_ids_are_completed_the_latest_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert offered("report", "") == []
    for run_id in ("20260101-000000-aaaaaaa", "20260102-000000-bbbbbbb"):
        write_example_run(tmp_path / "results" / "runs", [], run_id=run_id)
    newest_first = ["20260102-000000-bbbbbbb", "20260101-000000-aaaaaaa"]
    assert offered("report", "") == ["latest", *newest_first]
    assert offered("report", "2026") == newest_first
    assert offered("export", "--runs-dir", "elsewhere", "") == []


@pytest.mark.parametrize(
    ("shell", "words", "answer"),
    [
        ("bash", {"COMP_WORDS": "mlp-bench run --backend ja", "COMP_CWORD": "3"}, "plain,jax\n"),
        ("zsh", {"COMP_WORDS": "mlp-bench run --backend ja", "COMP_CWORD": "3"}, "plain\njax\n_\n"),
        ("fish", {"COMP_WORDS": "mlp-bench run --backend ja", "COMP_CWORD": "ja"}, "plain,jax\n"),
    ],
)
def test_each_shells_protocol_is_answered(shell, words, answer):
    done = python_m_bench(**{cli.COMPLETE_VARIABLE: f"{shell}_complete", **words})
    assert (done.returncode, done.stdout) == (0, answer)


@pytest.fixture
def path_with_mlp_bench(tmp_path):
    """Return a folder with the scripts that installing the project puts on PATH."""
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{PROJECT}" exec "{sys.executable}" -m bench "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
def test_bash_completes_with_the_script_it_was_given(path_with_mlp_bench):
    """The script is evaluated and its function called as bash does on <Tab>."""
    script = """
        eval "$(mlp-bench completion bash)"
        complete -p mlp-bench
        COMP_WORDS=(mlp-bench export --format c) COMP_CWORD=3
        _mlp_bench_completion mlp-bench
        echo "${COMPREPLY[@]}"
    """
    variables = {**os.environ, "PATH": path_with_mlp_bench}
    argv = ["bash", "--norc", "-c", script]
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60)
    registered, replies = done.stdout.splitlines()
    assert registered.endswith("-F _mlp_bench_completion mlp-bench")
    assert replies == "chrome-trace"
    assert done.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_without_the_program_on_path_the_script_comes_with_a_warning(invoke, monkeypatch, tmp_path, shell):
    monkeypatch.setattr("bench.cli.completion.shutil.which", lambda name: None)
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert f"{cli.COMPLETE_VARIABLE}={shell}_complete" in result.stdout
    assert "source .venv/bin/activate" in result.stderr


def test_the_program_is_an_entry_point_of_the_project():
    import tomllib

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {PROGRAM: "bench.cli:main"}


# --- pipes, colours and progress ------------------------------------------------------------------------------------


def closed_pipe():
    """A text file whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w")


@pytest.mark.slow
def test_a_reader_that_leaves_ends_no_measurement(invoke, small_data, tmp_path, monkeypatch):
    """``make bench | head``: everything is still measured, and the exit code is that of the measurement."""
    monkeypatch.setattr(WorkerPool, "measure", lambda self, case: GOOD)
    monkeypatch.setattr(cli, "console", cli.Console(file=closed_pipe(), width=200))
    arguments = ["run", "--harness", "data", "--runs-dir", str(tmp_path / "runs")]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.output
    (path,) = (tmp_path / "runs").iterdir()
    assert json.loads((path / "run.json").read_text())["status"] == "complete"
    assert (path / "report.md").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_report_into_a_closed_pipe_is_no_traceback(loading_run_path, more):
    argv = [sys.executable, "-m", "bench", "report", str(loading_run_path), *more]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()  # before anything can have been written
        complaints = process.stderr.read()
    assert (process.returncode, complaints) == (0, "")


def test_no_color_takes_the_colours_away():
    def printed(**variables):
        console = cli.Console(file=io.StringIO(), force_terminal=True, color_system="standard", _environ=variables)
        console.print("failed", style="red")
        return console.file.getvalue()

    assert "\x1b[31m" in printed(TERM="xterm")
    assert printed(TERM="xterm", NO_COLOR="1") == "failed\n"


@pytest.mark.slow
def test_a_report_in_a_pipe_has_no_escape_sequences(loading_run_path):
    done = python_m_bench("report", loading_run_path)
    assert done.returncode == 0
    assert "Dataset: MNIST" in done.stdout and "load" in done.stdout and "\x1b" not in done.stdout


def test_there_is_no_progress_bar_where_there_is_no_terminal():
    """Colours can be forced into a file or a CI log; a bar that moves has no business there."""
    console = cli.Console(file=io.StringIO(), force_terminal=True, width=200)
    planned = PlannedCase(Case("data", None, None, "cpu", 2, "mnist"), 2, 300, 8)
    with RunProgress(console) as progress:
        progress.expect([Step(planned, 0), Step(planned, 1)], 0.0)
        progress.start(planned, 0)
        progress.finish(planned, GOOD)
    assert "\n[1/2] data (1/2), less than a minute left\n" in console.file.getvalue()
    assert "\x1b[?25l" not in console.file.getvalue()  # what hides the cursor while a bar moves


# --- JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_run_json_is_the_summary_and_nothing_else(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", lambda self, case: GOOD)
    result = invoke("run", "--harness", "data", "--runs-dir", tmp_path / "runs", "--json")
    (path,) = (tmp_path / "runs").iterdir()
    assert json.loads(result.stdout) == json.loads((path / "summary.json").read_text())
    assert f"run {path.name}" in result.stderr and "[1/4] data" in result.stderr


def test_run_json_of_a_run_that_measured_nothing_is_still_json(invoke, small_data, tmp_path, monkeypatch):
    monkeypatch.setattr(WorkerPool, "measure", lambda self, case: WorkerResult([], "it crashed (SIGSEGV)", 1.0))
    result = invoke("run", "--harness", "data", "--runs-dir", tmp_path / "runs", "--json")
    assert result.exit_code == cli.NOTHING_MEASURED
    assert json.loads(result.stdout)["failed_processes"] == 4


@pytest.mark.slow
def test_report_json_is_the_summary(invoke, loading_run_path):
    shown = json.loads(invoke("report", loading_run_path, "--json").stdout)
    assert shown == json.loads((loading_run_path / "summary.json").read_text())


# --- export ---------------------------------------------------------------------------------------------------------


def test_a_single_file_goes_to_stdout_unless_it_is_named(invoke, run_path, tmp_path):
    shown = invoke("export", run_path, "--format", "bencher").stdout
    result = invoke("export", run_path, "--format", "bencher", "--output", tmp_path / "bmf.json", "--json")
    assert json.loads(shown) == json.loads((tmp_path / "bmf.json").read_text())
    assert json.loads(result.stdout)["files"] == [(tmp_path / "bmf.json").as_posix()]


def test_the_latest_run_is_exported_unless_another_is_named(invoke, tmp_path):
    for run_id in ("20260101-000000-aaaaaaa", "20260102-000000-bbbbbbb"):
        write_example_run(tmp_path, replicates(), run_id=run_id)
    for named in ([], ["latest"]):
        shown = invoke("export", *named, "--format", "chrome-trace", "--runs-dir", tmp_path).stdout
        assert json.loads(shown)["otherData"]["run_id"] == "20260102-000000-bbbbbbb"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--format", "xml"], "unknown format 'xml': choose one of"),
        (["--format", "parquet"], "parquet is a folder of files: name one with --output"),
        (["--format", "bencher", "--json"], "name one with --output"),
        (["--format", "bencher", "--output", "/proc/nowhere/bmf.json"], "name another file with --output"),
    ],
)
def test_an_export_that_cannot_be_is_one_sentence(invoke, run_path, options, sentence):
    result = invoke("export", run_path, *options)
    assert result.exit_code == cli.BAD_INPUT
    assert sentence in result.stderr
    assert result.stdout == ""


def test_what_an_export_leaves_out_is_said_beside_it(invoke, tmp_path):
    parts = [measurement("load", [0.5, None]), measurement("read", [0.1])]
    path = write_example_run(tmp_path, [replicate(case("data"), parts)])
    result = invoke("export", path, "--format", "bencher")
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)) == ["data/read[theano/as_published,device=cpu,threads=2,cache=warm]"]
    assert "all 2 samples of load were left out" in result.stderr
