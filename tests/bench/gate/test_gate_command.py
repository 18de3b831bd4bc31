"""``python -m bench gate`` on real processes of a toy: every bad input is a sentence, and nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import psutil
import pytest
import toy_project
from click.testing import CliRunner
from optional import need

from bench import cli
from bench.measure import scratch
from bench.measure.worker import PROJECT

BROKEN = "import a_package_that_is_not_there\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The toy, which gates of this process compare; their scratch folders are below ``tmp_path / "scratch"``."""
    made = toy_project.make(tmp_path / "project")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("bench.gate.options.PROJECT", made)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr("bench.gate.instructions.why_not", lambda device: "not measured")
    for variable in ("GITHUB_STEP_SUMMARY", "MNIST_DIR"):  # the toy needs no data, which would be identified first
        monkeypatch.delenv(variable, raising=False)
    return made


@pytest.fixture
def gate(monkeypatch, tmp_path):
    def invoke(*arguments):
        monkeypatch.setattr(cli, "console", cli.Console(soft_wrap=True, width=300))
        monkeypatch.setattr(cli, "errors", cli.Console(stderr=True, soft_wrap=True, width=300))
        options = ["--backend", "numpy", "--runs-dir", str(tmp_path / "runs")]
        result = CliRunner().invoke(cli.main, ["gate", *options, *map(str, arguments)])
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture(autouse=True)
def nothing_stays_behind(request, tmp_path):
    """After each test: no process of a side, no scratch folder, and the repository as git left it."""
    if "project" in request.fixturenames:
        git_folder = request.getfixturevalue("project") / ".git"
    yield
    assert not [child for child in psutil.Process().children() if "replicate.py" in " ".join(_command(child))]
    if "project" in request.fixturenames:
        assert not list((tmp_path / "scratch").iterdir())
        assert not (git_folder / "worktrees").exists()


def _command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def one_sentence(result):
    """Return the single line on stderr, and check that nothing was measured."""
    (line,) = result.stderr.strip().splitlines()
    return line


def test_an_unknown_revision_is_one_sentence(project, gate):
    result = gate("--against", "no-such-branch")
    assert result.exit_code == cli.BAD_INPUT
    assert "unknown revision 'no-such-branch'" in one_sentence(result)


@pytest.mark.slow
def test_a_side_that_does_not_import_is_named_with_the_reason(project, gate, tmp_path):
    toy_project.change(project, {"mlp/backends/__init__.py": BROKEN})
    result = gate("--json", tmp_path / "out.json", "--junit", tmp_path / "out.xml")
    assert result.exit_code == cli.NOTHING_MEASURED
    assert "side B (the working tree at" in one_sentence(result)
    reason = "failed to prepare: ModuleNotFoundError: No module named 'a_package_that_is_not_there'"
    assert reason in result.stderr
    said = json.loads((tmp_path / "out.json").read_text())
    assert said["exit_code"] == cli.NOTHING_MEASURED and reason in said["sentences"][0]
    assert {one["verdict"] for one in said["judgements"]} == {"not_measured"}
    suite = ElementTree.fromstring((tmp_path / "out.xml").read_text())
    assert suite.get("errors") == suite.get("tests") == "2"


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_measured(project, gate, tmp_path):
    for option, target in (("--json", tmp_path), ("--junit", tmp_path / "none" / "x"), ("--markdown", "/proc/x")):
        result = gate(option, target)
        assert result.exit_code == cli.BAD_INPUT
        assert f"name another file with {option}" in one_sentence(result)
    assert "both name -" in one_sentence(gate("--json", "-", "--junit", "-"))


@pytest.mark.slow
def test_a_side_that_cannot_compile_is_named_before_a_process_of_a_side_is_started(project, gate, tmp_path):
    need("theano", "tuned")
    compiler = tmp_path / "bin" / "g++"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho 'try.cpp:2:10: fatal error: Python.h: No such file' >&2\nexit 1\n")
    compiler.chmod(0o755)
    result = gate("--backend", "theano", "--env-b", f"PATH={compiler.parent}{os.pathsep}{os.environ['PATH']}")
    assert result.exit_code == cli.NOTHING_MEASURED
    sentence = one_sentence(result)
    assert "side B (" in sentence and "it cannot compile: g++ did not find the header Python.h. Install" in sentence
    assert not (project / "mlp" / "looked").exists()  # what the toy leaves when it is asked for its data


