"""``python -m mlp.theano_compat.archives``: install Theano and Lasagne into the environment of this Python.

From Python 3.12 on, Theano's archive builds only with the names of ``sitecustomize.py`` and an older setuptools, so an
installation of mlp-bench from a package index leaves Theano out there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mlp.theano_compat.archives.pip_settings import pip_environment

ARCHIVES = ("theano==1.0.5", "lasagne==0.1")
BUILD_TOOLS = ("setuptools==80.9.0", "wheel==0.45.1")


def main() -> int:
    """Return 0, or the exit code of the pip that failed; pip has said why."""
    try:
        variables = pip_environment()
    except subprocess.CalledProcessError as error:
        return error.returncode
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as scratch:
        tools, wheels = Path(scratch, "tools"), Path(scratch, "wheels")
        building = {**variables, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(tools)])}
        build = ("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(wheels), *ARCHIVES)
        return (
            _pip(variables, "install", "--target", str(tools), *BUILD_TOOLS)
            or _pip(building, *build)
            or _pip(variables, "install", *sorted(map(str, wheels.glob("*.whl"))))
        )


def _pip(variables: dict[str, str], *arguments: str) -> int:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, env=variables).returncode


if __name__ == "__main__":
    sys.exit(main())
