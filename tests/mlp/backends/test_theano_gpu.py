"""Theano on a GPU, on fakes: what the probe says is missing, which interpreter runs it, what a process refuses."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from fresh import printed

from bench.measure import worker
from bench.measure.case import Case
from bench.measure.environment import build
from mlp import backends
from mlp.backends import Available, Unavailable
from mlp.backends.theano import gpu
from mlp.theano_compat import device, flags
from mlp.theano_compat.dialect import flag_in

PROJECT = Path(__file__).resolve().parents[3]
CASE = Case("epoch", "theano", "as_published", "cuda:1", 2, "mnist", batch_size=500, cache="warm")
LIBRARIES = ("libcuda.so.1", "libcuda.so", "libgpuarray.so.3", "libnvrtc.so", "libcublas.so")


def test_the_environment_is_where_make_looks_for_it():
    (name,) = re.findall(r"^GPU_VENV := (.*)$", (PROJECT / "Makefile").read_text(), re.M)
    assert gpu.ENVIRONMENT == PROJECT / name


class FakeLibrary:
    """libcuda and libnvrtc in one; the arguments that it fills are ctypes' references."""

    def __init__(self, cuda_version, capabilities, nvrtc_version):
        self.cuda_version, self.capabilities, self.nvrtc_version = cuda_version, capabilities, nvrtc_version

    def cuInit(self, flags):
        return 0

    def cuDriverGetVersion(self, version):
        version._obj.value = self.cuda_version

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.capabilities)

    def cuDeviceGetAttribute(self, value, attribute, index):
        value._obj.value = self.capabilities[index][attribute - 75]

    def nvrtcVersion(self, major, minor):
        major._obj.value, minor._obj.value = self.nvrtc_version


def machine(without=(), cuda_version=12040, capabilities=((9, 0),), nvrtc_version=(12, 0)):
    """A loader of shared libraries on a machine with these GPUs, which lacks the libraries in ``without``."""

    def load(name):
        if name in without or name not in LIBRARIES:
            raise OSError(f"{name}: cannot open shared object file")
        return FakeLibrary(cuda_version, capabilities, nvrtc_version)

    return load


def examine(device="cuda", load=None, modules=("pygpu",)):
    return gpu.examine(device, load or machine(), lambda name: name if name in modules else None)


@pytest.fixture
def environment_at(monkeypatch, tmp_path):
    """An environment whose Python is there; returns it."""
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    monkeypatch.setattr(gpu, "ENVIRONMENT", tmp_path / "environment")
    monkeypatch.delenv(gpu.PYTHON_VARIABLE, raising=False)
    return python


# --- the probe -------------------------------------------------------------------------------------------------------


def test_with_everything_there_it_says_what_will_be_used():
    answer = examine()
    assert isinstance(answer, Available)
    assert "NVRTC 12.0, driver for CUDA 12.4" in answer.detail


def test_without_a_driver_nothing_else_matters(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "ENVIRONMENT", tmp_path / "nowhere")
    answer = examine(load=machine(without=LIBRARIES), modules=())
    assert "no NVIDIA driver was found" in answer.reason


def test_without_the_environment_the_remedy_is_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "ENVIRONMENT", tmp_path / "nowhere")
    monkeypatch.delenv(gpu.PYTHON_VARIABLE, raising=False)
    answer = examine(modules=())
    assert "GPU environment was not found" in answer.reason
    assert answer.remedy == "Run make theano-gpu."


def test_a_named_interpreter_that_is_not_there_is_the_users_to_correct(monkeypatch, tmp_path):
    monkeypatch.setenv(gpu.PYTHON_VARIABLE, str(tmp_path / "python"))
    answer = examine(modules=())
    assert str(tmp_path / "python") in answer.reason
    assert answer.remedy == "Correct MLP_BENCH_THEANO_GPU_PYTHON."


def test_another_python_is_told_which_one_to_start(environment_at):
    answer = examine(modules=())
    assert "only in Theano's GPU environment" in answer.reason
    assert str(environment_at) in answer.remedy
    assert f"LD_LIBRARY_PATH={environment_at.parent.parent / 'lib'}" in answer.remedy


def test_an_environment_without_pygpu_is_made_again(environment_at, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(environment_at.parent.parent))
    answer = examine(modules=())
    assert "pygpu is missing from Theano's GPU environment" in answer.reason
    assert answer.remedy == "Run make theano-gpu again."


@pytest.mark.parametrize("name", ["libgpuarray.so.3", "libcuda.so", "libnvrtc.so", "libcublas.so"])
def test_a_missing_library_is_named_as_libgpuarray_opens_it(name):
    answer = examine(load=machine(without=(name,)))
    assert answer.reason.startswith(f"{name}, which libgpuarray opens by exactly that name, is not")
    assert "make theano-gpu" in answer.remedy


@pytest.mark.parametrize("nvrtc_version", [(13, 0), (12, 5)])
def test_an_nvrtc_newer_than_the_driver_is_refused(nvrtc_version):
    answer = examine(load=machine(cuda_version=12040, nvrtc_version=nvrtc_version))
    assert "NVRTC {}.{} is newer than the driver".format(*nvrtc_version) in answer.reason
    assert "CUDA 12.4" in answer.reason


def test_an_nvrtc_as_old_as_the_driver_is_fine():
    assert isinstance(examine(load=machine(cuda_version=12040, nvrtc_version=(12, 4))), Available)


@pytest.mark.parametrize("capability", [(10, 0), (12, 0)])
def test_capability_ten_and_more_is_beyond_libgpuarray_whatever_is_installed(capability):
    answer = examine(load=machine(capabilities=(capability,)), modules=())
    assert "compute capability {}.{}".format(*capability) in answer.reason
    assert "another backend" in answer.remedy