@pytest.mark.slow
def test_a_base_that_cannot_be_measured_is_no_verdict_on_the_candidate(project, gate):
    broken = toy_project.replaced("mlp/backends/__init__.py", "def compile(self): time.sleep(0.001)", "")
    toy_project.commit(project, broken)
    toy_project.change(project, toy_project.FILES)
    result = gate("--against", "HEAD")
    assert result.exit_code == cli.NOTHING_MEASURED
    assert "side A (revision HEAD" in one_sentence(result)
    assert "failed to compile: AttributeError" in result.stderr


@pytest.mark.slow
def test_sides_that_train_on_other_data_are_refused(project, gate):
    toy_project.change(project, toy_project.replaced("mlp/dataset.py", "0123456789abcdef", "ffffffffffffffff"))
    result = gate()
    assert result.exit_code == cli.BAD_INPUT
    assert "the dataset of A is mnist (01234567...) and that of B mnist (ffffffff...)" in one_sentence(result)


def test_sides_with_another_recipe_are_refused_with_the_list_of_differences(project, gate):
    recipe = toy_project.FILES["mlp/recipe.py"].replace("0.001", "0.01").replace("5000", "2500")
    toy_project.change(project, {"mlp/recipe.py": recipe})
    sentence = one_sentence(gate())
    assert "batch_size of the recipe is 5000 in A and 2500 in B" in sentence
    assert "learning_rate of the recipe is 0.001 in A and 0.01 in B" in sentence


@pytest.mark.slow
def test_another_seed_is_no_difference_and_the_data_is_looked_for_once_however_many_processes_load_it(project, gate):
    toy_project.change(project, toy_project.replaced("mlp/recipe.py", "seed: int = 1", "seed: int = 7"))
    assert gate("--budget", "0.1s", "--undecided", "pass").exit_code == 0
    assert (project / "mlp" / "looked").read_text() == "x"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--python-b", "/nowhere/python"], "/nowhere/python is neither a Python nor a virtual environment"),
        (["--env-b", "THREADS"], "'THREADS' is not a setting of an environment variable"),
        (["--metric", "beauty"], "unknown metric 'beauty'"),
        (["--metric", "compile_cold", "--metric", "compile_warm"], "a process compiles once, cold or warm"),
        (["--metric", "compile_cold"], "keeps no compiled code on disk"),
        (["--budget", "soon"], "--budget is 'soon', not a duration"),
        (["--inject", "0.9"], "--inject is a factor from 1 to 10"),
        (["--against", "main", "--revision-a", "main"], "--against and --revision-a both name the base's revision"),
        (["--variant", "turbo"], "has no variant 'turbo'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--calibrate", "--again", "x"], "--calibrate and --again exclude each other"),
        (["--again", "nowhere.json"], "nowhere.json cannot be read"),
        (["--replay", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--baseline", "nowhere"], "'nowhere' is not a run"),
    ],
)
def test_bad_input_is_one_sentence(project, gate, options, sentence):
    result = gate(*options)
    assert result.exit_code == cli.BAD_INPUT
    assert sentence in one_sentence(result)


def test_a_bad_threshold_in_pyproject_is_one_sentence(project, gate):
    toy_project.change(project, {"pyproject.toml": "[tool.bench.gate]\nbudgets = '60s'\n"})
    assert "unknown key 'budgets' in [tool.bench.gate] of pyproject.toml" in one_sentence(gate())


