"""``bench doctor``: checks of the requirements of the suite on this machine, with remedies."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from bench.advice import bench_command, make_command
from bench.machine import fingerprint
from bench.machine.fitness import fitness_now
from bench.machine.nvml import describe_gpus
from bench.measure.case import Case
from bench.measure.environment import build, dropped, planning, why_unfit_for_code
from bench.measure.git import state_of
from bench.measure.process import PROJECT, run_to_end, why_ended
from bench.records.fitness import OF_GPU, SETTINGS, gpu_hindrances, hindrances
from bench.units import format_seconds, short_commit
from mlp import registry
from mlp.availability import read_answer
from mlp.backends import Available, Unavailable, load_usable, names, probe
from mlp.backends.base import is_installed
from mlp.cuda_driver import find_driver
from mlp.errors import MlpError
from mlp.theano_compat.toolchain import toolchain_problem

PROCESS_LIMIT_SECONDS = 120.0
OK, WARNING, MISSING = "ok", "warning", "missing"


@dataclass(frozen=True)
class CheckResult:
    """Result of a check; ``remedy`` is None if nothing is to be done."""

    subject: str
    state: str
    detail: str
    remedy: str | None = None


Findings = Iterable[CheckResult]


def examine(data: Path | None = None) -> list[CheckResult]:
    """Return all findings; ``missing`` prevents ``make bench``, a warning limits the validity of its numbers."""
    checks: list[Callable[[], Findings]] = [
        _python,
        _commit,
        _measured_process,
        _environment,
        _compiler,
        lambda: _planned(_blas),
        lambda: _planned(_optimizations),
        _threads,
        _fitness,
        _compile_directory,
        _gpus,
        lambda: _planned(_backends),
        _decompression,
        lambda: _dataset(data),
    ]
    return [finding for check in checks for finding in check()]


def _planned(check: Callable[[], Findings]) -> list[CheckResult]:
    """Run ``check`` in the environment of measured processes."""
    with planning():
        return list(check())


def _python() -> Findings:
    version = ".".join(map(str, sys.version_info[:3]))
    yield CheckResult("Python", OK, f"{version}, NumPy {fingerprint.package_version('numpy')}")
    origin = _installed_from()
    if origin is not None and origin != PROJECT:
        copied = f"this environment was made for {origin}, and runs the code of that folder"
        yield CheckResult("Python", WARNING, copied, f"{make_command('doctor')}, which makes the environment again")


def _installed_from() -> Path | None:
    """Return the folder of which the suite was installed in place (PEP 610); None if it was not."""
    try:
        text = importlib.metadata.distribution("mlp-bench").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    origin = json.loads(text or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlparse(origin["url"]).path)).resolve()


def _commit() -> Findings:
    """Find the commit that a record would name, or the reason why it would name none."""
    state = state_of(PROJECT)
    if state.reason is not None:
        why = f"it would not be on record: {state.reason}"
        yield CheckResult("Commit", WARNING, why, "let git read the repository")
    elif state.commit is None:
        yield CheckResult("Commit", OK, "none: no git repository tracks these files")
    else:
        changes = " with changes of tracked files" if state.dirty else ""
        yield CheckResult("Commit", OK, f"{short_commit(state.commit)}{changes}")


def _measured_process() -> Findings:
    """Compare versions and BLAS of a measured process with those of this one."""
    case = Case("data", None, None, "cpu", fingerprint.usable_cores(), "")
    ended = run_to_end([sys.executable, "-m", "bench.measure.facts"], build(case, None), PROCESS_LIMIT_SECONDS)
    try:
        facts = read_answer(ended.text)
    except ValueError:
        why = f"it imports no NumPy and SciPy: {ended.cut_short or why_ended(ended.exit_code, ended.text)}"
        yield CheckResult("Measured process", MISSING, why, "make clean, then make doctor")
        return
    kernels = [f"{one['library']} {one['version']} ({one['architecture']})" for one in facts["libraries"]]
    versions = {name: version for name, version in facts["packages"].items() if name in ("numpy", "scipy")}
    detail = ", ".join([*(f"{name} {version}" for name, version in versions.items()), *kernels])
    if all(fingerprint.package_version(name) == version for name, version in versions.items()):
        yield CheckResult("Measured process", OK, detail)
    else:
        yield CheckResult("Measured process", WARNING, f"other versions than here: {detail}", "unset PYTHONPATH")


def _environment() -> Findings:
    names = dropped()
    if names:
        detail = f"set here, and not passed to measured processes: {', '.join(names)}"
        yield CheckResult("Environment", WARNING, detail, "unset them, or pass one on purpose: --env NAME=VALUE")
    else:
        yield CheckResult("Environment", OK, "nothing set here changes what is measured")


def _compiler() -> Findings:
    problem = toolchain_problem()
    if problem is not None:
        yield CheckResult("C++ compiler", MISSING, problem.reason, problem.remedy)
    else:
        yield CheckResult("C++ compiler", OK, fingerprint.compiler_version() or "it compiles; its version is unknown")


def _blas() -> Findings:
    from mlp.theano_compat.blas import choose_blas

    blas = choose_blas()
    detail = f"{blas.name}: {blas.note}"
    if blas.ldflags:
        yield CheckResult("BLAS", OK, detail)
    else:
        remedy = "reinstall SciPy from its wheel, or name a BLAS in THEANO_FLAGS=blas.ldflags=..."
        yield CheckResult("BLAS", WARNING, detail, remedy)


def _optimizations() -> Findings:
    """List the optimizations of theano/tuned that are active here, and the inactive ones with their fallback."""
    from mlp.backends.theano.tuned.optimizations import VARIABLE, optimization_states

    if not is_installed("theano"):
        return  # as the backend's own line says
    try:
        states = optimization_states()
    except MlpError as error:
        yield CheckResult("theano/tuned", MISSING, str(error), f"correct or unset {VARIABLE}")
        return
    active = ", ".join(state.optimization.name for state in states if state.active) or "none"
    yield CheckResult("theano/tuned", OK, f"optimizations: {active}")
    for state in states:
        if not state.active:
            remedy = "install SciPy from its wheel, and name no other BLAS" if state.missed else f"unset {VARIABLE}"
            detail = f"without {state.optimization.name}: {state.reason}; {state.optimization.otherwise}"
            yield CheckResult("theano/tuned", WARNING, detail, remedy)


def _threads() -> Findings:
    usable = fingerprint.usable_cores()
    busy = fingerprint.load_average_1min() or 0.0
    yield CheckResult("Threads", OK, f"{usable} usable cores; bench run uses that many threads")
    if busy > usable / 2:
        detail = f"load average {busy:.1f} on {usable} cores: something else is computing"
        yield CheckResult("Load", WARNING, detail, "stop it, or expect wide intervals")


def _fitness() -> Findings:
    """Find what hinders measuring here, how far the cores are apart, and whether the CPU's energy can be read."""
    facts = fitness_now()
    found = [CheckResult("Fitness", WARNING, one.detail, one.advice) for one in hindrances(facts)]
    yield from found or [CheckResult("Fitness", OK, "no setting hinders measuring; --measure tries it")]
    unknown = [f"{name.replace('_', ' ')} ({why})" for name, why in facts["missing"].items() if name in SETTINGS]
    if unknown:
        yield CheckResult("Fitness", OK, f"not known: {', '.join(unknown)}")
    if facts["core_distance_ns"] is None:
        why = facts["missing"]["core_distance_ns"]
        yield CheckResult("Cores", OK, f"the distance between them is not measured: {why}")
    else:
        apart = format_seconds(facts["core_distance_ns"] * 1e-9)
        yield CheckResult("Cores", OK, f"{apart} apart (round trip of a cache line between the farthest)")
    energy = facts["missing"].get("cpu_energy_joules")
    yield CheckResult("CPU energy", OK, energy or "its counters can be read")


