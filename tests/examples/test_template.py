"""A new plugin is written, conforms, and says what to do next."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bench import cli
from bench.cli import main
from bench.measure.conformance.template import write_template
from mlp import backends
from mlp.backends.functional import FunctionalBackend
from mlp.registry import BackendEntry

PROJECT = Path(__file__).resolve().parents[2]


def new(folder):
    return CliRunner().invoke(main, ["conform", "--new", str(folder)])


def test_a_new_plugin_is_a_backend_of_its_name(tmp_path, example):
    done = new(tmp_path / "tensor-lib")
    assert done.exit_code == 0 and "python -m bench conform tensor_lib" in done.stdout
    folder = tmp_path / "tensor-lib"
    text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "template" not in text.lower()
    example(folder)
    assert backends.load("tensor_lib").__name__ == "TensorLibBackend"
    assert isinstance(backends.probe("tensor_lib"), backends.Available)
    assert isinstance(backends.probe("tensor_lib", device="cuda"), backends.Unavailable)


@pytest.mark.slow
def test_the_plugins_own_test_passes(tmp_path, example):
    folder = tmp_path / "tensor_lib"
    write_template(folder)
    path = os.pathsep.join(map(str, (*example(folder), PROJECT)))
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(argv, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("numpy", "is the name of a backend already"),
        ("2fast", "cannot name a backend"),
        ("there", "exists: name a new"),
    ],
)
def test_a_folder_that_cannot_be_a_plugin_is_one_sentence(tmp_path, name, sentence):
    (tmp_path / "there").mkdir()
    done = new(tmp_path / name)
    assert done.exit_code == 2 and sentence in done.stderr and done.stderr.count("\n") == 1


def test_without_the_template_a_sentence_says_so(tmp_path):
    from bench.errors import BenchError

    with pytest.raises(BenchError, match="install mlp-bench again"):
        write_template(tmp_path / "mine", tmp_path / "nothing")


def test_the_page_of_the_docs_names_what_exists():
    page = (PROJECT / "docs" / "backends.md").read_text()
    table = page[page.index("## The entry") : page.index("## Two that prove it")]
    named = {name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named and named <= {field.name for field in fields(BackendEntry)}
    action = yaml.safe_load((PROJECT / ".github/actions/bench-gate/action.yml").read_text())
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    assert set(yaml.safe_load(example)[0]["with"]) <= set(action["inputs"])
    functions = {name for name in re.findall(r"^\| `(\w+)\(", page, re.M)}
    assert functions and functions <= FunctionalBackend.__dict__.keys() | FunctionalBackend.__abstractmethods__
    assert set(re.findall(r"python -m bench (\w+)", page)) <= set(cli.COMMANDS)
