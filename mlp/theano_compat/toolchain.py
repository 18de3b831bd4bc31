"""Test of the C++ toolchain with a small program like those that Theano compiles.

An installed compiler may lack Python's headers, the library of Python, or a linker.  Or it is clang under the name g++:
Theano parses the options for the CPU from the output of GNU's g++, and would continue without them.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mlp.availability import Unavailable, read_answer
from mlp.theano_compat.compiler import INSTALL_COMPILER, NO_COMPILER, find_compiler
from mlp.theano_compat.dialect import PYTENSOR, THEANO, Dialect

PROGRAM = """
#if defined(__clang__) && !defined(__APPLE__)  // Apple has no other
#error is clang
#endif
#include <Python.h>
#include <cmath>
#include <vector>
extern "C" int mlp_bench_try(int n) { std::vector<int> v(n, 1); return Py_IsInitialized() ? v[n - 1] : -1; }
"""
NOEXEC = "is on a file system mounted noexec, from which no code can be loaded"
# Variables that lead the compiler to other headers, libraries and programs, or let it write more files.
OF_COMPILERS = ("GCC_EXEC_PREFIX", "COMPILER_PATH", "CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "GNUTARGET")
OF_COMPILERS += ("DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "LDEMULATION")
LIMIT_SECONDS = 60.0  # it takes a fifth of a second


def toolchain_problem(dialect: Dialect = THEANO) -> Unavailable | None:
    """Compile, link and load a small program for this Python; return the reason of a failure, None on success."""
    compiler = find_compiler(dialect)
    if compiler is None:
        return Unavailable(NO_COMPILER, f"{INSTALL_COMPILER}.")
    return _problem_of(compiler)


@cache
def _problem_of(compiler: str) -> Unavailable | None:
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "try.cpp"), Path(folder, "try.so")
        source.write_text(PROGRAM)
        try:
            done = subprocess.run(
                [compiler, *_arguments(source, library)],
                env={**os.environ, "LC_ALL": "C"},  # the messages parsed below are English
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            why = f"{Path(compiler).name} did not compile a small program within {LIMIT_SECONDS:g} s"
            return Unavailable(why, f"{INSTALL_COMPILER}.")
        except OSError as error:
            return Unavailable(f"{Path(compiler).name} cannot be run ({error.strerror})", f"{INSTALL_COMPILER}.")
        if done.returncode:
            return _explained(Path(compiler).name, done.stdout.decode(errors="replace"))
        return _load_problem(Path(compiler).name, library)


def _arguments(source: Path, library: Path) -> list[str]:
    """Return Theano's machine-dependent arguments (theano.gof.cmodule, ``std_lib_dirs_and_libs``)."""
    paths = sysconfig.get_paths()
    arguments = ["-shared", "-fPIC", "-pthread", f"-I{paths['include']}", f"-I{paths['platinclude']}"]
    arguments += [str(source), "-o", str(library)]
    if sys.platform == "darwin":
        return [*arguments, "-undefined", "dynamic_lookup"]
    name = (sysconfig.get_config_var("LDLIBRARY") or "").partition(".so")[0].removeprefix("lib").removesuffix(".a")
    return [*arguments, f"-L{sysconfig.get_config_var('LIBDIR')}", f"-L{Path(paths['stdlib']).parent}", f"-l{name}"]


def _explained(compiler: str, text: str) -> Unavailable:
    if "is clang" in text:
        remedy = f"{INSTALL_COMPILER}, or name it: THEANO_FLAGS=cxx=<path>."
        return Unavailable(f"{compiler} is clang under another name, which Theano's options do not fit", remedy)
    if "No space left on device" in text:
        return Unavailable("the temporary folder is full", "Free space there, or set TMPDIR to another folder.")
    version = "{}.{}".format(*sys.version_info)
    for sign, what in (("Python.h", "header Python.h"), ("-lpython", f"library python{version}")):
        if sign in text:
            return Unavailable(
                f"{compiler} did not find the {what}",
                f"Install what belongs to this Python (Debian and Ubuntu: apt install python3-dev, or "
                f"python{version}-dev).",
            )
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if "error:" in line or "cannot find" in line]
    complaint = (errors or lines[-1:])[0].rpartition("error: ")[2][:300]
    names = " ".join(name for name in OF_COMPILERS if os.environ.get(name))
    remedy = f"Unset {names}, or i{INSTALL_COMPILER[1:]}." if names else f"{INSTALL_COMPILER}."
    return Unavailable(f"{compiler} cannot compile and link C++ for Python ({complaint})", remedy)


def _load_problem(compiler: str, library: Path) -> Unavailable | None:
    try:
        answer = ctypes.PyDLL(str(library)).mlp_bench_try(3)
    except (OSError, AttributeError) as error:
        if is_noexec(library.parent):
            return Unavailable(f"the temporary folder {NOEXEC}", "Set TMPDIR to another folder.")
        return Unavailable(
            f"what {compiler} compiles cannot be loaded ({str(error).rpartition(': ')[2]})",
            f"{INSTALL_COMPILER}, and let TMPDIR be a folder from which programs may run.",
        )
    return None if answer == 1 else Unavailable(f"what {compiler} compiles computes nonsense", f"{INSTALL_COMPILER}.")


def is_noexec(folder: str | Path) -> bool:
    """Return whether ``folder`` is mounted noexec; False if unknown."""
    return hasattr(os, "ST_NOEXEC") and bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)


def problem_elsewhere(python: Path, variables: Mapping[str, str], dialect: Dialect = THEANO) -> str | None:
    """Let another Python try it, in an environment with these ``variables`` only.

    Return its problem and the remedy, without the last stop; None if there is no problem, or if it cannot tell.
    """
    project = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.insert(0, {project!r}); from mlp.theano_compat.toolchain import answer; answer"
    argv = [str(python), "-I", "-c", f"{code}({dialect.framework!r})"]
    try:
        done = subprocess.run(argv, env=variables, capture_output=True, errors="replace", timeout=2 * LIMIT_SECONDS)
        return read_answer(done.stdout)["problem"].removesuffix(".") or None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def answer(framework: str = THEANO.framework) -> None:
    """Print the problem of this Python as JSON, "" for none: for another Python, which asks."""
    problem = toolchain_problem(THEANO if framework == THEANO.framework else PYTENSOR)
    print(json.dumps({"problem": "" if problem is None else f"{problem.reason}. {problem.remedy}"}))