def _compile_directory() -> Findings:
    folder = Path(tempfile.gettempdir())
    if not os.access(folder, os.W_OK):
        yield CheckResult("Scratch folder", MISSING, f"{folder} cannot be written", "set TMPDIR to a writable folder")
    elif why := why_unfit_for_code():
        yield CheckResult("Scratch folder", MISSING, why, "set TMPDIR to another folder")
    else:
        yield CheckResult("Scratch folder", OK, "writable; compile caches live there as long as a run")


def _gpus() -> Findings:
    gpus, problem = describe_gpus()
    for gpu in gpus:
        yield CheckResult("GPU", OK, ", ".join(_gpu_facts(gpu)))
        yield from (CheckResult("GPU", WARNING, one.detail, one.advice) for one in gpu_hindrances(gpu))
    answer = find_driver()  # as make and run do, so that all three say the same
    if isinstance(answer, Unavailable):
        yield CheckResult("GPU", WARNING, answer.reason, answer.remedy)
    elif problem is not None:
        unread = f"clocks, power and energy cannot be read: {problem}"
        yield CheckResult("GPU", WARNING, unread, "nvidia-smi may say more")


def _gpu_facts(gpu: dict[str, Any]) -> list[str]:
    """Return the facts of a GPU that are known, and the names of those of its fitness that are not."""
    texts = [gpu.get("name") or "a GPU without a name"]
    texts += [f"{name} {gpu[key]}" for name, key in (("driver", "driver"), ("CUDA", "cuda_version")) if gpu.get(key)]
    clocks = ("at most", "max_sm_clock_mhz"), ("now", "sm_clock_mhz_now")
    texts += [f"clock {gpu[key]} MHz {name}" for name, key in clocks if gpu.get(key) is not None]
    switches = [(OF_GPU[key], gpu.get(key)) for key in ("persistence_mode", "ecc_mode", "mig_mode")]
    texts += [f"{name} {'on' if value else 'off'}" for name, value in switches if value is not None]
    unknown = [name for key, name in OF_GPU.items() if gpu.get(key) is None]
    return [*texts, f"not known: {', '.join(unknown)} (the driver does not report them)"] if unknown else texts


