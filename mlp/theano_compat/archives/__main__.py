"""``python -m mlp.theano_compat.archives``: install Theano and Lasagne into the environment of this Python.

From Python 3.12 on, Theano's archive builds only with the names of ``sitecustomize.py`` and an older setuptools, so an
installation of mlp-bench from a package index leaves Theano out there.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ARCHIVES = ("theano==1.0.5", "lasagne==0.1")
BUILD_TOOLS = ("setuptools==80.9.0", "wheel==0.45.1")


def main() -> int:
    """Return 0, or the exit code of the pip that failed; pip has said why."""
    if importlib.util.find_spec("pip") is None:  # uv and pipx make environments without it
        added = subprocess.run([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
        if added.returncode:
            return added.returncode
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as scratch:
        tools, wheels = Path(scratch, "tools"), Path(scratch, "wheels")
        return (
            _pip("install", "--target", str(tools), *BUILD_TOOLS)
            or _pip(
                *("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(wheels), *ARCHIVES),
                PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), str(tools)]),
            )
            or _pip("install", *sorted(map(str, wheels.glob("*.whl"))))
        )


def _pip(*arguments: str, **variables: str) -> int:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, env={**os.environ, **variables}).returncode


if __name__ == "__main__":
    sys.exit(main())
