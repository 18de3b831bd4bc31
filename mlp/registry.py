"""Registry of backends: one entry each, built in or of a plugin, from which everything that names a framework reads.

A plugin is a distribution with an entry point of the group ``mlp_bench.backends``, whose name is that of the backend
and whose value is a ``BackendEntry``.  The built-in backends declare the same entry points in pyproject.toml, and are
read from ``BUILT_IN``, so that a checkout needs no installation.  Entry points are searched when a name is not built
in, or all names are asked for; a plugin is imported when its entry is.

Standard library of Python 3.8 alone: tools/choose.py reads it before there is an environment.
"""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from mlp.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GROUP = "mlp_bench.backends"
DISTRIBUTION = "mlp-bench"
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class BackendEntry:
    """Declaration of a backend.

    Attributes
    ----------
    implementation : str
        ``module:CLASS`` of its ``mlp.backends.Backend``, whose variants declare devices and precision.
    packages : tuple of str
        Packages that its speed depends on: their versions are recorded, and part of the comparison key.
    install : str
        Command that installs what it needs.
    optional : bool
        Installed on demand only (``make bench BACKENDS=name``).
    uses_blas : bool
        Its products are those of the BLAS that NumPy or SciPy load.
    measured_on_gpu : bool
        Measured by default on a machine with an NVIDIA GPU.
    fastest_on_cpu : str or None
        Variant that ``doctor --measure`` uses; None: not used for that.
    thread_variables : tuple of str
        Environment variables that get the number of threads, beside those of OpenMP and the BLAS libraries.
    cache_variables : mapping
        Environment variables that place its compile cache; ``{cache}`` stands for the folder of the case.
    flags_variable, configuration_file : str or None, pair or None
        Variable with comma-separated flags, of which ``base_compiledir`` is the cache; variable that names its
        configuration file, and that file without it.
    variables, cpu_variables : mappings
        Environment variables that its processes get; additional ones for cases on the CPU.
    profiler : str or None
        ``module:NAME``, called with the backend, of a ``bench.measure.frameworks.profiler.Collector``.
    ceilings : str or None
        ``module:CLASS`` of a ``bench.measure.frameworks.Engine`` for a device; None: the host's ceilings are its own.
    """

    name: str
    implementation: str
    packages: tuple[str, ...] = ()
    install: str = ""
    optional: bool = True
    uses_blas: bool = False
    measured_on_gpu: bool = False
    fastest_on_cpu: str | None = None
    thread_variables: tuple[str, ...] = ()
    cache_variables: Mapping[str, str] = field(default_factory=dict)
    flags_variable: str | None = None
    configuration_file: tuple[str, str] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    cpu_variables: Mapping[str, str] = field(default_factory=dict)
    profiler: str | None = None
    ceilings: str | None = None


@dataclass(frozen=True)
class Plugin:
    """Entry point of a plugin, with the distribution that declares it."""

    name: str
    value: str
    distribution: str
    version: str

    @property
    def label(self) -> str:
        return f"backend {self.name} of {self.distribution} {self.version}"


