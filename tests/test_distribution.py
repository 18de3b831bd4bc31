"""Source archive and wheel: what an installation needs without the repository."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.gate.processes.sides import SideSpec, resolve
from mlp.backends import base

PROJECT = Path(__file__).resolve().parents[1]
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def built(what, source, target):
    done = subprocess.run([sys.executable, "-c", BUILD, what, str(target)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(target.glob("*.whl" if what == "build_wheel" else "*.tar.gz"))


@pytest.mark.slow
def test_the_wheel_of_the_source_archive_holds_every_file_of_the_packages(tmp_path):
    project, target = tmp_path / "project", tmp_path / "built"
    project.mkdir()
    target.mkdir()
    for name in ("mlp", "bench", "tests"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, project)
    with tarfile.open(built("build_sdist", project, target)) as archive:
        archive.extractall(tmp_path, filter="data")
        assert not any(name.split("/")[1:2] == ["tests"] for name in archive.getnames())
    (source,) = tmp_path.glob("mlp_bench-*")
    with zipfile.ZipFile(built("build_wheel", source, target)) as wheel:
        found = set(wheel.namelist())
    paths = [path for name in ("mlp", "bench") for path in (PROJECT / name).rglob("*") if path.is_file()]
    files = {path.relative_to(PROJECT).as_posix() for path in paths if "__pycache__" not in path.parts}
    assert files and files <= found


def test_in_an_installation_packages_beside_the_suite_are_installed(monkeypatch):
    import numpy

    monkeypatch.setattr(base, "PROJECT", Path(numpy.__file__).resolve().parent.parent)
    assert base.is_installed("numpy")


def test_a_side_of_an_installation_has_the_files_of_its_own_python(tmp_path):
    side = resolve("B", SideSpec(python=Path(sys.executable)), tmp_path)
    assert side.directory == PROJECT and side.python == Path(sys.executable)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    with pytest.raises(BenchError, match=r"finds no mlp-bench: install it there, .*python -m pip install mlp-bench"):
        resolve("B", SideSpec(python=python), tmp_path)
    python.write_text(f'#!/bin/sh\necho loaded\n{sys.executable} "$@"\necho unloaded\n')  # as a preloaded library
    assert resolve("B", SideSpec(python=python), tmp_path).directory == PROJECT
    assert resolve("A", SideSpec(), tmp_path).label == f"the installation in {tmp_path}"
