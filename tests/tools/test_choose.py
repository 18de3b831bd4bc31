"""Decisions of `make` before it starts anything: options, Python, toolchain, GPU.  Programs are stubs on PATH."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from plugins import write_plugin

from mlp import cuda_driver
from mlp.availability import Unavailable
from mlp.theano_compat.toolchain import problem_elsewhere
from tools import choose

PROJECT = Path(__file__).resolve().parents[2]
FILES = ("Makefile", "requirements.txt", "pyproject.toml", "requirements", "tools", "mlp")


@pytest.fixture(autouse=True)
def without_the_make_that_runs_the_tests(monkeypatch):
    for name in ("MAKELEVEL", "MAKEFLAGS", *choose.KNOWN):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files that `make -n` reads, without an environment; ``bin`` in it is the first folder on PATH."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in FILES:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, folder / name)
    (folder / "bin").mkdir()
    script(folder / "bin" / "python3", f'exec {sys.executable} "$@"')
    return folder


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def make(folder, *arguments, **variables):
    kept = {**os.environ, "PATH": f"{folder}/bin:/usr/bin:/bin", **variables}
    return subprocess.run(["make", *arguments], cwd=folder, env=kept, capture_output=True, text=True, timeout=120)


def installs(done):
    return re.findall(r"installing ([a-z]+\d*)\"", done.stdout)


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goal", "option", "words"),
    [
        ("bench", "QUICK=no", "QUICK=no: write QUICK=1"),
        ("bench", "QUICK=0", "write QUICK=1, or leave it out"),
        ("bench", "PROCESSES=x", "a number of processes"),
        ("bench", "PROCESSES=0", "a number of processes"),
        ("bench", "DEVICES=gpu", "cpu, cuda or cuda:1"),
        ("bench", "BACKENDS=teano", "unknown backend teano; choose from theano"),
        ("bench", "BACKENDS=theano,jax", "BACKENDS=theano,jax: write names"),
        ("bench", "BACKEND=jax", "no option BACKEND: did you mean BACKENDS?"),
        ("bench", "quick=1", "did you mean QUICK?"),
        ("bench", "BUDGET=5m", "takes no BUDGET: it is an option of gate, check"),
        ("test", "FAST=yes", "write FAST=1"),
        ("gate", "BUDGET=100", "with its unit"),
        ("check", "UNDECIDED=maybe", "pass or fail"),
        ("compare", "HTML=1", "the file to write"),
        ("compare", "RUNS=a'b c", "cannot hold"),
        ("report", "X=1", "no option X"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_starts(goal, option, words, capsys):
    assert choose.main([goal, option]) == 0
    captured = capsys.readouterr()
    assert captured.out == "stop\n"
    assert words in captured.err and captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("goals", "given"),
    [
        (["bench"], {"RESUME": "an id", "SEEDS": "6-15"}),
        (["bench"], {"QUICK": "1", "BACKENDS": "theano  jax", "DEVICES": "cpu cuda:1", "VARIANTS": "scan torch/eager"}),
        (["bench"], {"RESUME": "20260102-030405-0123456", "SEEDS": "6-15"}),
        (["gate"], {"AGAINST": "v1", "UNDECIDED": "pass"}),
        (["bench"], {"OMP_NUM_THREADS": "1", "THEANO_FLAGS": "cxx=g++", "TMPDIR": "/x", "MNIST_DIR": "a b"}),
        (["check"], {"BUDGET": "5m", "METRICS": "all"}),
        (["compare"], {"HTML": "a page.html", "PRICE_PER_HOUR": "a=0.5"}),
        (["bench", "test"], {"QUICK": "1", "FAST": "1"}),
        ([".venv/installed"], {"ANYTHING": "1"}),
    ],
)
def test_right_options_pass(goals, given):
    choose.check_names(goals, given)
    choose.check_values(given)


def test_every_variable_that_the_makefile_reads_is_a_known_option():
    text = (choose.PROJECT / "Makefile").read_text()
    assigned = set(re.findall(r"^([A-Z0-9_]+) :?=", text, re.MULTILINE))
    read = set(re.findall(r"\$\(([A-Z][A-Z0-9_]*)\)", text)) - {"CURDIR", "MAKECMDGOALS"}
    assert "SEEDS" in read
    assert read - assigned <= choose.KNOWN


def test_options_of_the_environment_are_checked_like_those_of_the_command_line(monkeypatch, capsys):
    monkeypatch.setenv("DEVICES", "gpu")
    choose.main(["bench"])
    assert "DEVICES=gpu" in capsys.readouterr().err
    choose.main(["report"])  # which has no such option, so that it is another program's variable
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_make_stops_at_a_wrong_option_and_runs_nothing_in_it(checkout):
    for option in ("QUICK=no", "HTML='$(touch x)'", "BACKENDS=jax'; touch x; '"):
        done = make(checkout, "bench", option)
        assert done.returncode == 2 and "nothing was started" in done.stderr
    assert not (checkout / "x").exists() and not (checkout / ".venv").exists()


def test_help_and_clean_need_no_python(checkout):
    for goal in ("help", "clean"):
        script(checkout / "bin" / "python3", "exit 1")
        assert make(checkout, goal).returncode == 0


def test_a_plugin_of_the_environment_can_be_chosen(tmp_path, monkeypatch):
    write_plugin(tmp_path / ".venv/lib/python3.12/site-packages", "tensorlib")
    monkeypatch.setattr(choose, "PROJECT", tmp_path)
    choose.check_values({"BACKENDS": "theano tensorlib"})
    with pytest.raises(choose.Refused, match=r"unknown backend caffe; choose from theano, .*, tensorlib, or all"):
        choose.check_values({"BACKENDS": "caffe"})


def test_the_names_are_those_of_the_project():
    makefile = (PROJECT / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    assert set(targets.split()) - {"help", "clean", "FORCE"} == set(choose.GOALS)
    assert set(re.findall(r"\$\(if \$\(([A-Z0-9_]+)\)", makefile)) - {"NEW_ENVIRONMENT", "ANY_PYTHON"} <= choose.KNOWN
    assert all(f"$({name})" in makefile or f",{name})" in makefile for name in choose.KNOWN - {"MNIST_DIR"})
    python = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert python == f">={choose.dotted(choose.OLDEST)},<3.{choose.NEWEST[1] + 1}"


def test_what_runs_before_there_is_an_environment_is_plain_python_3_8():
    files = (
        "tools/choose.py",
        "mlp/__init__.py",
        "mlp/availability.py",
        "mlp/cuda_driver.py",
        "mlp/errors.py",
        "mlp/registry.py",
        "mlp/theano_compat/finder.py",
    )
    for name in (*files, "mlp/theano_compat/__init__.py"):
        ast.parse((PROJECT / name).read_text(), feature_version=(3, 8))
    argv = [sys.executable, "-S", "-c", "import tools.choose"]  # -S: without the packages of any environment
    subprocess.run(argv, cwd=PROJECT, check=True)


# --- Python ----------------------------------------------------------------------------------------------------------


def answering(**answers):
    """A stand-in for ``ask``: version and what differs from a usable Python, by the path's last word."""

    def ask(path):
        answer = answers.get(Path(path).name.replace(".", "_"))
        return answer and [list(answer[0]), *answer[1:], *("CPython", False, True)[len(answer) - 1 :]]

    return ask


