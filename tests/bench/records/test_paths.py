"""Every path that a command is given is absolute before anything runs in another folder."""

import os
from pathlib import Path

import click
import pytest

from bench import cli
from bench.gate.processes.sides import SideSpec, resolve
from bench.records.paths import absolute


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_relative_path_is_absolute_and_a_tilde_is_the_home(home):
    assert absolute("mnist") == home / "mnist"
    assert absolute("~/mnist") == home / "home" / "mnist"
    assert absolute(home / "x" / ".." / "mnist") == home / "mnist"


def test_a_link_stays_a_link(home):
    (home / "link").symlink_to(home)
    assert absolute("link") == home / "link"


def path_options():
    """(command, option) of every option and argument that is a path."""
    commands = [cli.main.get_command(None, name) for name in cli.COMMANDS]
    return [(one.name, param) for one in commands for param in one.params if isinstance(param.type, click.Path)]


def test_every_path_of_every_command_is_made_absolute():
    found = path_options()
    assert {"--data", "--runs-dir", "--output", "--junit"} <= {opt for _, param in found for opt in param.opts}
    assert not [(name, param.name) for name, param in found if param.type is not cli.PATH]


def test_a_dash_stays_stdout(home):
    assert cli.PATH.convert("-", None, None) == Path("-")


def test_variables_that_name_folders_are_absolute_for_all_that_a_command_starts(home, monkeypatch):
    monkeypatch.setenv("MNIST_DIR", "~/mnist")
    monkeypatch.setenv("MLP_BENCH_CACHE", "cache")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"lib{os.pathsep}/usr/lib{os.pathsep}")
    cli.main.callback()
    assert os.environ["MNIST_DIR"] == str(home / "home" / "mnist")
    assert os.environ["MLP_BENCH_CACHE"] == str(home / "cache")
    assert os.environ["LD_LIBRARY_PATH"] == os.pathsep.join([str(home / "lib"), "/usr/lib", ""])


def test_the_data_of_one_side_is_absolute_because_it_runs_elsewhere(home):
    side = resolve("B", SideSpec(variables=("MNIST_DIR=mnist", "OTHER=mnist")), home)
    assert side.variables == {"MNIST_DIR": str(home / "mnist"), "OTHER": "mnist"}