@pytest.mark.slow
def test_a_slow_candidate_is_red_everywhere_and_the_kept_run_says_it_again(project, gate, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    slow = toy_project.replaced("mlp/backends/__init__.py", "STEP_SECONDS = 0.002", "STEP_SECONDS = 0.02")
    toy_project.change(project, slow)
    files = {name: tmp_path / f"out.{name}" for name in ("json", "junit", "markdown")}
    result = gate(*[part for name, path in files.items() for part in (f"--{name}", path)])
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("regressed: train_epoch")
    assert "the working tree at" in result.stdout and "with uncommitted changes" in result.stdout
    said = json.loads(files["json"].read_text())
    assert said["exit_code"] == 1
    assert [one["verdict"] for one in said["judgements"] if one["metric"]["name"] == "train_epoch"] == ["regressed"]
    suite = ElementTree.fromstring(files["junit"].read_text())
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["train_epoch"]
    assert files["markdown"].read_text() == (tmp_path / "summary.md").read_text()
    (kept,) = (tmp_path / "runs").glob("*-gate.json")
    again = gate("--again", kept, "--json", "-")
    assert again.exit_code == 1
    assert json.loads(again.stdout)["judgements"] == said["judgements"]


@pytest.mark.slow
def test_a_side_against_itself_says_so_and_is_never_red(project, gate):
    result = gate("--against", "main", "--budget", "1s")
    assert result.exit_code in (0, 4)
    assert "Both sides are the same" in result.stdout


@pytest.mark.slow
def test_an_environment_variable_reaches_only_its_side_and_a_path_does_not_hide_its_own_files(project, gate, tmp_path):
    reads = toy_project.replaced(
        "mlp/backends/__init__.py", "return 0.5\n", "return float(__import__('os').environ['LOSS'])\n"
    )
    toy_project.commit(project, reads)
    elsewhere = f"PYTHONPATH={toy_project.make(tmp_path / 'elsewhere')}"  # whose loss is 0.5
    variables = ("--env-a", "LOSS=0.5", "--env-b", "LOSS=0.75", "--env-b", elsewhere)
    gate(*variables, "--metric", "train_loss", "--budget", "0.1s")
    (kept,) = (tmp_path / "runs").glob("*-gate.json")
    block = json.loads(kept.read_text())["blocks"][0]
    losses = {
        (block["slots"][turn["slot"]]["role"], turn["value"])
        for turn in block["turns"]
        if turn["measure"] == "train_loss"
    }
    assert losses == {("A", 0.5), ("C", 0.5), ("B", 0.75)}


def test_a_variable_that_would_make_a_label_false_is_refused(project, gate):
    result = gate("--env-b", "JAX_ENABLE_X64=1")
    assert result.exit_code == cli.BAD_INPUT and "--env-b JAX_ENABLE_X64=1 is refused" in result.stderr


def _has_ended(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # whoever adopts an orphan may take a second to ask for its end
    except psutil.NoSuchProcess:
        return True


GATE = """
import sys, tempfile
from pathlib import Path
from bench.gate.processes.session import GateRequest, opened, resolve_stack
from bench.gate.processes.sides import SideSpec
from bench.measure.signals import ends_on_signals
project, tempfile.tempdir = Path(sys.argv[1]), sys.argv[2]
stack = resolve_stack("numpy", None, "cpu")
request = GateRequest(SideSpec("main"), SideSpec(), stack, ("train_epoch",), project=project)
with ends_on_signals(), opened(request) as session:
    print("measuring", flush=True)
    while True:
        session.measure(0, "comparison", ("A", "B"), ("train_epoch",))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_gate_that_is_killed_leaves_no_process_and_no_folder(project, tmp_path, number):
    argv = [sys.executable, "-c", GATE, str(project), str(tmp_path / "scratch")]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(PROJECT)}
    )
    assert process.stdout.readline() == b"measuring\n"
    deadline = time.monotonic() + 30
    while not (children := psutil.Process(process.pid).children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert children
    process.send_signal(number)
    process.wait(30)
    process.stdout.close()
    while not (ended := all(map(_has_ended, children))) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended
    if number is signal.SIGKILL:  # the next gate cleans up
        assert len(scratch.remove_stale(Path(tmp_path / "scratch"))) == 1
