"""Theano and Lasagne from their archives: the calls of pip, and what lets the old setup.py run."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlp.theano_compat.archives import __main__ as archives


@pytest.fixture
def calls(monkeypatch):
    found = []

    def run(command, env):
        found.append((command[5:], env))
        for wheels in (command[at + 1] for at, word in enumerate(command) if word == "--wheel-dir"):
            Path(wheels).mkdir()
            Path(wheels, "theano.whl").touch()
        return SimpleNamespace(returncode=3 if failing == command[5] else 0)

    failing = None
    monkeypatch.setattr(archives, "pip_environment", lambda: {"PIP_CERT": "kept"})
    monkeypatch.setattr(archives.subprocess, "run", run)

    def fail(name):
        nonlocal failing
        failing = name

    return found, fail


def test_the_archives_are_built_with_old_names_and_tools_and_then_installed(calls):
    found, _ = calls
    assert archives.main() == 0
    (tools, _), (built, env), (installed, _) = found
    assert all(variables["PIP_CERT"] == "kept" for _, variables in found)
    assert tools[0] == "install" and tools[-2:] == list(archives.BUILD_TOOLS)
    assert built[0] == "wheel" and "--no-build-isolation" in built and built[-2:] == list(archives.ARCHIVES)
    assert env["PYTHONPATH"].split(os.pathsep) == [str(Path(archives.__file__).parent), tools[2]]
    assert [Path(one).name for one in installed] == ["install", "theano.whl"]


def test_the_code_of_the_pip_that_failed_is_returned_and_nothing_follows(calls):
    found, fail = calls
    fail("wheel")
    assert archives.main() == 3 and len(found) == 2


def test_the_names_that_python_dropped_are_there_in_the_build():
    code = "import configparser as c; c.SafeConfigParser().readfp(['[a]', 'b = 1'])"
    variables = {**os.environ, "PYTHONPATH": str(Path(archives.__file__).parent)}
    assert subprocess.run([sys.executable, "-c", code], env=variables).returncode == 0


def test_archives_and_build_tools_are_those_that_are_pinned():
    project = Path(__file__).parents[3]
    pinned = project.joinpath("requirements.txt").read_text().splitlines()
    assert set(archives.ARCHIVES) <= {line.lower() for line in pinned}
    assert f"BUILD_TOOLS := {' '.join(archives.BUILD_TOOLS)}\n" in project.joinpath("Makefile").read_text()
