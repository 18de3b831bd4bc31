"""``python tools/pip_install.py ARGUMENTS``: ``pip install`` restricted to the environment of this Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mlp.cores import allowed_cores
from mlp.theano_compat.archives.pip_settings import pip_environment


def main(arguments: list[str]) -> int:
    try:
        variables = pip_environment()
    except subprocess.CalledProcessError as error:
        return error.returncode
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    installed = subprocess.run([*install, *arguments], env=variables)
    if not installed.returncode:
        compile_modules(sysconfig.get_paths()["purelib"])
    return installed.returncode


def compile_modules(folder: str) -> None:
    """Compile the modules in ``folder``, on all cores, but for the tests of packages; pip would use one core.

    A module that does not compile, because it is for another Python, says so when it is imported.
    """
    quiet = [sys.executable, "-W", "ignore", "-m", "compileall", "-qq"]
    tests = f"{re.escape(os.path.join(folder, ''))}.*/tests?/"
    subprocess.run([*quiet, "-j", str(allowed_cores()), "-x", tests, folder])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