@pytest.fixture
def on_path(monkeypatch):
    def put(**answers):
        monkeypatch.setattr(choose, "ask", answering(**answers))
        names = {name.replace("_", "."): f"/usr/bin/{name.replace('_', '.')}" for name in answers}
        monkeypatch.setattr(shutil, "which", names.get)

    return put


def test_a_python_that_lacks_wheels_is_not_preferred_to_one_that_works(on_path):
    on_path(python3=[(3, 14)], python3_12=[(3, 12)])
    assert choose.find_python(None, compiles=False) == "/usr/bin/python3.12"


def test_without_a_usable_python_each_one_found_is_named_with_its_reason(on_path):
    on_path(python3=[(3, 14)], python3_13=[(3, 13), "CPython", True], python3_12=[(3, 12), "PyPy"], python=None,
            python3_11=[(3, 11), "CPython", False, False])  # fmt: skip
    with pytest.raises(choose.Refused) as refused:
        choose.find_python(None, compiles=False)
    for words in (
        *(
            "python3 is Python 3.14, for which some of the pinned packages have no wheels yet",
            "python cannot be started",
        ),
        *("python3.13 is a free-threaded", "python3.12 is PyPy", "python3.11 has no ensurepip", "PYTHON=/path/to/"),
    ):
        assert words in str(refused.value)


@pytest.mark.parametrize(("version", "words"), [((3, 10), "older than Python 3.11"), ((3, 14), "no wheels yet")])
def test_a_python_that_was_named_is_taken_or_refused_and_never_replaced(version, words, on_path):
    on_path(mine=[version], python3=[(3, 12)])
    with pytest.raises(choose.Refused, match=words):
        choose.find_python("mine", compiles=False)


