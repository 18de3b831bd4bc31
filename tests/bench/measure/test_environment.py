"""A measured process gets what the tables say, whatever the caller's shell holds."""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import BenchError
from bench.machine.fingerprint import package_version
from bench.measure import environment
from bench.measure.case import Case
from bench.measure.environment import build, dropped, read_passed
from bench.measure.process import PROJECT
from mlp.backends.base import is_installed
from mlp.backends.theano.tuned import optimizations
from mlp.theano_compat.dialect import THEANO

CASE = Case("epoch", "theano", "as_published", "cpu", 2, "mnist", batch_size=500, cache="warm")
ABLATION = replace(CASE, harness="ablation", variant="tuned")

# Each was seen to change a number, its label, or whether there is one at all.
FOREIGN = {
    "THEANO_FLAGS": "floatX=float64",
    "PYTENSOR_FLAGS": "mode=FAST_COMPILE",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cuda",
    "XLA_FLAGS": "--xla_no_such_flag=true",
    "TORCHDYNAMO_DISABLE": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:1",
    "TRITON_CACHE_DIR": "/elsewhere",
    "NVIDIA_TF32_OVERRIDE": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":16:8",
    "CUDA_LAUNCH_BLOCKING": "1",
    "OPENBLAS_CORETYPE": "Prescott",
    "MKL_DEBUG_CPU_TYPE": "5",
    "OMP_PROC_BIND": "close",
    "KMP_BLOCKTIME": "0",
    "GOMP_CPU_AFFINITY": "0",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHOME": "/elsewhere",
    "PYTHONWARNINGS": "error",
    "PYTHONMALLOC": "debug",
    "PYTHONTRACEMALLOC": "20",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTEST_ADDOPTS": "-k read",
    "PYTEST_PLUGINS": "no_such_plugin",
    "MALLOC_ARENA_MAX": "1",
    "GLIBC_TUNABLES": "glibc.malloc.check=3",
    "LD_PRELOAD": "/elsewhere/libjemalloc.so",
    "CXX": "clang++",
    "MLP_BENCH_TUNED_WITHOUT": "update",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_changes_numbers_does_not_reach_a_process_and_is_named(monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    without = build(CASE, None)
    monkeypatch.setenv(name, FOREIGN[name])
    assert build(CASE, None) == without
    assert name in dropped()


def test_it_can_be_imported_where_numpy_cannot():
    """So that the reason for that can be told."""
    code = "import sys; sys.modules['numpy'] = None; import bench.measure.environment, bench.measure.process"
    subprocess.run([sys.executable, "-c", code], env=build(CASE, None), check=True)
    assert environment.WITHOUT_OPTIMIZATIONS == optimizations.VARIABLE


def test_nothing_unknown_is_passed_on(monkeypatch):
    monkeypatch.setenv("AN_INVENTED_NAME", "1")
    assert "AN_INVENTED_NAME" not in build(CASE, None)
    assert "AN_INVENTED_NAME" not in dropped()


@pytest.mark.parametrize("name", ["PATH", "TMPDIR", "LC_ALL", "https_proxy", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"])
def test_what_the_system_needs_is_passed_on(monkeypatch, name):
    monkeypatch.setenv(name, "/some/value")
    assert build(CASE, None)[name] == "/some/value"
    assert name not in dropped()


@pytest.mark.parametrize("name", ["NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED", "MPLBACKEND", "TERM"])
def test_what_changes_no_number_is_dropped_in_silence(name):
    assert environment.needed({name: "1"}) == {}
    assert dropped({name: "1"}) == []


def test_an_empty_variable_is_not_named():
    assert dropped({"PYTEST_ADDOPTS": "", "THEANORC": ""}) == []


def test_a_configuration_file_in_the_home_is_not_read_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".theanorc").write_text("[global]\nlinker = py\n")
    assert "~/.theanorc" in dropped()
    assert build(CASE, None)["THEANORC"] == os.devnull


def test_a_user_without_a_home_gets_one(monkeypatch):
    monkeypatch.setenv("HOME", "/nonexistent/home")
    assert os.path.isdir(build(CASE, None)["HOME"])


def test_every_thread_pool_gets_the_threads_of_the_case(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    variables = build(CASE, None)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC"):
        assert variables[name] == "2"


def test_a_cpu_case_starts_no_gpu_and_a_gpu_case_keeps_all_platforms():
    case = replace(CASE, backend="jax", variant="scan")
    assert build(case, None)["JAX_PLATFORMS"] == "cpu"
    assert "JAX_PLATFORMS" not in build(replace(case, device="cuda"), None)


def test_a_cold_cache_is_cold_for_every_framework(tmp_path, monkeypatch):
    """Two cases' folders share no cache, whatever the user's own environment says."""
    for name in ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.setenv(name, "/elsewhere")
    variables = build(CASE, tmp_path / "one")
    for name in ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert variables[name].startswith(f"{tmp_path}/one/")
    assert float(variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]) == 0  # else quick compilations stay cold


def test_theano_and_pytensor_compile_into_folders_of_their_own(tmp_path):
    """Both name the folders below alike, so that in one directory each would find the other's modules."""
    variables = build(CASE, tmp_path)
    assert variables["THEANO_FLAGS"] == f"base_compiledir={tmp_path}"
    assert variables["PYTENSOR_FLAGS"] == f"base_compiledir={tmp_path}/pytensor"


def test_flags_passed_on_purpose_stand_beside_the_compile_directory(tmp_path):
    flags = build(CASE, tmp_path, read_passed(["THEANO_FLAGS=blas.ldflags=-lopenblas"]))["THEANO_FLAGS"].split(",")
    assert flags == ["blas.ldflags=-lopenblas", f"base_compiledir={tmp_path}"]


@pytest.mark.parametrize("case", [CASE, ABLATION, replace(ABLATION, without="dropout")])
def test_the_case_alone_says_what_tuned_leaves_out(monkeypatch, case):
    monkeypatch.setenv("MLP_BENCH_TUNED_WITHOUT", "update")
    assert build(case, None).get("MLP_BENCH_TUNED_WITHOUT") == case.without


def test_passed_on_purpose_is_passed_and_not_named_as_dropped(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    passed = read_passed(["OPENBLAS_CORETYPE=Prescott", "PYTHONPATH=/more", "ANY=a=b"])
    variables = build(CASE, None, passed)
    assert variables["OPENBLAS_CORETYPE"] == "Prescott"
    assert variables["PYTHONPATH"] == os.pathsep.join((str(PROJECT), "/more"))
    assert variables["ANY"] == "a=b"
    assert "OPENBLAS_CORETYPE" not in dropped(passed=passed)


def test_a_reason_names_the_variable_that_was_missed(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    crashed = "it crashed (SIGILL): it printed nothing"
    assert environment.hint(crashed, {}).startswith(f"{crashed} (OPENBLAS_CORETYPE is set here and not passed on")
    assert environment.hint(crashed, {"OPENBLAS_CORETYPE": "Zen"}) == crashed
    assert environment.hint("it hung", {}) == "it hung"


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("THEANO_FLAGS=floatX=float64", "precision"),
        ("THEANO_FLAGS=openmp=True, device = cuda0", "--device"),
        ("PYTENSOR_FLAGS=base_compiledir=/x", "compile caches"),
        ("JAX_ENABLE_X64=1", "precision"),
        ("TORCHDYNAMO_DISABLE=1", "compilation"),
        ("PYTEST_ADDOPTS=-k read", "what is measured"),
        ("OMP_NUM_THREADS=1", "--threads"),
        ("MLP_BENCH_TUNED_WITHOUT=update", "--harness ablation"),
        ("JUST_A_NAME", "NAME=VALUE"),
        ("=value", "NAME=VALUE"),
    ],
)
def test_what_would_make_a_label_false_is_refused(setting, why):
    with pytest.raises(BenchError, match=why):
        read_passed([setting])


@pytest.mark.parametrize(
    ("setting", "rejected"),
    [("MLP_BENCH_TUNED_PARAMETERS=forward_1=48", "'forward_1=48'"), ("MLP_BENCH_TUNED_WITHOUT=upate", "'upate'")],
)
def test_what_theano_tuned_rejects_is_refused_before_its_processes_start(setting, rejected):
    with pytest.raises(BenchError, match=f"^--env-b: .*{rejected}"):
        read_passed([setting], "--env-b", own_options=False)


def test_a_side_of_the_gate_states_its_threads_and_optimizations_itself():
    assert read_passed(["OMP_NUM_THREADS=1", "MLP_BENCH_TUNED_WITHOUT=update"], "--env-b", own_options=False)
    assert read_passed(["MLP_BENCH_TUNED_PARAMETERS=threads=1,weights_2=dense"], "--env-b")
    assert read_passed(["THEANO_FLAGS=floatX=float32"])


def test_planning_happens_in_the_environment_that_is_measured(monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "floatX=float64")
    before = dict(os.environ)
    with pytest.raises(ZeroDivisionError), environment.adopted(build(CASE, None)):
        assert "THEANO_FLAGS" not in os.environ
        raise ZeroDivisionError
    assert dict(os.environ) == before


def test_a_folder_in_the_current_directory_is_not_taken_for_a_package(tmp_path):
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise SystemExit(7)")
    code = "import runpy; runpy.run_module('numpy.version')"
    argv = [sys.executable, "-c", code]
    assert subprocess.run(argv, cwd=tmp_path).returncode == 7
    assert subprocess.run(argv, cwd=tmp_path, env=build(CASE, None)).returncode == 0


def test_the_page_in_docs_is_written_from_the_tables():
    page = PROJECT / "docs" / "environment.md"
    assert page.read_text(encoding="utf-8") == environment.as_markdown(), "python -m bench.measure.environment"


def test_no_name_stands_in_two_tables():
    names = [name for entry in (*environment.NEEDED, *environment.DROPPED) for name in entry.names]
    assert len(names) == len(set(names))


def test_a_plan_asks_for_a_compile_directory_that_is_not_the_users_and_gone_afterwards(monkeypatch):
    monkeypatch.setenv("THEANO_FLAGS", "base_compiledir=/nowhere/else")
    with environment.planning():
        asked = THEANO.asked("base_compiledir")
        assert os.path.isdir(asked) and "JAX_PLATFORMS" not in os.environ
    assert not os.path.exists(asked)


def test_a_plan_is_made_with_the_packages_that_measured_processes_find(monkeypatch, tmp_path):
    """A record once said NumPy 2.4.6, and the one on PYTHONPATH was measured; the other way round is as wrong."""
    for folder in ("shell", "purpose"):
        (tmp_path / folder / "an_invented_package-1.0.dist-info").mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: an-invented-package\nVersion: {len(folder)}\n"
        (tmp_path / folder / "an_invented_package-1.0.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shell"))
    monkeypatch.syspath_prepend(tmp_path / "shell")
    before = list(sys.path)
    with environment.planning():
        assert package_version("an-invented-package") is None
    with environment.planning({"PYTHONPATH": str(tmp_path / "purpose")}):
        assert package_version("an-invented-package") == "7"
    assert sys.path == before and package_version("an-invented-package") == "5"


@pytest.mark.parametrize(("name", "program"), [("a:b", "PYTHONPATH"), ("a[1]", "pytest")])
def test_a_checkout_whose_name_its_processes_cannot_take_is_refused(monkeypatch, tmp_path, name, program):
    monkeypatch.setattr(environment, "PROJECT", tmp_path / name)
    with pytest.raises(BenchError, match=f"{program} cannot take: move"):
        build(Case("data", None, None, "cpu", 1, ""), None)


@pytest.mark.parametrize("name", ["a,b", "a#b", "a'b", "a:b"])
def test_a_temporary_folder_that_variables_cannot_hold_is_refused(monkeypatch, tmp_path, name):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / name))
    with pytest.raises(BenchError, match="set TMPDIR to another folder"):
        environment.check_fit_for_code()