NUMERIC = ("numpy", "scipy")
THEANO = BackendEntry(
    "theano",
    "mlp.backends.theano:BACKEND",
    ("theano", "lasagne", *NUMERIC),
    "make bench",
    optional=False,
    uses_blas=True,
    fastest_on_cpu="tuned",
    cache_variables={"THEANO_FLAGS": "{cache}"},
    flags_variable="THEANO_FLAGS",
    configuration_file=("THEANORC", "~/.theanorc"),
    profiler="bench.measure.frameworks.theano.profiler:TheanoCollector",
)
PYTENSOR = BackendEntry(
    "pytensor",
    "mlp.backends.pytensor:BACKEND",
    ("pytensor", "numba", "jax", "jaxlib", "torch", *NUMERIC),
    "make bench BACKENDS=pytensor",
    uses_blas=True,
    fastest_on_cpu="c",
    thread_variables=("NUMBA_NUM_THREADS",),
    # C code and numba's machine code; its JAX and PyTorch modes use the caches of JAX and PyTorch.
    cache_variables={"PYTENSOR_FLAGS": "{cache}/pytensor"},
    flags_variable="PYTENSOR_FLAGS",
    configuration_file=("PYTENSORRC", "~/.pytensorrc"),
    profiler="bench.measure.frameworks.pytensor.profiler:collector",
)
JAX = BackendEntry(
    "jax",
    "mlp.backends.jax:BACKEND",
    ("jax", "jaxlib"),
    "make bench BACKENDS=jax",
    measured_on_gpu=True,
    fastest_on_cpu="scan",
    thread_variables=("NPROC",),  # the size of XLA's pool (measured: with 1 it uses one core)
    cache_variables={
        "JAX_COMPILATION_CACHE_DIR": "{cache}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # the default skips compilations shorter than a second
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    },
    cpu_variables={"JAX_PLATFORMS": "cpu"},  # else it would initialize a GPU and hold memory there
    profiler="bench.measure.frameworks.jax.profiler:JaxCollector",
    ceilings="bench.measure.frameworks.jax.engine:JaxEngine",
)
TORCH = BackendEntry(
    "torch",
    "mlp.backends.torch:BACKEND",
    ("torch",),
    "make bench BACKENDS=torch",
    measured_on_gpu=True,
    fastest_on_cpu="eager",
    cache_variables={"TORCHINDUCTOR_CACHE_DIR": "{cache}/torch", "TRITON_CACHE_DIR": "{cache}/triton"},
    profiler="bench.measure.frameworks.torch.profiler:TorchCollector",
    ceilings="bench.measure.frameworks.torch.engine:TorchEngine",
)
NUMPY = BackendEntry(
    "numpy",
    "mlp.backends.numpy:BACKEND",
    NUMERIC,
    "make bench",
    optional=False,
    uses_blas=True,
    fastest_on_cpu="float32",
    profiler="bench.measure.frameworks.numpy.profiler:NumpyCollector",
)
BUILT_IN = {one.name: one for one in (THEANO, PYTENSOR, JAX, TORCH, NUMPY)}  # the canonical one first
_imported: dict[str, tuple[Plugin, BackendEntry]] = {}


def names() -> tuple[str, ...]:
    """Return the names of all backends, the built-in ones first; of plugins also those that cannot be used."""
    return (*BUILT_IN, *sorted({plugin.name for plugin in plugins()} - set(BUILT_IN)))


def built_in_packages() -> tuple[str, ...]:
    """Return the packages of the built-in backends, each once."""
    return tuple(dict.fromkeys(package for one in BUILT_IN.values() for package in one.packages))