def test_a_python_without_headers_gives_way_to_one_that_can_compile(on_path, monkeypatch):
    on_path(python3=[(3, 13)], python3_11=[(3, 11)])
    monkeypatch.setattr(choose, "toolchain_problem", lambda path: "" if path.endswith("3.11") else "no Python.h")
    assert choose.find_python(None, compiles=True) == "/usr/bin/python3.11"
    assert choose.find_python(None, compiles=False) == "/usr/bin/python3"
    with pytest.raises(choose.Refused, match=r"no Python\.h"):
        choose.find_python("python3", compiles=True)


@pytest.mark.parametrize(
    ("goals", "options", "compiles"),
    [
        (["bench"], {}, True),
        (["bench"], {"BACKENDS": "theano jax"}, True),
        (["bench"], {"BACKENDS": "jax numpy"}, False),
        (["bench"], {"OPTIONS": "--harness data"}, False),
        (["test"], {}, True),
        (["report"], {}, False),
    ],
)
def test_a_compiler_is_looked_for_where_theano_must_run(goals, options, compiles):
    assert choose.needs_compiler(goals, options) is compiles


def test_make_refuses_a_toolchain_without_headers_before_it_installs_anything(checkout):
    script(checkout / "bin" / "g++", "echo 'fatal error: Python.h: No such file' >&2; exit 1")
    done = make(checkout, "bench")
    assert done.returncode == 2 and not (checkout / ".venv").exists()
    assert "g++ did not find the header Python.h" in done.stderr and "python3-dev" in done.stderr


@pytest.mark.slow
def test_what_a_preloaded_library_prints_is_no_problem_of_the_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    script(tmp_path / "python", f'echo "libwatch: attached"; exec {sys.executable} "$@"')
    script(tmp_path / "g++", "exit 127")
    for why in (choose.toolchain_problem(tmp_path / "python"), problem_elsewhere(tmp_path / "python", os.environ)):
        assert "(no message)" in why and "libwatch" not in why


# --- an environment that is there ------------------------------------------------------------------------------------


@pytest.fixture
def venv(tmp_path):
    """An environment whose Python is this one's, installed from this project."""
    folder = tmp_path / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    info = folder / "lib/python3.11/site-packages/mlp_bench-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "direct_url.json").write_text(f'{{"url": "{PROJECT.as_uri()}", "dir_info": {{"editable": true}}}}')
    return folder


def test_an_environment_that_works_is_kept(venv):
    assert choose.environment_problem(venv, None) is None
    assert choose.environment_problem(venv, sys.executable) is None


def test_no_environment_is_no_problem(tmp_path):
    assert choose.environment_problem(tmp_path / ".venv", None) == ""


def test_an_environment_whose_python_is_gone_is_made_again(venv):
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3.11")
    assert "cannot be started" in choose.environment_problem(venv, None)


def test_a_copied_environment_would_run_the_originals_code_and_is_made_again(venv):
    (file,) = venv.rglob("direct_url.json")
    file.write_text('{"url": "file:///home/a%20user/original"}')
    assert "it runs the code of /home/a user/original" in choose.environment_problem(venv, None)


def test_an_environment_behind_a_link_is_left_alone(venv, tmp_path, monkeypatch, capsys):
    (file,) = venv.rglob("direct_url.json")
    file.write_text('{"url": "file:///original"}')
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / ".venv").symlink_to(venv)
    monkeypatch.setattr(choose, "PROJECT", tmp_path / "copy")
    choose.main(["report"])
    captured = capsys.readouterr()
    assert captured.out == "stop\n" and "it runs the code of /original" in captured.err and "remove" in captured.err


def test_another_python_that_was_named_makes_the_environment_again(venv, monkeypatch):
    monkeypatch.setattr(choose, "ask", answering(python=[(3, 11)], other=[(3, 12)]))
    assert "PYTHON=other is Python 3.12, and it holds Python 3.11" in choose.environment_problem(venv, "other")


def test_an_environment_of_a_python_that_is_not_supported_is_made_again(venv, monkeypatch):
    monkeypatch.setattr(choose, "ask", answering(python=[(3, 14)]))
    assert "it holds Python 3.14" in choose.environment_problem(venv, None)


# --- GPUs ------------------------------------------------------------------------------------------------------------