def _backends() -> Findings:
    """Check each backend on each kind of device; variants with equal results share a line."""
    findings: dict[tuple[str, str, str, str | None], list[str]] = {}
    classes, broken = load_usable(names())
    for device in ("cpu", "cuda"):
        for backend in classes:
            name = backend.name
            for variant in backend.variants:
                if device not in variant.devices:
                    continue
                answer = probe(name, variant.name, device)
                if isinstance(answer, Available):
                    key = (f"{name} on {device}", OK, answer.detail, None)
                else:
                    state = MISSING if (name, device) == ("theano", "cpu") else WARNING
                    key = (f"{name} on {device}", state, answer.reason, answer.remedy)
                findings.setdefault(key, []).append(variant.name)
    for (subject, state, detail, remedy), variants in findings.items():
        yield CheckResult(subject, state, f"{detail} ({', '.join(variants)})", remedy)
    yield from _plugins(broken)


def _plugins(broken: dict[str, Unavailable]) -> Findings:
    """List the plugins, those that cannot be used with the reason."""
    for one in registry.plugins():
        if one.name not in (*broken, *registry.BUILT_IN):
            yield CheckResult("Plugin", OK, f"{one.label}; {bench_command(f'conform {one.name}')} checks it")
    for answer in broken.values():
        yield CheckResult("Plugin", WARNING, answer.reason, answer.remedy)
    for sentence in registry.claimed_names():
        yield CheckResult("Plugin", WARNING, sentence, "rename or uninstall it")


def _decompression() -> Findings:
    from mlp import inflate

    if inflate.igzip_lib is None:
        slower = f"{inflate.library()}: loading takes more than twice as long as with ISA-L"
        yield CheckResult("Decompression", WARNING, slower, "pip install isal")
    else:
        yield CheckResult("Decompression", OK, inflate.library())


def _dataset(data: Path | None) -> Findings:
    from mlp.dataset import identify, locate

    try:
        source = locate(data)
        identity = identify(source.directory)
    except MlpError as error:
        yield CheckResult("Dataset", MISSING, str(error), "give --data or MNIST_DIR a directory with the four files")
        return
    if identity.name == "mnist":
        yield CheckResult("Dataset", OK, f"MNIST, verified by SHA-256 (from the {source.origin})")
        return
    called = f"{identity.name} ({identity.twin})" if identity.twin else identity.name
    detail = f"{called}, not MNIST: accuracy is not compared with the reference"
    remedy = "set MNIST_DIR to a directory with the four MNIST files, or connect to a network once"
    yield CheckResult("Dataset", WARNING, detail, remedy)
