"""``python tools/choose.py GOAL... NAME=VALUE...``: check options and environment for `make` before it starts.

It checks the options by name, and prints on one line ``keep`` (``.venv`` works) or ``base=PYTHON`` (make it with that
one), and what to install beside requirements.txt.  ``stop`` means that stderr says why nothing may start.

It uses only the standard library of Python 3.8 or newer, because it runs before there is an environment.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from mlp import registry  # noqa: E402
from mlp.availability import Unavailable, read_answer  # noqa: E402
from mlp.cuda_driver import NO_DRIVER, UPDATE_DRIVER, find_driver  # noqa: E402

OLDEST, NEWEST = (3, 11), (3, 13)  # as requires-python in pyproject.toml; newer ones lack wheels of pinned packages
BACKENDS = tuple(registry.BUILT_IN)
OPTIONAL = tuple(name for name, entry in registry.BUILT_IN.items() if entry.optional)
MEASURING = ("bench", "test", "profile", "gate", "check")  # goals that compile C++, unless they measure something else
NEEDS_BACKENDS = ("bench", "test", "profile")
GOALS = {
    "bench": "QUICK RESUME BACKENDS VARIANTS DEVICES PROCESSES SEEDS OPTIONS",
    "test": "FAST BACKENDS DEVICES",
    "compare": "RUNS BASE PRICE_PER_HOUR HTML",
    "history": "FOLDERS",
    "board": "FOLDERS",
    "profile": "BACKENDS VARIANTS DEVICES RUN",
    **dict.fromkeys(("gate", "check"), "AGAINST BUDGET METRICS UNDECIDED"),
    "theano-gpu": "PYTHON311 DEBS",
    "test-gpuarray": "PYTHON311 DEBS",
    **dict.fromkeys(("report", "doctor", "docs", "lint"), ""),
}
EVERYWHERE = ("PYTHON", "MNIST_DIR")
KNOWN = {name for names in GOALS.values() for name in names.split()} | set(EVERYWHERE)
UNQUOTED = ("RUNS", "FOLDERS", "METRICS", "PRICE_PER_HOUR")  # lists, of which a shell may expand patterns
ENVIRONMENT = ("TMPDIR", "HOME", "PATH", "LANG", "CC", "CXX", "SHELL", "MAKEFLAGS")  # variables, not options of ours
CANDIDATES = ("python3", *(f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)), "python")
ASK = """
import importlib.util, json, platform, sys, sysconfig
free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
has_pip = all(map(importlib.util.find_spec, ("ensurepip", "venv")))
print(json.dumps([sys.version_info[:2], platform.python_implementation(), free_threaded, has_pip]))
"""


class Refused(Exception):
    """Reason, in one sentence, why nothing may start."""


def main(arguments: list[str]) -> int:
    goals = [word for word in arguments if "=" not in word]
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    try:
        check_names(goals, given)
        options = {name: os.environ[name] for name in options_of(goals) if os.environ.get(name)}
        options.update((name, value) for name, value in given.items() if value.strip())
        check_values(options)
        print(*choose(goals, options))
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        print("stop")
    return 0


def choose(goals: list[str], options: dict[str, str]) -> list[str]:
    """Return the words for the Makefile; raise Refused if nothing may start."""
    venv, compiles = PROJECT / ".venv", needs_compiler(goals, options)
    problem = environment_problem(venv, options.get("PYTHON"))
    if problem is None:
        words = ["keep"]
        if compiles and (why := toolchain_problem(str(venv / "bin" / "python"))):
            raise Refused(why)
    else:
        if problem and venv.is_symlink():  # its target may be shared
            raise Refused(f".venv is a link, and {problem}: remove the link, and make creates an environment.")
        if problem:
            notify(f".venv is made again: {problem}.")
        words = [f"base={find_python(options.get('PYTHON'), compiles)}"]
    return words + (backends_to_install(options) if set(goals) & set(NEEDS_BACKENDS) else [])


def notify(sentence: str) -> None:
    print(sentence, file=sys.stderr)


# --- options ---------------------------------------------------------------------------------------------------------


def options_of(goals: list[str]) -> set[str]:
    return {name for goal in goals for name in GOALS.get(goal, "").split()} | set(EVERYWHERE)


def check_names(goals: list[str], given: dict[str, str]) -> None:
    """Raise Refused for a variable of the command line that none of the goals uses."""
    if os.environ.get("MAKELEVEL", "0") != "0" or not set(goals) <= set(GOALS):
        return  # a file goal, or variables of another Makefile
    wanted = options_of(goals)
    for name in given:
        if name in wanted or name in ENVIRONMENT:
            continue
        if name in KNOWN:
            takers = ", ".join(goal for goal, names in GOALS.items() if name in names.split())
            raise Refused(f"make {' '.join(goals)} takes no {name}: it is an option of {takers}.")
        close = difflib.get_close_matches(name.upper(), sorted(wanted), n=1, cutoff=0.7)
        if close or "_" not in name:  # names with an underscore are the environment's: OMP_NUM_THREADS, THEANO_FLAGS
            meant = f"did you mean {close[0]}?" if close else f"its options are {', '.join(sorted(wanted))}."
            raise Refused(f"make {' '.join(goals)} has no option {name}: {meant}")


def check_values(options: dict[str, str]) -> None:
    """Raise Refused for a value that its command would refuse, or misunderstand, minutes later."""
    for name in UNQUOTED:
        if found := re.search(r"[\\'\"`$;&|<>()#\n]", options.get(name, "")):
            raise Refused(f"{name}={options[name]}: the list cannot hold {found[0]!r}; python -m bench takes any name.")
    for name in ("QUICK", "FAST"):
        if options.get(name, "1") != "1":
            raise Refused(f"{name}={options[name]}: write {name}=1, or leave it out.")
    for name, pattern, remedy in (
        ("PROCESSES", r"[1-9]\d*", "a number of processes, such as 15"),
        ("BUDGET", r"\d+(\.\d+)?\s*(s|m|min|h)", "a number with its unit, such as 60s or 5m"),
        ("HTML", r".*\.html?", "the file to write, such as page.html"),
        ("UNDECIDED", "pass|fail", "pass or fail"),
        ("DEVICES", r"(cpu|cuda(:\d+)?)(\s+(cpu|cuda(:\d+)?))*", 'cpu, cuda or cuda:1, or several: "cpu cuda"'),
        ("BACKENDS", r"[a-z]\w*(\s+[a-z]\w*)*", f"names from {', '.join(BACKENDS)}, or all"),
        ("VARIANTS", r"(\w+/)?\w+(\s+(\w+/)?\w+)*", 'names such as tuned or jax/scan, several as "scan step"'),
    ):
        if name in options and not re.fullmatch(pattern, options[name].strip()):
            raise Refused(f"{name}={options[name]}: write {remedy}.")
    known = (*BACKENDS, *plugin_names(PROJECT / ".venv")) if options.get("BACKENDS") else ()
    for name in options.get("BACKENDS", "").split():
        if name not in (*known, "all"):
            raise Refused(f"BACKENDS={options['BACKENDS']}: unknown backend {name}; choose from "
                          f"{', '.join(known)}, or all.")  # fmt: skip


def plugin_names(venv: Path) -> list[str]:
    """Return the backends that plugins installed in ``venv`` declare."""
    folders = [str(folder) for folder in venv.glob("lib/python*/site-packages")]
    return sorted({plugin.name for plugin in registry.find_plugins(folders)} - set(BACKENDS)) if folders else []


# --- Python and the environment --------------------------------------------------------------------------------------


def environment_problem(venv: Path, named: str | None) -> str | None:
    """Return the reason to make ``venv`` again, "" if it is not there yet, None if it works."""
    python = venv / "bin" / "python"
    if not os.path.lexists(python):
        return ""
    version = (ask(str(python)) or [None])[0]
    if version is None:
        return "its Python cannot be started (was the one that it was made with removed?)"
    if not OLDEST <= tuple(version) <= NEWEST:
        return f"it holds Python {dotted(version)}, and {dotted(OLDEST)} to {dotted(NEWEST)} are supported"
    origin = installed_from(venv)
    if origin is not None and origin != PROJECT:
        return f"it runs the code of {origin}, from where it was copied or moved"
    asked = (ask(named) or [None])[0] if named else version
    if asked is None:
        raise Refused(f"PYTHON={named} cannot be started: name a Python {dotted(OLDEST)} to {dotted(NEWEST)}, or none.")
    if asked != version:
        return f"PYTHON={named} is Python {dotted(asked)}, and it holds Python {dotted(version)}"
    return None


def installed_from(venv: Path) -> Path | None:
    """Return the checkout whose code ``venv`` runs (PEP 610); None before it is installed."""
    for file in venv.glob("lib/python*/site-packages/mlp_bench-*.dist-info/direct_url.json"):
        return Path(unquote(urlparse(json.loads(file.read_text())["url"]).path)).resolve()
    return None


def find_python(named: str | None, compiles: bool) -> str:
    """Return the first Python that can make ``.venv``, and for which C++ can be compiled if that is needed."""
    refused, toolchain = [], []
    for candidate in [named] if named else CANDIDATES:
        path = shutil.which(candidate)
        why = shortcoming(path) if path else "was not found" if named else None
        if why:
            refused.append(f"{candidate} {why}")
        if path is None or why:
            continue
        problem = toolchain_problem(path) if compiles else None
        if not problem:
            return path
        toolchain.append(problem)
    if toolchain:
        raise Refused(toolchain[0])
    found = "; ".join(refused) or "there is none on PATH"
    wanted = f"{dotted(OLDEST)} to {dotted(NEWEST)}"
    raise Refused(f"no usable Python {wanted} ({found}): install one, or name it: make PYTHON=/path/to/python3.12")


def shortcoming(path: str) -> str | None:
    """Return the reason why this Python cannot make ``.venv``; None if it can."""
    answer = ask(path)
    if answer is None:
        return "cannot be started"
    if " " in path:
        return "has a space in its path, which make cannot take"
    version, implementation, free_threaded, has_pip = answer
    minor = dotted(version)
    if implementation != "CPython":
        return f"is {implementation}, for which packages that are needed have no wheels"
    if tuple(version) < OLDEST:
        return f"is Python {minor}, older than Python {dotted(OLDEST)}"
    if tuple(version) > NEWEST:
        return f"is Python {minor}, for which some of the pinned packages have no wheels yet"
    if free_threaded:
        return f"is a free-threaded Python {minor}, for which some of the pinned packages have no wheels"
    return None if has_pip else f"has no ensurepip (Debian and Ubuntu: apt install python{minor}-venv)"


def ask(python: str) -> list | None:
    """Return version, implementation, free-threaded flag, venv flag; None if it does not run."""
    try:
        argv = [python, "-I", "-c", ASK]  # -I: ignore the user's variables and user site
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30, check=True)
        return read_answer(done.stdout.decode(errors="replace"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def dotted(version) -> str:
    return ".".join(map(str, version))


# --- C++ -------------------------------------------------------------------------------------------------------------


def needs_compiler(goals: list[str], options: dict[str, str]) -> bool:
    """Return True if Theano must run; other backends may be skipped with a reason in the report."""
    chosen = options.get("BACKENDS", "theano").split()
    return bool(set(goals) & set(MEASURING)) and "theano" in chosen and "--harness" not in options.get("OPTIONS", "")


def toolchain_problem(python: str) -> str:
    """Return the reason why ``python`` cannot compile C++ for itself; "" if it can, or cannot tell."""
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from mlp.theano_compat.toolchain import answer; answer()"
    done = subprocess.run([python, "-I", "-c", code], stdout=subprocess.PIPE, errors="replace")
    try:
        return read_answer(done.stdout)["problem"]
    except ValueError:
        return ""


# --- backends and GPUs -----------------------------------------------------------------------------------------------


def backends_to_install(options: dict[str, str]) -> list[str]:
    """Return the named backends, or those that a GPU makes worth measuring, and the CUDA build for its driver."""
    named, devices = options.get("BACKENDS", "").split(), options.get("DEVICES", "").split()
    chosen = list(OPTIONAL) if "all" in named else [name for name in OPTIONAL if name in named]
    for_gpu = not devices or any(device.startswith("cuda") for device in devices)
    if named and not (for_gpu and "jax" in chosen):
        return chosen
    driver = find_driver()
    if isinstance(driver, Unavailable):
        if driver != NO_DRIVER:
            notify(f"no CUDA build is chosen: {driver.reason}. {driver.remedy}")
        return chosen
    chosen = chosen if named else ["jax", "torch"]
    if not for_gpu:
        return chosen
    if driver.build < 13 and "torch" in chosen:
        notify(f"PyPI's PyTorch is built for CUDA 13, which this driver or GPU cannot run: here it is for the CPU. "
             f"{UPDATE_DRIVER}")  # fmt: skip
    return [*chosen, f"cuda{driver.build}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