def chosen(driver, monkeypatch, **options):
    monkeypatch.setattr(choose, "find_driver", lambda: driver)
    return choose.backends_to_install(options)


NEW = cuda_driver.Driver((13, 3), ((9, 0),))


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        (NEW, {}, "jax torch cuda13"),
        (NEW, {"DEVICES": "cpu"}, "jax torch"),
        (NEW, {"BACKENDS": "all"}, "pytensor jax torch cuda13"),
        (NEW, {"BACKENDS": "jax", "DEVICES": "cpu"}, "jax"),
        (NEW, {"BACKENDS": "theano torch"}, "torch"),
        (cuda_driver.Driver((12, 4), ((9, 0),)), {}, "jax torch cuda12"),
        (cuda_driver.Driver((13, 0), ((6, 1),)), {"BACKENDS": "jax"}, "jax cuda12"),
        (cuda_driver.NO_DRIVER, {}, ""),
        (cuda_driver.NO_DRIVER, {"BACKENDS": "jax"}, "jax"),
        (Unavailable("it hangs", "Restart."), {"BACKENDS": "all"}, "pytensor jax torch"),
    ],
)
def test_what_is_installed_is_what_the_driver_can_run(driver, options, words, monkeypatch):
    assert " ".join(chosen(driver, monkeypatch, **options)) == words


def test_why_no_build_or_an_older_one_is_chosen_is_said(monkeypatch, capsys):
    chosen(Unavailable("the NVIDIA driver supports CUDA 11.4", "Update it."), monkeypatch)
    chosen(cuda_driver.Driver((12, 4), ()), monkeypatch)
    chosen(cuda_driver.NO_DRIVER, monkeypatch)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "no CUDA build is chosen: the NVIDIA driver supports CUDA 11.4. Update it."
    assert "PyTorch is built for CUDA 13" in second and "580.65" in second


@pytest.mark.slow
@pytest.mark.parametrize(
    ("banner", "variables", "builds"),
    [
        ("echo 'CUDA UMD Version: 13.3'", {}, {"jax", "torch", "cuda13"}),
        ("echo 'CUDA Version: 12.2'", {}, {"jax", "torch", "cuda12"}),
        ("echo 'CUDA Version: 11.4'", {}, set()),
        ("echo 'CUDA Version: N/A'", {}, set()),
        ("echo 'NVIDIA-SMI has failed'; exit 9", {}, set()),
        ("echo 'CUDA Version: 13.0'", {"CUDA_VISIBLE_DEVICES": "-1"}, set()),
    ],
)
def test_make_installs_for_the_driver_of_the_banner(banner, variables, builds, checkout):
    if cuda_driver.driver() != cuda_driver.NO_DRIVER:
        pytest.skip("this machine has a driver, which is asked instead")
    script(checkout / "bin" / "nvidia-smi", banner)
    done = make(checkout, "-n", "bench", "OPTIONS=--harness data", **variables)  # which needs no compiler
    assert done.returncode == 0, done.stderr
    assert set(installs(done)) == builds
    assert builds or "no CUDA build is chosen" in done.stderr


def test_make_in_another_folder_says_where_it_works(checkout, tmp_path):
    done = make(tmp_path, "-f", checkout / "Makefile", "doctor")
    assert done.returncode == 2
    assert "name it: make -C FOLDER" in done.stderr
    assert "choose.py" not in done.stderr


# --- one thing at a time ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_make_j2_runs_one_target_at_a_time(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    measures = 'echo "start $3"; sleep 0.3; echo "end $3"'
    script(
        checkout / ".venv" / "bin" / "python",
        f'case "$2 $3" in "bench run"|"pytest "*) {measures};; *) exec {sys.executable} "$@";; esac',
    )
    (checkout / ".venv" / "installed").touch()
    done = make(checkout, "-j2", "bench", "test", "BACKENDS=numpy")
    assert done.returncode == 0, done.stderr
    words = [line.split()[0] for line in done.stdout.splitlines() if line.startswith(("start", "end"))]
    assert words == ["start", "end", "start", "end"]


def test_what_make_is_told_of_python_reaches_no_command_as_a_variable(checkout):
    """A report would warn of it."""
    (checkout / "print.mk").write_text("help:\n\t@env\n")
    options = (f"PYTHON={sys.executable}", "PYTHON311=python3.11")
    done = make(checkout, "-f", "Makefile", "-f", "print.mk", "help", *options, PYTHONHOME="/nowhere")
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "PATH" in names and not names & {"PYTHON", "PYTHON311", "PYTHONHOME"}
