"""Environment of a measured process: built from the tables below and the case, never inherited.

A variable of the caller is one of three kinds.  NEEDED is passed on: paths, locale, proxies, library paths and GPU
visibility.  DROPPED is known to change numbers or behaviour; it is not passed on, and the notices of a run name it.
Any other is not passed on either, without a notice.  Then the case sets its own (SET).  A variable can be passed on
purpose with ``--env NAME=VALUE``: it is recorded, and runs with different ones are not comparable.  Variables that
contradict the label of a number are refused.

``python -m bench.measure.environment`` writes docs/environment.md from these tables.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from bench.errors import BenchError
from bench.measure.case import Case
from bench.measure.process import PROJECT
from bench.measure.scratch import scratch_folder
from bench.records import paths
from mlp import registry
from mlp.errors import BackendError
from mlp.theano_compat.dialect import UNFIT_FOR_FLAGS
from mlp.theano_compat.toolchain import NOEXEC, is_noexec

BUILT_IN = tuple(registry.BUILT_IN.values())
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
THREAD_COUNTS += ("VECLIB_MAXIMUM_THREADS", *(name for one in BUILT_IN for name in one.thread_variables))
WITHOUT_OPTIMIZATIONS = (
    "MLP_BENCH_TUNED_WITHOUT"  # copy of mlp.backends.theano.tuned.optimizations, which imports NumPy
)
TUNING_PARAMETERS = "MLP_BENCH_TUNED_PARAMETERS"  # copy of mlp.backends.theano.tuned.tuning
# Variable -> the file without it.
CONFIGURATION_FILES = dict(one.configuration_file for one in BUILT_IN if one.configuration_file)
FLAGS = tuple(one.flags_variable for one in BUILT_IN if one.flags_variable)
MINE = "mlp-bench"


@dataclass(frozen=True)
class Entry:
    """Names of variables (``*`` stands for any characters), their purpose or effect, and the source.

    ``noticed`` is False for variables that are dropped without a notice, because they change no number.
    """

    names: tuple[str, ...]
    about: str
    source: str
    noticed: bool = True


NEEDED = (
    Entry(
        ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
        "Where programs, the user's files and temporary files are",
        "POSIX.1-2024, 8.3; XDG Base Directory Specification",
    ),
    Entry(("XDG_RUNTIME_DIR",), "Folder of sockets and locks of a login", "XDG Base Directory Specification"),
    Entry(
        ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
        "The same on Windows",
        "Windows environment variables",
    ),
    Entry(("LANG", "LANGUAGE", "LC_*", "TZ", "LOCALE_ARCHIVE"), "Language, characters and time zone", "locale(7)"),
    Entry(
        ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
        "Proxies of the network",
        "curl(1), Python: urllib.request.getproxies",
    ),
    Entry(("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"), "The same", "curl(1)"),
    Entry(
        ("SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        "Certificates that are trusted",
        "OpenSSL: SSL_CTX_load_verify_locations(3); requests: SSL Cert Verification",
    ),
    Entry(
        ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        "Where shared libraries are found; which BLAS was loaded is on record",
        "ld.so(8), dyld(1)",
    ),
    Entry(
        ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX"),
        "Where the C++ compiler finds headers and libraries",
        "GCC manual, 3.22 Environment Variables Affecting GCC",
    ),
    Entry(
        ("SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET", "NIX_*", "CONDA_PREFIX", "VIRTUAL_ENV", "PYENV_*"),
        "Where a system or package manager keeps compilers and interpreters",
        "xcrun(1), Nixpkgs manual, conda and pyenv documentation",
    ),
    Entry(("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"), "Where the CUDA toolkit is", "CUDA installation guide"),
    Entry(
        ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
        "Which GPUs a process sees; the record names those that are there",
        "CUDA C++ Programming Guide, CUDA Environment Variables; NVIDIA Container Toolkit",
    ),
    Entry(("MNIST_DIR", "MLP_BENCH_*"), "Options of mlp-bench", "docs/running.md"),
)
DROPPED = (
    Entry(("OMP_*", "KMP_*", "GOMP_*", "LIBOMP_*"), "Threads and their places", "OpenMP 5.2, 21; libgomp"),
    Entry(
        ("OPENBLAS_*", "GOTO_*", "MKL_*", "BLIS_*", "ATLAS_*", "NVPL_*", "ARMPL_*", "VECLIB_*", "BLAS_*", "FLEXIBLAS*"),
        "Threads, kernels and precision of the BLAS",
        "OpenBLAS: Runtime variables; oneMKL Developer Guide; BLIS: Multithreading",
    ),
    Entry(
        ("ONEDNN_*", "DNNL_*"), "Kernels and precision of oneDNN, which PyTorch and XLA use", "oneDNN Developer Guide"
    ),
    Entry(("NPROC", "TBB_*", "TCM_*", "NUMEXPR_*"), "Sizes of thread pools", "XLA: tsl/platform; oneTBB"),
    Entry(
        ("THEANO_*", "THEANORC", "PYTENSOR_*", "PYTENSORRC"),
        "Precision, optimiser, linker, device and compile directory",
        "Theano: theano.config; PyTensor: pytensor.config",
    ),
    Entry(
        ("JAX_*", "XLA_*", "TF_*", "LIBTPU_*", "PJRT_*"),
        "Precision, random numbers, platform, compilation and memory of JAX",
        "JAX: Configuration options; XLA Flags Guidance",
    ),
    Entry(
        ("TORCH*", "PYTORCH_*", "ATEN_*", "INDUCTOR_*", "TRITON_*", "CUDNN_*", "LRU_CACHE_CAPACITY"),
        "Compilation, precision, allocator and threads of PyTorch",
        "PyTorch: Environment Variables, torch.compile; cuDNN: Logging",
    ),
    Entry(("NUMBA_*",), "Compilation, threads and vector width of numba", "Numba: Environment variables"),
    Entry(("NPY_*", "NUMPY_*", "SCIPY_*"), "Kernels, huge pages and promotion of NumPy", "NumPy: Global Configuration"),
    Entry(
        ("NVIDIA_*", "CUDA_*", "CUBLAS_*", "CUBLASLT_*", "NCCL_*", "GPUARRAY_*", "HSA_*", "HIP_*", "ROCR_*", "ROCM_*"),
        "Precision (TF32), launches, kernel caches and work spaces on a GPU",
        "CUDA C++ Programming Guide, CUDA Environment Variables; cuBLAS",
    ),
    Entry(
        ("PYTHON*", "COVERAGE_*", "COV_CORE_*"),
        "Where Python finds modules, what it warns of, checks and traces",
        "python(1), Command line and environment",
    ),
    Entry(
        ("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONFAULTHANDLER", "PYTHON_COLORS", "PYTHON_HISTORY"),
        "What a terminal shows",
        "python(1), Command line and environment",
        noticed=False,
    ),
    Entry(("PYTHONSTARTUP", "PYTHONBREAKPOINT"), "Interactive use", "python(1)", noticed=False),
    Entry(
        ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
        "Whether and where compiled modules are kept",
        "python(1), Command line and environment",
        noticed=False,
    ),
    Entry(
        ("PYTHON_VERSION", "PYTHON_SHA256", "PYTHON_PIP_*", "PYTHON_GET_PIP_*", "PYTHON_SETUPTOOLS_*", "CUDA_VERSION"),
        "Left by the images of Python and CUDA",
        "Docker: python, nvidia/cuda",
        noticed=False,
    ),
    Entry(
        ("CUDNN_VERSION", "CUDA_PKG_VERSION", "NVIDIA_REQUIRE_*", "NVIDIA_PRODUCT_NAME", "PYTORCH_VERSION"),
        "The same",
        "Docker: nvidia/cuda, pytorch/pytorch",
        noticed=False,
    ),
    Entry(("TF_CLI_*", "TF_VAR_*", "TF_LOG*", "TF_DATA_DIR"), "Another program's", "Terraform", noticed=False),
    Entry(("PYTEST_*", "PY_COLORS"), "What pytest selects, loads and reports", "pytest: Environment Variables"),
    Entry(
        ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_*"), "Left by pytest itself", "pytest", noticed=False
    ),
    Entry(
        ("MALLOC_*", "GLIBC_TUNABLES", "TCMALLOC_*", "MIMALLOC_*", "JEMALLOC_*", "_RJEM_*"),
        "Memory allocation",
        "mallopt(3), The GNU C Library: Tunables",
    ),
    Entry(
        ("LD_*", "DYLD_*"),
        "Libraries put in front of all others, which variants of a library are taken, and when symbols are bound",
        "ld.so(8)",
    ),
    Entry(
        (
            "CC",
            "CXX",
            "CPP",
            "CFLAGS",
            "CXXFLAGS",
            "CPPFLAGS",
            "LDFLAGS",
            "CCACHE_*",
            "DISTCC_*",
            "SCCACHE_*",
            "NVCC_*",
        ),
        "Which compiler compiles, how, and from which cache",
        "PyTorch: torch/_inductor/config.py; ccache(1)",
    ),
    Entry(
        ("SLURM_*", "SBATCH_*", "SRUN_*", "PBS_*", "LSB_*", "OMPI_*", "PMI_*", "PMIX_*", "MPI_*", "I_MPI_*", "HYDRA_*"),
        "The place of a process among those of a job, which JAX and PyTorch would join",
        "srun(1); Open MPI: mpirun(1); JAX: jax.distributed",
        noticed=False,
    ),
    Entry(
        ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_*", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
        "The same, of torchrun",
        "PyTorch: torchrun, Environment Variables",
        noticed=False,
    ),
    Entry((WITHOUT_OPTIMIZATIONS,), "Optimizations that theano/tuned leaves out; part of the case", "docs/tuned.md"),
    Entry((TUNING_PARAMETERS,), "Threads and tiles of theano/tuned, which are measured otherwise", "docs/tuned.md"),
    Entry(("MPLBACKEND", "MATPLOTLIBRC", "MPLCONFIGDIR"), "Plots", "Matplotlib: Environment variables", noticed=False),
    Entry(
        ("*COLOR", "CLICOLOR*", "FORCE_COLOR", "NO_COLOR", "COLORTERM", "TERM", "COLUMNS", "LINES"),
        "Colours and width of a terminal",
        "no-color.org, force-color.org, bixense.com/clicolors",
        noticed=False,
    ),
)
# Name -> description of its value: the variables that ``build`` and ``compile_caches`` set.
SET = {
    **dict.fromkeys(THREAD_COUNTS, "the threads of the case"),
    "PYTHONPATH": "this checkout",
    "PYTHONSAFEPATH": "1: a folder in the current directory is not taken for a package",
    "PYTHONNOUSERSITE": "1 in a virtual environment: it alone says which packages there are",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1: pytest loads pytest-benchmark and no other plugin",
    "THEANORC, PYTENSORRC": "no file: ~/.theanorc and ~/.pytensorrc are not read",
    "CCACHE_DISABLE": "1: a cold compilation is cold",
    "JAX_PLATFORMS": "cpu, for a case on the CPU",
    WITHOUT_OPTIMIZATIONS: "what the case of the ablation leaves out",
    TUNING_PARAMETERS: "for the gate, what side A chose",
    "THEANO_FLAGS, PYTENSOR_FLAGS": "the compile directory of the case",
    "JAX_COMPILATION_CACHE_DIR, TORCHINDUCTOR_CACHE_DIR, TRITON_CACHE_DIR": "the compile cache of the case",
    "TMPDIR": "in the compile cache of the case: PyTorch's precompiled header lies with the temporary files",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS, JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "keep everything",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false, by the backends that use JAX: it takes no more GPU memory than it needs",
    "CUDA_LAUNCH_BLOCKING": "1, for a profile of Theano on a GPU",
    "LD_LIBRARY_PATH": "the libraries of Theano's GPU environment first, for Theano on a GPU",
    "MLP_BENCH_PARENT": "the process that starts it, with which it ends on Linux",
    "HOME, USER": "the temporary folder and mlp-bench, for a user who has none",
}
# Refused with --env: (names, reason).  A label states precision, compilation and device.
REFUSED = (
    (
        ("JAX_ENABLE_X64", "JAX_DEFAULT_DTYPE_BITS", "JAX_NUMPY_DTYPE_PROMOTION", "JAX_DEFAULT_MATMUL_PRECISION"),
        "the label of a stack states its precision, and this changes it",
    ),
    (
        ("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "MKL_CBWR", "*_DEFAULT_FPMATH_MODE"),
        "the label of a stack states its precision, and this changes it",
    ),
    (("JAX_DEFAULT_PRNG_IMPL", "JAX_THREEFRY_PARTITIONABLE"), "the random numbers are part of the workload"),
    (
        ("JAX_DISABLE_JIT", "TORCHDYNAMO_*", "TORCH_COMPILE_DISABLE", "NUMBA_DISABLE_JIT", "PYTORCH_JIT"),
        "it switches off the compilation that the label of the stack states",
    ),
    (("JAX_PLATFORMS", "JAX_PLATFORM_NAME"), "the device is chosen with --device"),
    (("PYTEST_*",), "it can change what is measured under the same label"),
    (("PYTHONHOME", "PYTHONOPTIMIZE"), "the interpreter that measures is the one on record"),
    (("*_CACHE_DIR", "THEANORC", "PYTENSORRC", "CCACHE_*"), "compile caches and configuration files are the case's"),
)
# Of THEANO_FLAGS and PYTENSOR_FLAGS, where floatX=float32 alone may be repeated.
REFUSED_FLAGS = {
    "floatX": "the label of a stack states its precision, and this changes it",
    **dict.fromkeys(("device", "force_device", "init_gpu_device"), "the device is chosen with --device"),
    **dict.fromkeys(
        ("mode", "linker", "cxx", "optimizer", "optimizer_including", "optimizer_excluding"),
        "it changes the compilation that the label of the stack states",
    ),
    **dict.fromkeys(("base_compiledir", "compiledir"), "compile caches are the case's"),
}
# Refused for a run, which has an option for it; a side of the gate states it in its own label.
OWN_OPTION = {
    **dict.fromkeys(THREAD_COUNTS, "use --threads"),
    WITHOUT_OPTIMIZATIONS: "use --harness ablation, or compare the sides of a gate with --env-b",
    "MNIST_DIR": "use --data",
}


# Number of processes that a launcher started beside this one, itself included.
PROCESSES_OF_A_JOB = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "WORLD_SIZE")
PROCESSES_OF_A_JOB += ("MV2_COMM_WORLD_SIZE", "FLUX_JOB_SIZE", "JSM_NAMESPACE_SIZE")
# Pattern of a reason, and the variables whose absence may cause it.
MISSED = (
    (r"No module named", ("PYTHONPATH", "PYTHONHOME")),
    (r"already initialized", ("KMP_DUPLICATE_LIB_OK",)),
    (r"crashed \(SIG(ILL|SEGV|FPE|BUS)\)", ("OPENBLAS_CORETYPE",)),  # set for a processor unknown to an old OpenBLAS
)


def build(case: Case, compile_directory: Path | None, passed: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process that measures ``case``.

    All thread pools of BLAS, OpenMP and compiler runtimes get the same size, to avoid oversubscription.  ``passed``
    holds the variables of ``--env``.
    """
    passed = passed or {}
    variables = {**needed(os.environ), **_home(os.environ), **_of_python()}
    entries = _entries(case.backend)
    if case.backend:
        from mlp.backends import load

        variables |= load(case.backend).interpreter_variables(case.device)
    thread_variables = (name for one in entries for name in one.thread_variables)
    variables |= dict.fromkeys((*THREAD_COUNTS, *thread_variables), str(case.threads))
    variables |= dict.fromkeys(CONFIGURATION_FILES, os.devnull)
    variables["CCACHE_DISABLE"] = "1"
    if case.without:
        variables[WITHOUT_OPTIMIZATIONS] = case.without
    for one in entries:
        variables |= {**one.variables, **(one.cpu_variables if case.device == "cpu" else {})}
    variables |= {**passed, "PYTHONPATH": joined_paths(_checkout(), passed.get("PYTHONPATH"))}
    if compile_directory is not None:
        variables |= compile_caches(variables, compile_directory, case.backend)
    return variables


