"""What every generated module includes first, parsed by g++ once and not once for each module.

Parsing Python's, NumPy's and the standard library's headers is half of what g++ does for a module.  A precompiled
header holds exactly the lines with which every module begins, so a module compiled with it is the same program.

It is made by each process that has modules to compile, in the process's own scratch folder: GCC neither notices that a
header behind it has changed, nor survives a damaged one, so nothing here is kept for another process.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NO_DEBUGGING = "-g0"  # Theano asks for -g; debugging information is a tenth of the compiler's time, and of no use here


class PrecompiledHeader:
    """``options()`` are the compiler's for using it: none until it is made, or where it cannot be made."""

    def __init__(self, folder: Path) -> None:
        self._header = folder / "prefix.h"
        self._ready = False

    def make(self, module_options: Sequence[str]) -> None:
        """Compile it with the options that modules are compiled with, which takes about a second.

        Clang finds precompiled headers in another way, and refuses those that do not fit: there is none for it.
        """
        from theano import config
        from theano.gof.cmodule import DynamicModule, std_include_dirs

        if b"Free Software Foundation" not in _output([config.cxx, "--version"]):
            return
        self._header.write_text("".join(f"#include {name}\n" for name in DynamicModule().includes))
        folders = [f"-I{folder}" for folder in std_include_dirs()]
        options = ["-shared", *module_options, NO_DEBUGGING, *folders, "-fvisibility=hidden"]
        made = self._header.with_suffix(".h.gch")
        command = [config.cxx, *options, "-x", "c++-header", str(self._header), "-o", str(made)]
        self._ready = subprocess.run(command, capture_output=True).returncode == 0

    def options(self) -> list[str]:
        return ["-include", str(self._header)] if self._ready else []


def _output(command: list[Any]) -> bytes:
    try:
        return subprocess.run(command, capture_output=True).stdout
    except OSError:
        return b""
