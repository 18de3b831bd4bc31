"""Registry of backends: ``available()`` probes all of them, ``load(name)`` imports one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from mlp import cuda_driver, registry
from mlp.availability import read_answer
from mlp.backends.base import Available, Backend, Unavailable, Variant
from mlp.errors import BackendError
from mlp.theano_compat.toolchain import toolchain_problem

PROBE_LIMIT_SECONDS = 180.0  # starting CUDA for the first time can take most of a minute

__all__ = ["Available", "Backend", "Unavailable", "Variant", "available", "create", "load", "names", "probe"]

names = registry.names


def load(name: str) -> type[Backend]:
    """Return the backend class called ``name``.

    Raises
    ------
    BackendError
        If the name is unknown, or its plugin does not import or does not declare a backend; names the plugin.
    """
    entry = registry.entry(name)
    plugin = registry.plugin_of(name)
    if plugin is None:
        return registry.resolve(entry.implementation, f"backend {name}")
    return _checked(registry.resolve(entry.implementation, plugin.label), entry, plugin)


def _checked(found: object, entry: registry.BackendEntry, plugin: registry.Plugin) -> type[Backend]:
    """Return the class of a plugin; raise BackendError if it is not a complete backend of that name."""
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise BackendError(f"{plugin.label}: {entry.implementation} is not a subclass of mlp.backends.Backend.")
    if missing := sorted(found.__abstractmethods__):
        raise BackendError(f"{plugin.label}: {found.__name__} misses the methods {', '.join(missing)}.")
    name = getattr(found, "name", None)
    if name != entry.name:
        raise BackendError(f"{plugin.label}: {found.__name__}.name is {name!r}, and its entry's {entry.name!r}.")
    variants = getattr(found, "variants", ())
    if not variants or not all(isinstance(one, Variant) for one in variants):
        raise BackendError(f"{plugin.label}: {found.__name__}.variants is not a tuple of mlp.backends.Variant.")
    return found


def load_usable(wanted: Iterable[str]) -> tuple[list[type[Backend]], dict[str, Unavailable]]:
    """Return the classes of the backends that load, and {name: reason} of the plugins that do not."""
    classes, broken = [], {}
    for name in wanted:
        try:
            classes.append(load(name))
        except BackendError as error:
            broken[name] = Unavailable(str(error).rstrip("."), "Correct it or uninstall it; the other backends work.")
    return classes, broken


def create(name: str, variant: str | None = None, device: str = "cpu") -> Backend:
    """Return a backend that is ready to ``build()`` on ``device``.

    Raises
    ------
    BackendError
        If the backend or variant is unknown, or cannot run on ``device`` here; never falls back.
    """
    check_device(device)
    backend = load(name)
    backend.variant_named(variant)
    answer = _availability(backend, device, variant)
    if isinstance(answer, Unavailable):
        raise BackendError(f"backend {name} cannot run on {device}: {answer.reason}. {answer.remedy}")
    return backend(variant)


def available(device: str = "cpu") -> dict[str, Available | Unavailable]:
    """Return {name: availability on ``device``} of every backend."""
    classes, broken = load_usable(names())
    return {**{one.name: probe(one.name, device=device) for one in classes}, **broken}


def probe(name: str, variant: str | None = None, device: str = "cpu") -> Available | Unavailable:
    """Return ``availability``, for a GPU determined in another process.

    A GPU is probed in a separate process, by the interpreter that would run the backend: initializing a broken driver
    can crash, and a context open here would hold memory that the measured processes need.  One process answers for all
    variants, because a framework takes seconds to start.

    Raises
    ------
    BackendError
        If the backend, variant or device is unknown.
    """
    check_device(device)
    backend = load(name)
    chosen = backend.variant_named(variant)
    if device.partition(":")[0] not in chosen.devices:
        where = " and ".join(chosen.devices)
        return Unavailable(f"{name}/{chosen.name} is written for {where} only", f"Measure it on {where}.")
    if device == "cpu":
        return _probe_here(backend, chosen.name)
    if _driver_hangs():
        return cuda_driver.NO_ANSWER
    interpreter = backend.interpreter(device)
    if not os.path.exists(interpreter):  # its environment is missing, and this process can tell how to make it
        return _availability(backend, device, chosen.name)
    kind = device.partition(":")[0]
    variants = tuple(one.name for one in backend.variants if kind in one.devices)
    more_variables = tuple(backend.interpreter_variables(device).items())
    return _probe_elsewhere(interpreter, more_variables, name, device, variants)[chosen.name]


def _availability(backend: type[Backend], device: str, variant: str | None) -> Available | Unavailable:
    """Return the answer of the backend; Unavailable if that of a plugin is an exception or something else."""
    try:
        answer = backend.availability(device, variant)
        said = f"returned {answer!r}"
    except Exception as error:  # the code of another project, which may raise anything
        if not registry.is_plugin(backend.name):
            raise
        answer, said = None, f"raised {registry.in_words(error)}"
    if isinstance(answer, (Available, Unavailable)):
        return answer
    remedy = "It is to return mlp.backends.Available or Unavailable, see docs/backends.md."
    return Unavailable(f"{backend.__name__}.availability() {said}", remedy)


def _probe_here(backend: type[Backend], variant: str) -> Available | Unavailable:
    """Probe in this process; if C++ is compiled, test the toolchain, which may lack Python's headers or a linker."""
    answer = _availability(backend, "cpu", variant)
    settings = backend.compiler_settings(variant)
    if isinstance(answer, Unavailable) or settings is None:
        return answer
    return toolchain_problem(settings) or answer


@cache
def _driver_hangs() -> bool:
    """Return True if the driver hangs, so that every probe on a GPU would time out."""
    return cuda_driver.driver_elsewhere() == cuda_driver.NO_ANSWER


@cache
def _probe_elsewhere(
    interpreter: Path, more_variables: tuple[tuple[str, str], ...], name: str, device: str, variants: tuple[str, ...]
) -> dict[str, Available | Unavailable]:
    """Return {variant: availability}; a process that fails gives its reason to all of them."""
    project = Path(__file__).resolve().parent.parent.parent
    path = os.pathsep.join(filter(None, (str(project), os.getenv("PYTHONPATH"))))
    variables = {**os.environ, **dict(more_variables), "PYTHONPATH": path}
    argv = [str(interpreter), "-m", "mlp.backends", name, device, *variants]
    try:
        done = subprocess.run(argv, env=variables, capture_output=True, errors="replace", timeout=PROBE_LIMIT_SECONDS)
        found = read_answer(done.stdout)
        return {one: (Available if "detail" in found[one] else Unavailable)(**found[one]) for one in variants}
    except subprocess.TimeoutExpired:
        reason = f"asking for {device} took more than {PROBE_LIMIT_SECONDS:g} s"
    except OSError as error:
        reason = f"{interpreter} cannot be started ({error.strerror})"
    except (KeyError, ValueError, TypeError):
        last_words = (done.stderr.strip().splitlines() or ["(none)"])[-1][:300]
        reason = f"asking for {device} ended with exit code {done.returncode}: {last_words}"
    return dict.fromkeys(variants, Unavailable(reason, f"Run {' '.join(argv)} to see more."))


def check_device(device: str) -> None:
    """Raise BackendError unless ``device`` is ``cpu``, ``cuda`` or ``cuda:<index>``."""
    kind, colon, index = device.partition(":")
    if not (device == "cpu" or (kind == "cuda" and (not colon or index.isdigit()))):
        raise BackendError(f"unknown device {device!r}: choose cpu, cuda or cuda:<index>.")
