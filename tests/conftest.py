"""Shared by all tests: real MNIST where MNIST_DIR names it, one compile cache, and what a parallel run needs."""

import json
import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from optional import need
from plugins import write_plugin
from small import SMALL, make_toy_data

from bench.machine.fingerprint import usable_cores
from mlp import backends, registry
from mlp.theano_compat.compiler import base_compile_directory
from mlp.training import initial_parameters

sys.path.append(str(Path(__file__).with_name("bench")))  # its examples serve tests elsewhere, too, whatever is run
MAX_WORKERS = 8  # each may need a gigabyte, and the longest file takes about an eighth of the time of all
# A process that finds Theano's compile lock taken sleeps 5 s to 10 s by default; and a sixth of g++'s time goes into
# symbols for debuggers.
QUICK_COMPILATION = {"THEANO_FLAGS": "compile.wait=1,gcc.cxxflags=-g0", "PYTENSOR_FLAGS": "gcc__cxxflags=-g0"}

# An example that takes long tells of the machine.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", settings.get_profile("any machine"), max_examples=25)
settings.load_profile("any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One worker for each core that this process may use."""
    return min(usable_cores(), MAX_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs):
    """Divide the cores among the workers: they inherit these variables."""
    num_threads = max(1, usable_cores() // len(specs))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, str(num_threads))


def pytest_configure(config):
    """Hide the parallel run from processes that the tests start: pytest-benchmark would time nothing in them.

    Tuning parameters of theano/tuned are the default, as each compilation would measure them.
    """
    os.environ.setdefault("MLP_BENCH_TUNED_PARAMETERS", "default")
    if hasattr(config, "workerinput"):
        for variable in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
            del os.environ[variable]


def pytest_collection_modifyitems(items):
    """Put files with slow tests first, so that no worker begins a long file when the others have finished."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def run_directory(request, tmp_path_factory):
    """A directory that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture(scope="session")
def once(run_directory):
    """``once(name, make)``: a folder that ``make`` fills for the first worker that asks, for all of them to read."""

    def once(name, make):
        folder = run_directory / name
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                try:
                    make(folder)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
        return folder

    return once


@pytest.fixture(scope="session", autouse=True)
def compile_directories(run_directory):
    """Frameworks look for their caches when they are imported, so this comes before any test can import them."""
    for variable, more in QUICK_COMPILATION.items():
        flags = os.environ.get(variable, "")
        if "compiledir" not in flags:
            directory = run_directory / variable.lower()
            os.environ[variable] = ",".join(filter(None, [flags, more, f"base_compiledir={directory}"]))
    for backend in (registry.JAX, registry.TORCH):  # as in measured processes
        for variable, value in backend.cache_variables.items():
            os.environ.setdefault(variable, value.format(cache=run_directory))


@pytest.fixture(scope="session")
def precompiled_header(once):
    """What Theano compiles in this process begins with one precompiled header, as in ``mlp.theano_fast.header``.

    It takes half of g++'s time from most modules, and changes neither them nor their keys.
    """
    need("theano", "as_published")
    backends.load("theano").import_framework()
    import theano
    from theano.gof import cmodule

    linker, graph, x = theano.gof.cc.CLinker(), theano.gof.FunctionGraph, theano.tensor.fvector()
    options = linker.accept(graph([x], [theano.tensor.exp(x)])).compile_args()
    with _compiled_with_header(cmodule, once, options):
        yield


@pytest.fixture(scope="session")
def pytensor_header(once):
    """The same for PyTensor."""
    need("pytensor", "c")
    backends.create("pytensor", "c").import_framework()
    import pytensor.tensor
    from pytensor.graph import FunctionGraph
    from pytensor.link.c import basic, cmodule

    x = pytensor.tensor.fvector()
    options = basic.CLinker().accept(FunctionGraph([x], [pytensor.tensor.exp(x)])).compile_args()
    with _compiled_with_header(cmodule, once, options):
        yield


@contextmanager
def _compiled_with_header(cmodule, once, options):
    from mlp.theano_fast.header import PrecompiledHeader

    def make(folder):
        folder.mkdir()
        PrecompiledHeader(folder).make(options, cmodule)

    header = once(f"header_{cmodule.__name__}", make) / "prefix.h"
    begin = ["-include", str(header)] if header.with_suffix(".h.gch").exists() else []
    compile_str = cmodule.GCC_compiler.compile_str

    def compile_with_header(*arguments, preargs=(), **more):
        return compile_str(*arguments, preargs=[*begin, *(preargs or ())], **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cmodule.GCC_compiler, "compile_str", staticmethod(compile_with_header))
        yield


@pytest.fixture(scope="session")
def cold(once, precompiled_header):
    """A process that compiles the canonical graph, fast, into an empty cache: (the cache, its answer).

    What it compiled is copied into the compile directory of all workers.  Theano itself would compile one module after
    the other, under the lock for which the other workers wait.
    """
    from compile_fast import copy_modules, finish, start

    def make(folder):
        folder.mkdir()
        answer = finish(start(folder / "cache"))
        (folder / "answer.json").write_text(json.dumps(answer))
        copy_modules(folder / "cache", base_compile_directory())

    folder = once("cold", make)
    return folder / "cache", json.loads((folder / "answer.json").read_text())


@pytest.fixture(scope="session")
def tuned_modules(once, cold):
    """The modules of ``theano/tuned`` in the compile directory of all workers, which would all compile them at once."""
    need("theano", "tuned")

    def make(folder):
        folder.mkdir()
        backend = backends.create("theano", "tuned")
        backend.build(SMALL, initial_parameters(SMALL))
        backend.compile()

    once("tuned_modules", make)


@pytest.fixture(scope="session")
def compile_sooner(request):
    """``compile_sooner(backend, variant)``: what the variant compiles afterwards in this process takes less time."""
    fixtures = {
        ("theano", "as_published"): "cold",
        ("theano", "tuned"): "tuned_modules",
        ("pytensor", "c"): "pytensor_header",
    }
    return lambda *stack: stack in fixtures and request.getfixturevalue(fixtures[stack])


@pytest.fixture(scope="session")
def mnist_directory():
    directory = os.environ.get("MNIST_DIR")
    if not directory:
        pytest.skip("set MNIST_DIR to a directory with the MNIST files")
    return Path(directory)


@pytest.fixture(scope="session")
def theano(precompiled_header):
    """Theano, where ``tuned`` can run."""
    need("theano", "tuned")
    backends.load("theano").import_framework()
    import theano

    return theano


@pytest.fixture(scope="session")
def toy_data():
    return make_toy_data()


@pytest.fixture(autouse=True)
def plugin_folders(monkeypatch):
    """Folders in which plugins are found: none, so that those of the environment change no test."""
    folders = []
    find = registry.find_plugins
    monkeypatch.setattr(registry, "find_plugins", lambda path=None: find(folders if path is None else path))
    registry.plugins.cache_clear()
    yield folders
    registry.plugins.cache_clear()


@pytest.fixture
def plugin(tmp_path, monkeypatch, plugin_folders):
    """Install a plugin into this process: ``plugin(...)`` takes what ``write_plugin`` does."""
    folder = tmp_path / "plugins"
    plugin_folders.append(str(folder))
    monkeypatch.setattr(registry, "_imported", {})
    monkeypatch.syspath_prepend(folder)

    def install(*arguments, **more):
        write_plugin(folder, *arguments, **more)
        registry.plugins.cache_clear()
        return folder

    before = set(sys.modules)
    yield install
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
            del sys.modules[name]
