"""One process replicate: a fresh pytest process that measures one case, bounded in time, and never believed blindly.

Whatever happens to the worker (an error, a crash, a hang, the kernel's memory killer) becomes a ``failed`` replicate
with the reason in one sentence; the run goes on with the other cases.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.case import Case
from mlp.backends import load
from mlp.backends.theano_tuned.levers import VARIABLE as WITHOUT_LEVERS

PROJECT = Path(__file__).resolve().parent.parent
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
THREAD_COUNTS += ("NPROC",)  # what XLA sizes its pool by, where it is set (measured: with 1 it keeps to one core)
FINISHED, SOME_FAILED = 0, 1  # pytest's exit codes


@dataclass(frozen=True)
class Outcome:
    """What one worker left: its measurements, and why it failed if it did."""

    measurements: list[dict[str, Any]]
    reason: str | None
    wall_seconds: float

    @property
    def status(self) -> str:
        return "ok" if self.reason is None else "failed"


def command(
    case: Case,
    data_directory: Path,
    quick: bool,
    result: Path,
    python: str | Path | None = None,
    data_digest: str | None = None,
) -> list[str]:
    """The pytest command line that measures ``case``; the same options work by hand.

    ``python`` is, unless given, the interpreter that the backend names for the device.  With ``data_digest``, see
    ``mlp.dataset.Identity``, the worker fails if it loaded other files.
    """
    if python is None:
        python = load(case.backend).interpreter(case.device) if case.backend else sys.executable
    options = [f"--data={data_directory}", f"--seed={case.seed}", f"--result={result}"]
    if data_digest is not None:
        options.append(f"--data-digest={data_digest}")
    if case.backend:
        options += [f"--backend={case.backend}", f"--device={case.device}"]
    if case.variant:
        options.append(f"--variant={case.variant}")
    if case.batch_size is not None:
        options.append(f"--batch-size={case.batch_size}")
    if case.num_epochs is not None:
        options.append(f"--epochs={case.num_epochs}")
    if quick:
        options.append("--quick")
    return [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-quiet", _tests(case), *options]


def _tests(case: Case) -> str:
    """The file of the harness; of the ablation one test, because its floor needs no backend and the others no floor."""
    file = PROJECT / "bench" / "harness" / f"bench_{case.harness}.py"
    if case.harness != "ablation":
        return str(file)
    return f"{file}::{'test_eight_products' if case.is_floor else 'test_mean_train_step'}"


def environment(case: Case, compile_directory: Path | None) -> dict[str, str]:
    """This process's environment with the case's thread counts, compile cache and levers left out, and what its
    interpreter needs.

    Every thread pool that a BLAS, OpenMP or a compiler's runtime could open gets the same size, so that none of them
    fights another; a user's flags are kept, except for the compile directories and the levers of theano/tuned, which
    are part of the case.
    """
    variables = dict(os.environ)
    if case.backend:
        variables.update(load(case.backend).interpreter_variables(case.device))
    for name in THREAD_COUNTS:
        variables[name] = str(case.threads)
    variables.pop(WITHOUT_LEVERS, None)
    if case.without:
        variables[WITHOUT_LEVERS] = case.without
    if case.device == "cpu":  # or JAX would start a GPU that it finds, and hold memory there beside a CPU measurement
        variables.setdefault("JAX_PLATFORMS", "cpu")
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT), variables.get("PYTHONPATH"))))
    if compile_directory is not None:
        variables.update(compile_caches(variables, compile_directory))
    return variables


def compile_caches(variables: dict[str, str], directory: Path) -> dict[str, str]:
    """The variables that put every framework's compile cache into ``directory``.

    PyTensor keeps the C code and numba's machine code of its modes below its own directory; its JAX and PyTorch modes
    leave theirs to JAX and PyTorch.
    """
    return {
        "THEANO_FLAGS": _with_compile_directory(variables.get("THEANO_FLAGS", ""), directory),
        "PYTENSOR_FLAGS": _with_compile_directory(variables.get("PYTENSOR_FLAGS", ""), directory / "pytensor"),
        "JAX_COMPILATION_CACHE_DIR": str(directory / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # by default it forgets what took less than a second
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "TORCHINDUCTOR_CACHE_DIR": str(directory / "torch"),
    }


def _with_compile_directory(flags: str, directory: Path) -> str:
    kept = [flag for flag in flags.split(",") if flag and not re.match(r"\s*(base_)?compiledir\s*=", flag)]
    return ",".join([*kept, f"base_compiledir={directory}"])


def measure(argv: list[str], variables: dict[str, str], result: Path, limit_seconds: float) -> Outcome:
    """Run one worker to its end, or to ``limit_seconds``, and say what came of it."""
    ended = run_to_end(argv, variables, limit_seconds)
    measurements, failures = _read_result(result)
    reason = ended.cut_short
    if reason is None:
        reason = _why_failed(ended.exit_code, measurements, failures, ended.text)
    return Outcome(measurements, reason, ended.wall_seconds)


@dataclass(frozen=True)
class Ended:
    """How a process ended: ``exit_code`` is None, and ``cut_short`` a sentence, if its time was up."""

    exit_code: int | None
    cut_short: str | None
    text: str  # what it printed, errors included
    wall_seconds: float


def run_to_end(argv: list[str], variables: dict[str, str], limit_seconds: float) -> Ended:
    """Run a process, and end it and all that it started when its time is up.

    KeyboardInterrupt ends it, too, then goes on to the caller.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            env=variables,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us, so that the order of the end is ours
        )
        try:
            exit_code = process.wait(limit_seconds)
            cut_short = None
        except subprocess.TimeoutExpired:
            exit_code = None
            cut_short = f"it hung: no end within its limit of {limit_seconds:g} s, so it was stopped"
        finally:
            end_group(process)
        wall_seconds = time.perf_counter() - start
        output.seek(0)
        return Ended(exit_code, cut_short, output.read().decode(errors="replace"), wall_seconds)


def _read_result(result: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    try:
        content = json.loads(result.read_text())
    except (OSError, ValueError):  # the worker ended before it could write: its exit code says how
        return [], []
    return content["measurements"], content["failures"]


def _why_failed(exit_code: int, measurements: list[dict], failures: list[dict[str, str]], text: str) -> str | None:
    if exit_code < 0:
        return why_killed(exit_code, text)
    if failures:
        return "; ".join(dict.fromkeys(failure["reason"] for failure in failures))
    if exit_code not in (FINISHED, SOME_FAILED) or not measurements:
        return f"it ended with exit code {exit_code} and no result; last words: {last_words(text)}"
    return None


def why_killed(exit_code: int, text: str) -> str:
    """For the negative exit code of a process that a signal ended."""
    name = signal.Signals(-exit_code).name
    if -exit_code == signal.SIGKILL:
        return "it was killed (SIGKILL), most likely by the kernel because memory ran out"
    return f"it crashed ({name}); last words: {last_words(text)}"


def last_words(text: str, most: int = 300) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(E\s|ERROR|\w*Error)", line)]
    return (errors or lines or ["(none)"])[-1][:most]


def end_group(process: subprocess.Popen) -> None:
    """End the worker and everything it started, compilers included."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        pass  # nobody of the group is left, as after every normal end
    process.wait()