def test_a_temporary_folder_without_execution_is_refused(monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda folder: SimpleNamespace(f_flag=os.ST_NOEXEC))
    with pytest.raises(BenchError, match="noexec"):
        environment.check_fit_for_code()


def test_a_folder_beside_the_command_is_not_taken_for_a_framework(tmp_path):
    code = (
        "import runpy, sys\n"
        f"sys.path[0], sys.argv = {str(tmp_path)!r}, ['bench', '--version']\n"  # as python -m does
        "try: runpy.run_module('bench', run_name='__main__')\n"
        "except SystemExit: print(sys.path)"
    )
    variables = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert str(PROJECT) in done.stdout and str(tmp_path) not in done.stdout


def test_a_folder_without_a_module_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "an_invented_framework").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_installed("an_invented_framework")
    assert is_installed("numpy") and not is_installed("bench")


def test_the_entry_of_a_plugin_decides_variables_of_its_own_processes(plugin):
    more = """thread_variables=("FAKE_THREADS",), cache_variables={"FAKE_CACHE": "{cache}/fake"},
    variables={"FAKE_LOG": "3"}, cpu_variables={"FAKE_DEVICE": "cpu"}, implementation="fake_plugin:Fake", name="fake"
    """
    source = "from mlp.backends.numpy import NumpyBackend\nfrom mlp.registry import BackendEntry\n"
    source += f"class Fake(NumpyBackend):\n    name = 'fake'\nENTRY = BackendEntry({more})\n"
    plugin("fake", source=source)
    own = {"FAKE_THREADS": "3", "FAKE_CACHE": "/cache/fake", "FAKE_LOG": "3", "FAKE_DEVICE": "cpu"}
    case = Case("epoch", "fake", "float32", "cpu", 3, "mnist")
    variables = environment.build(case, Path("/cache"), {"FAKE_LOG": "0"})
    assert {name: variables[name] for name in own} == {**own, "FAKE_LOG": "0"}  # --env comes last
    assert not own.keys() & environment.build(replace(case, backend="numpy"), Path("/cache")).keys()
    assert "FAKE_DEVICE" not in environment.build(replace(case, device="cuda"), None)


# --- launchers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "WORLD_SIZE"),
        *("MV2_COMM_WORLD_SIZE", "FLUX_JOB_SIZE", "JSM_NAMESPACE_SIZE"),
    ],
)
def test_one_of_several_processes_of_a_launcher_is_refused(name):
    with pytest.raises(BenchError, match=rf"one of 4 processes that a launcher started \({name}\)"):
        environment.check_alone({name: "4"})


@pytest.mark.parametrize("variables", [{}, {"WORLD_SIZE": "1"}, {"WORLD_SIZE": "many"}, {"SLURM_NTASKS": "8"}])
def test_a_process_that_was_started_once_is_not_refused(variables):
    environment.check_alone(variables)


def test_a_schedulers_variables_reach_no_measured_process_and_are_no_notice(monkeypatch):
    names = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "LOCAL_RANK")
    for name in names:
        monkeypatch.setenv(name, "1")
    assert not set(names) & environment.build(CASE, None).keys()
    assert not set(names) & set(environment.dropped())