def _entries(backend: str | None) -> list[registry.BackendEntry]:
    """Return the entries that decide the variables of a process: of all built-in backends, and of its plugin.

    A plugin may run on a framework of a built-in backend.
    """
    return [*BUILT_IN, *([registry.entry(backend)] if backend and registry.is_plugin(backend) else [])]


def compile_caches(variables: Mapping[str, str], directory: Path, backend: str | None = None) -> dict[str, str]:
    """Return the variables that place the compile cache of every framework, and of the plugin ``backend``, in
    ``directory``."""
    found = {}
    for one in _entries(backend):
        for name, template in one.cache_variables.items():
            found[name] = template.replace("{cache}", str(directory))
            if name == one.flags_variable:
                found[name] = _with_compile_directory(variables.get(name, ""), found[name])
    return found


def _with_compile_directory(flags: str, directory: str) -> str:
    kept = [flag for flag in flags.split(",") if flag and not re.match(r"\s*(base_)?compiledir\s*=", flag)]
    return ",".join([*kept, f"base_compiledir={directory}"])


def _checkout() -> str:
    """Return this checkout's folder; raise BenchError if PYTHONPATH would split it into others, or pytest its name."""
    for mark, program in ((os.pathsep, "PYTHONPATH"), ("[", "pytest")):
        if mark in str(PROJECT):
            raise BenchError(f"{PROJECT} has {mark!r} in its name, which {program} cannot take: move this folder.")
    return str(PROJECT)