def entry(name: str) -> BackendEntry:
    """Return the entry of a backend; import the plugin that declares it.

    Raises
    ------
    BackendError
        If the name is unknown, two plugins claim it, or the plugin cannot be imported or declares something else.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name not in _imported:
        _imported[name] = _import(_only(name, [one for one in plugins() if one.name == name]))
    return _imported[name][1]


def plugin_of(name: str) -> Plugin | None:
    """Return the plugin of a backend whose entry was imported in this process; None for a built-in one."""
    return _imported[name][0] if name in _imported else None


def imported_plugins() -> list[tuple[Plugin, BackendEntry]]:
    """Return the plugins whose entries were imported in this process."""
    return list(_imported.values())


def named(word: str) -> str:
    """Return the name of the backend that ``word`` names: itself, the distribution, or the package of a plugin.

    Raises
    ------
    BackendError
        If it is none of these, a plugin whose backend is not used, or one that declares several.
    """
    mine = [one for one in plugins() if _plain(word) in map(_plain, (one.distribution, re.split("[.:]", one.value)[0]))]
    if not mine:
        if word in names():
            return word
        raise BackendError(
            f"{word} is neither a backend nor an installed package that declares one: choose one of "
            f"{', '.join(names())}, or install it (python -m pip install --editable FOLDER)."
        )
    if len(mine) > 1:
        raise BackendError(f"{word} declares several backends: choose one of {', '.join(one.name for one in mine)}.")
    if mine[0].name in BUILT_IN:
        raise BackendError(_claimed(mine[0]))
    return mine[0].name


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # as PyPI compares names (PEP 503)


def is_plugin(name: str) -> bool:
    return name not in BUILT_IN


@cache
def plugins() -> tuple[Plugin, ...]:
    """Return the plugins that are installed here; those of the suite itself are built in."""
    return find_plugins()


def find_plugins(path: Sequence[str] | None = None) -> tuple[Plugin, ...]:
    """Return the plugins installed in the folders of ``path`` (default: ``sys.path``), each once."""
    import importlib.metadata  # a tenth of a second, which most processes need not spend

    options: dict[str, Any] = {} if path is None else {"path": list(path)}
    found = {
        Plugin(one.name, one.value, distribution.metadata["Name"] or "?", distribution.version or "?")
        for distribution in importlib.metadata.distributions(**options)
        for one in distribution.entry_points
        if one.group == GROUP
    }
    return tuple(sorted((one for one in found if one.distribution != DISTRIBUTION), key=repr))


def claimed_names() -> list[str]:
    """Return a sentence for each plugin that claims the name of a built-in backend, and is not used."""
    return [_claimed(one) for one in plugins() if one.name in BUILT_IN]


def _claimed(plugin: Plugin) -> str:
    return f"{plugin.label} is not used: {plugin.name} is built in. Rename it in its entry point and its entry."


def _only(name: str, found: list[Plugin]) -> Plugin:
    if not found:
        raise BackendError(f"unknown backend {name!r}: choose one of {', '.join(names())}.")
    if len(found) > 1:
        whose = " and ".join(f"{one.distribution} {one.version}" for one in found)
        raise BackendError(f"backend {name} is declared by {whose}: uninstall all but one of them.")
    if not NAME.fullmatch(name):
        raise BackendError(f"{found[0].label} has a name that is not lower case letters, digits and _: rename it.")
    return found[0]


def _import(plugin: Plugin) -> tuple[Plugin, BackendEntry]:
    found = resolve(plugin.value, plugin.label)
    if not isinstance(found, BackendEntry):
        raise BackendError(f"{plugin.label}: {plugin.value} is not an mlp.registry.BackendEntry: see docs/backends.md.")
    if found.name != plugin.name:
        raise BackendError(f"{plugin.label} declares the entry of {found.name!r}: give entry and entry point one name.")
    if (name := _mistyped(found)) is not None:
        raise BackendError(
            f"{plugin.label}: {name} of its entry is {getattr(found, name)!r}: see mlp.registry.BackendEntry for "
            "its type."
        )
    return plugin, found


def _mistyped(entry: BackendEntry) -> str | None:
    """Return the first field of another type; a text in place of a tuple would be read as its letters."""
    for name in ("packages", "thread_variables"):
        value = getattr(entry, name)
        if not isinstance(value, (tuple, list)) or not all(isinstance(one, str) for one in value):
            return name
    for name in ("cache_variables", "variables", "cpu_variables"):
        value = getattr(entry, name)
        if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
            return name
    return None if isinstance(entry.implementation, str) else "implementation"


def resolve(value: str, label: str) -> Any:
    """Return the object that ``module:NAME`` names; raise BackendError, of ``label``, if it cannot be imported.

    What the module prints goes to stderr: stdout may be JSON.
    """
    module, _, attribute = value.partition(":")
    try:
        with redirect_stdout(sys.stderr):
            found = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
        return found
    except (Exception, SystemExit) as error:  # the code of another project, which may raise anything
        raise BackendError(f"{label}: {value} cannot be imported ({in_words(error)}).") from error


def in_words(error: BaseException) -> str:
    """Return type and first line of an error."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
