"""Precompiled header of the common includes of all generated modules.

Parsing Python's, NumPy's and the standard library's headers is half of what g++ does for a module.  A precompiled
header holds exactly the lines with which every module begins, so a module compiled with it is the same program.

It is made by each process that has modules to compile, in its own scratch folder: GCC neither detects changes of the
included headers, nor survives a damaged file, so it is not shared between processes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NO_DEBUGGING = "-g0"  # overrides Theano's -g; debugging information takes a tenth of the compiler's time


class PrecompiledHeader:
    """Precompiled header; ``options()`` are the compiler options for it, empty until it is made, or on failure."""

    def __init__(self, folder: Path) -> None:
        self._header = folder / "prefix.h"
        self._ready = False

    def make(self, module_options: Sequence[str], cmodule: Any = None) -> None:
        """Compile the header with the options of modules, which takes about a second.

        ``cmodule`` is the module of Theano or PyTensor that compiles, Theano's by default.  Clang is not supported: it
        finds precompiled headers in another way, and rejects mismatches.
        """
        if cmodule is None:
            from theano.gof import cmodule
        if b"Free Software Foundation" not in _output([cmodule.config.cxx, "--version"]):
            return
        self._header.write_text("".join(f"#include {name}\n" for name in cmodule.DynamicModule().includes))
        folders = (f"-I{folder}" for folder in cmodule.std_include_dirs())
        options = ["-shared", *module_options, NO_DEBUGGING, *folders, "-fvisibility=hidden"]
        made = self._header.with_suffix(".h.gch")
        command = [cmodule.config.cxx, *options, "-x", "c++-header", str(self._header), "-o", str(made)]
        self._ready = subprocess.run(command, capture_output=True).returncode == 0

    def options(self) -> list[str]:
        return ["-include", str(self._header)] if self._ready else []


def _output(command: list[Any]) -> bytes:
    try:
        return subprocess.run(command, capture_output=True).stdout
    except OSError:
        return b""