def check_alone(variables: Mapping[str, str] = os.environ) -> None:
    """Raise BenchError if a launcher started this process as one of several, which would disturb each other."""
    for name in PROCESSES_OF_A_JOB:
        count = variables.get(name, "").strip()
        if count.isdecimal() and int(count) > 1:
            raise BenchError(
                f"this is one of {count} processes that a launcher started ({name}): they would measure each other. "
                "Start it once, without mpirun, srun -n or torchrun; in a shell that only inherited it: "
                f"unset {name}."
            )


def joined_paths(*paths: str | None) -> str:
    return os.pathsep.join(path for path in paths if path)


def needed(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the subset of ``variables`` listed in NEEDED."""
    return {name: value for name, value in variables.items() if (found := _entry(name)) and found[0] == "needed"}


def dropped(variables: Mapping[str, str] | None = None, passed: Iterable[str] = ()) -> list[str]:
    """Return the names of the caller's variables and configuration files that change numbers or behaviour and are not
    passed to a measured process, without those ``passed`` on purpose."""
    variables = os.environ if variables is None else variables
    names = [name for name in variables if (found := _entry(name)) and found[0] == "dropped" and found[1].noticed]
    names = [name for name in names if name not in passed and variables[name].strip()]
    files = [file for name, file in CONFIGURATION_FILES.items() if name not in variables and _is_file(file)]
    return [*sorted(names), *files]


def hint(reason: str, variables: Mapping[str, str]) -> str:
    """Return ``reason`` of a failed process, with a hint on a variable of the caller that it may have needed."""
    for pattern, names in MISSED:
        missed = [name for name in names if name in dropped(passed=variables)]
        if missed and re.search(pattern, reason):
            return f"{reason} ({missed[0]} is set here and not passed on; --env {missed[0]}=VALUE does)"
    return reason


@lru_cache(maxsize=1024)
def _entry(name: str) -> tuple[str, Entry] | None:
    """Return ``needed`` or ``dropped`` and the entry of ``name``; the longest matching pattern wins."""
    found = [
        (len(pattern), kind, entry)
        for kind, table in (("needed", NEEDED), ("dropped", DROPPED))
        for entry in table
        for pattern in entry.names
        if fnmatchcase(name, pattern)
    ]
    return max(found, key=lambda one: one[0])[1:] if found else None


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError):  # home missing or not searchable
        return False


def _of_python() -> dict[str, str]:
    """Return variables that restrict Python and pytest to the packages of their environment.

    Outside of a virtual environment the user's packages stay enabled, as they may be the only ones.
    """
    alone = {"PYTHONSAFEPATH": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return {**alone, "PYTHONNOUSERSITE": "1"} if sys.prefix != sys.base_prefix else alone


def _home(variables: Mapping[str, str]) -> dict[str, str]:
    """Return HOME and user names that libraries require, for a user without them (e.g. in a container)."""
    home = variables.get("HOME") or os.path.expanduser("~")
    found = {} if os.path.isdir(home) else {"HOME": tempfile.gettempdir()}
    try:
        import pwd

        pwd.getpwuid(os.getuid())
    except ImportError:  # Windows
        return found
    except KeyError:
        found |= {"USER": variables.get("USER") or MINE, "LOGNAME": variables.get("LOGNAME") or MINE}
    return found


def read_passed(settings: Iterable[str], option: str = "--env", own_options: bool = True) -> dict[str, str]:
    """Parse ``NAME=VALUE`` settings.

    Raises
    ------
    BenchError
        If one is malformed, contradicts a label, is a variable of theano/tuned with a value that it rejects, or, with
        ``own_options``, duplicates another option.
    """
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals) or "\0" in setting:
            raise BenchError(f"{setting!r} is not a setting of an environment variable: write {option} NAME=VALUE.")
        why = _why_refused(name, value) or (OWN_OPTION.get(name) if own_options else None)
        if why is not None:
            raise BenchError(f"{option} {setting} is refused: {why}.")
        _check_own_variable(option, name, value)
        found[name] = paths.settled(name, value)
    return found


def _check_own_variable(option: str, name: str, value: str) -> None:
    """Raise BenchError for a value that theano/tuned rejects, before the processes that would find out."""
    if name not in (WITHOUT_OPTIMIZATIONS, TUNING_PARAMETERS):
        return
    from mlp.backends.theano.tuned import optimizations, tuning

    try:
        if name == WITHOUT_OPTIMIZATIONS:
            optimizations.optimization_states(value)
        elif value.strip():
            tuning.parse(value.strip(), 1)
    except BackendError as error:
        raise BenchError(f"{option}: {error}") from None


def _why_refused(name: str, value: str) -> str | None:
    if name in FLAGS:
        flags = [flag.partition("=") for flag in value.split(",")]
        settings = [(flag.strip(), setting.strip()) for flag, _, setting in flags]
        reasons = [REFUSED_FLAGS.get(flag) for flag, setting in settings if (flag, setting) != ("floatX", "float32")]
        return next(filter(None, reasons), None)
    return next((why for names, why in REFUSED if any(fnmatchcase(name, pattern) for pattern in names)), None)


@contextmanager
def planning(passed: Mapping[str, str] | None = None) -> Iterator[None]:
    """Give this process the environment of a measured one inside the block, with a temporary compile directory, so
    that a backend reports the same properties as when it is measured."""
    with scratch_folder() as folder:
        fit = why_unfit_for_code() is None
        variables = build(Case("epoch", None, None, "cpu", 1, ""), folder if fit else None, passed)
        for name in (name for one in BUILT_IN for name in one.cpu_variables):
            del variables[name]  # GPUs are queried, too
        if not fit:  # refused only where code is compiled
            variables["HOME"] = str(folder)
        with adopted(variables):
            yield


def why_unfit_for_code() -> str | None:
    """Return the reason why compiled code cannot be stored in and loaded from the temporary folder, else None."""
    folder = tempfile.gettempdir()
    if found := UNFIT_FOR_FLAGS.search(folder):
        return f"the temporary folder {folder} has {found[0]!r} in its name, which Theano's flags cannot hold"
    if os.pathsep in folder:
        return f"the temporary folder {folder} has {os.pathsep!r} in its name, which PYTHONPATH cannot hold"
    return f"the temporary folder {folder} {NOEXEC}" if is_noexec(folder) else None


def check_fit_for_code() -> None:
    """Raise BenchError if compiled code could not be loaded from the temporary folder."""
    why = why_unfit_for_code()
    if why is not None:
        raise BenchError(f"{why}: set TMPDIR to another folder.")


@contextmanager
def adopted(variables: Mapping[str, str]) -> Iterator[None]:
    """Give this process the environment and the module paths of a measured one inside the block."""
    before, module_paths = dict(os.environ), list(sys.path)
    _replace_environment(variables)
    sys.path[:] = _module_paths(before.get("PYTHONPATH"), variables.get("PYTHONPATH"))
    try:
        yield
    finally:
        _replace_environment(before)
        sys.path[:] = module_paths


def _module_paths(before: str | None, after: str | None) -> list[str]:
    """Return ``sys.path`` of a process started with another PYTHONPATH."""
    old, new = ((paths or "").split(os.pathsep) for paths in (before, after))
    kept = [path for path in sys.path if not path or path not in old]
    return [*(path for path in new if path and path not in kept), *kept]


def _replace_environment(variables: Mapping[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


def as_markdown() -> str:
    """Return the tables as docs/environment.md."""
    return "\n".join(
        [
            "# Environment variables",
            "",
            "A measured process does not inherit the environment of the shell: it gets what is listed under *Passed*",
            "and *Set*, and nothing else. `python -m bench.measure.environment` writes this page from the tables in",
            "`bench/measure/environment.py`.",
            "",
            "`--env NAME=VALUE` of `run` and `profile` passes a variable on purpose. It is recorded and named in",
            "the notices of the report; such a run is resumed with the same variables, is a separate series in",
            "`history`, and is neither explained by a profile nor accepted as a baseline without them. `compare` names",
            "the difference. `--env-a` and `--env-b` of `gate` pass a variable to one side. The process of a plugin",
            "also gets the variables that its entry names (docs/backends.md).",
            "",
            *_table("Passed", "names", "what for", NEEDED),
            *_table(
                "Dropped, and named in notices", "names", "what it changes", [one for one in DROPPED if one.noticed]
            ),
            *_table("Dropped without a notice", "names", "what for", [one for one in DROPPED if not one.noticed]),
            "The configuration files ~/.theanorc and ~/.pytensorrc are not read, and named where they exist.",
            "",
            "## Set",
            "",
            "| names | value |",
            "|---|---|",
            *(f"| {_code(names.split(', '))} | {value} |" for names, value in SET.items()),
            "",
            "## Refused with `--env`",
            "",
            "| names | why |",
            "|---|---|",
            *(f"| {_code(names)} | {why} |" for names, why in REFUSED),
            *(f"| `{flag}` in `THEANO_FLAGS`, `PYTENSOR_FLAGS` | {why} |" for flag, why in REFUSED_FLAGS.items()),
            *(f"| `{name}` (not of a side of the gate) | {why} |" for name, why in OWN_OPTION.items()),
            "",
        ]
    )


def _table(title: str, first: str, second: str, entries: Iterable[Entry]) -> list[str]:
    rows = [f"| {_code(entry.names)} | {entry.about} | {entry.source} |" for entry in entries]
    return [f"## {title}", "", f"| {first} | {second} | source |", "|---|---|---|", *rows, ""]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    (PROJECT / "docs").mkdir(exist_ok=True)
    (PROJECT / "docs" / "environment.md").write_text(as_markdown(), encoding="utf-8")