def test_only_the_chosen_gpus_capability_counts():
    load = machine(capabilities=((12, 0), (8, 6)))
    assert isinstance(examine("cuda:1", load), Available)
    assert isinstance(examine("cuda:0", load), Unavailable)


def test_a_gpu_that_is_not_there_is_not_another_one():
    assert "there is no cuda:3, only 1 GPU" in examine("cuda:3").reason


# --- the interpreter -------------------------------------------------------------------------------------------------


def test_only_a_gpu_needs_another_interpreter(environment_at):
    theano = backends.load("theano")
    assert theano.interpreter("cpu") == Path(sys.executable)
    assert theano.interpreter("cuda:1") == environment_at
    assert theano.interpreter_variables("cpu") == {}


def test_the_variable_names_another_interpreter(monkeypatch):
    monkeypatch.setenv(gpu.PYTHON_VARIABLE, "/opt/gpu/bin/python")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda/lib")
    theano = backends.load("theano")
    assert theano.interpreter("cuda") == Path("/opt/gpu/bin/python")
    assert theano.interpreter_variables("cuda") == {"LD_LIBRARY_PATH": "/opt/gpu/lib:/opt/cuda/lib"}


def test_the_probe_starts_that_interpreter_with_its_libraries(environment_at, monkeypatch):
    """The stand-in answers with the library path that it was started with."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    environment_at.write_text('#!/bin/sh\necho "{\\"$5\\": {\\"detail\\": \\"$4 with $LD_LIBRARY_PATH\\"}}"\n')
    environment_at.chmod(0o755)
    answer = backends.probe("theano", device="cuda:1")
    assert answer == Available(f"cuda:1 with {environment_at.parent.parent / 'lib'}")


def test_a_worker_is_started_by_the_interpreter_of_its_device(environment_at, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda/lib")
    argv = worker.command(CASE, PROJECT, False, PROJECT / "result.json")
    assert argv[:3] == [str(environment_at), "-m", "pytest"]
    assert "--device=cuda:1" in argv
    variables = build(CASE, None)
    assert variables["LD_LIBRARY_PATH"] == f"{environment_at.parent.parent / 'lib'}:/opt/cuda/lib"


@pytest.mark.parametrize("backend, device", [("theano", "cpu"), ("numpy", "cpu"), (None, "cpu")])
def test_every_other_worker_is_this_interpreter_with_this_library_path(monkeypatch, backend, device):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda/lib")
    case = Case("epoch", backend, None, device, 2, "mnist")
    assert worker.command(case, PROJECT, False, PROJECT / "result.json")[0] == sys.executable
    assert build(case, None)["LD_LIBRARY_PATH"] == "/opt/cuda/lib"


# --- the device ------------------------------------------------------------------------------------------------------


def test_devices_have_theanos_names():
    assert [device.theano_name(name) for name in ("cpu", "cuda", "cuda:0", "cuda:2", "opencl0:0")] == [
        "cpu",
        "cuda0",
        "cuda0",
        "cuda2",
        "opencl0:0",
    ]


def test_the_device_is_the_callers_and_never_the_users_flag():
    for asked, theanos in (("cpu", "cpu"), ("cuda:1", "cuda1")):
        completed = flags.completed("device=cuda7, device = opencl0:0,optimizer=None", asked)
        assert [flag for flag in completed.split(",") if flag.strip().startswith("device")] == [f"device={theanos}"]
        assert flag_in(completed, "optimizer") == "None"


def test_a_gpu_gets_a_kernel_cache_in_the_cases_compile_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("THEANO_FLAGS", f"base_compiledir={tmp_path}")
    completed = flags.completed(os.environ["THEANO_FLAGS"], "cuda")
    assert flag_in(completed, "gpuarray.cache_path") == str(tmp_path / "gpuarray")
    assert flag_in(completed, "dnn.enabled") == "False"
    assert float(flag_in(completed, "gpuarray.preallocate")) > 0
    assert "gpuarray" not in flags.completed("", "cpu")


def test_the_users_gpu_flags_win_but_for_the_device():
    completed = flags.completed("gpuarray.preallocate=0.5,dnn.enabled=auto", "cuda")
    assert flag_in(completed, "gpuarray.preallocate") == "0.5"
    assert flag_in(completed, "dnn.enabled") == "auto"
    assert completed.count("preallocate") == 1


def refusals(*devices):
    """Return the errors of importing Theano in a fresh process for each of ``devices``; None without one."""
    code = (
        "import json, sys\n"
        "from mlp.backends.theano import TheanoBackend\n"
        "from mlp.errors import BackendError\n"
        "answers = []\n"
        "for device in sys.argv[1:]:\n"
        "    try:\n"
        "        TheanoBackend.import_framework(device)\n"
        "        answers.append(None)\n"
        "    except BackendError as error:\n"
        "        answers.append(str(error))\n"
        "print(json.dumps(answers))\n"
    )
    return json.loads(printed(code, *devices))


@pytest.mark.slow
def test_theano_imported_for_one_device_is_refused_for_another():
    for_cpu, for_cuda, for_cpu_again = refusals("cpu", "cuda:1", "cpu")
    assert for_cpu is None
    assert for_cuda == (
        "this process imported Theano for cpu, and Theano cannot change its device: start a new process for cuda:1."
    )
    assert for_cpu_again is None


@pytest.mark.slow
def test_a_gpu_that_does_not_start_is_refused_each_time_and_never_the_cpu():
    first, second = refusals("cuda:97", "cuda:97")
    assert "Theano could not start cuda:97 and would silently compute on the CPU (" in first
    assert second == first
