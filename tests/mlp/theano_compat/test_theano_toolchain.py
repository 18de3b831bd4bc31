"""A C++ toolchain that lacks something is found by compiling one small program, with compilers that fail as told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlp import backends
from mlp.backends import Available, Unavailable
from mlp.theano_compat.toolchain import toolchain_problem

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Write a g++ that runs ``script`` and is the first on PATH."""

    def write(script):
        program = tmp_path / "bin" / "g++"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "reason", "remedy"),
    [
        ('echo "try.cpp:2:10: fatal error: Python.h: No such file" >&2; exit 1', "the header Python.h", "python3-dev"),
        ("echo '/usr/bin/ld: cannot find -lpython3.11' >&2; exit 1", "the library python3.", "python3-dev"),
        (
            "echo '/usr/bin/ld: cannot find crti.o: No such file' >&2; exit 1",
            "cannot compile and link",
            "apt install g++",
        ),
        ("echo 'clang: error: no such file: libc++.so' >&2; exit 1", "(no such file: libc++.so)", "apt install g++"),
        (f'exec {shutil.which("g++")} -D__clang__ "$@"', "is clang under another name", "apt install g++"),
        ("exit 0", "compiles cannot be loaded", "TMPDIR"),
        ("echo 'fatal error: error writing to /x/a.o: No space left on device' >&2; exit 1", "is full", "TMPDIR"),
        ("exit 127", "(no message)", "apt install g++"),
    ],
)
def test_what_a_toolchain_lacks_is_named_with_its_remedy(script, reason, remedy, compiler):
    compiler(script)
    found = toolchain_problem()
    assert reason in found.reason and remedy in found.remedy
    assert "/" not in found.reason.replace("/usr/bin/ld", "")  # it may go into a record, which holds no paths


def test_a_variable_of_the_compiler_is_named_before_an_installation(compiler, monkeypatch):
    compiler("echo \"fatal error: cannot execute 'cc1plus'\" >&2; exit 1")
    monkeypatch.setenv("GCC_EXEC_PREFIX", "/no/such/folder/")
    assert toolchain_problem().remedy.startswith("Unset GCC_EXEC_PREFIX, or install g++")


def test_a_temporary_folder_without_execution_is_named_as_the_cause(compiler, monkeypatch):
    compiler("exit 0")  # it leaves no library that could be loaded
    monkeypatch.setattr(os, "statvfs", lambda folder: SimpleNamespace(f_flag=os.ST_NOEXEC))
    found = toolchain_problem()
    assert "mounted noexec" in found.reason and found.remedy == "Set TMPDIR to another folder."


def test_a_toolchain_that_works_has_no_problem():
    if isinstance(backends.load("theano").availability(), Unavailable):
        pytest.skip("no C++ compiler")
    assert toolchain_problem() is None


def test_only_variants_that_compile_c_need_it(compiler, monkeypatch):
    compiler("exit 1")
    for name in ("theano", "torch", "pytensor"):
        monkeypatch.setattr(backends.load(name), "availability", lambda *_: Available("here"))
    answers = {
        f"{name}/{variant}": isinstance(backends.probe(name, variant), Available)
        for name, variant in [
            *(("theano", "as_published"), ("theano", "tuned"), ("torch", "compiled"), ("pytensor", "c")),
            *(("torch", "eager"), ("pytensor", "numba"), ("numpy", "float32")),
        ]
    }
    assert [name for name, works in answers.items() if works] == ["torch/eager", "pytensor/numba", "numpy/float32"]


@pytest.mark.slow
def test_theano_says_in_one_sentence_that_it_cannot_compile(compiler, tmp_path, theano):
    """Theano's own answer would be a hundred lines, or a quiet fall back to Python."""
    compiler(
        "case \"$*\" in *-dumpversion*|*--version*) echo 12;; *) echo 'fatal error: Python.h: No' >&2; exit 1;; esac"
    )
    code = f"import os, sys; sys.path.insert(0, {str(PROJECT)!r}); import mlp, theano"
    variables = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "THEANO_FLAGS": f"base_compiledir={tmp_path}/cache"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=300)
    last = done.stderr.strip().splitlines()[-1]
    assert "BackendError: Theano cannot compile: g++ did not find the header Python.h" in last
