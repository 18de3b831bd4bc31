"""Answers of the NVIDIA driver, from a library that answers as it is told."""

import json
import time
from contextlib import nullcontext

import pytest

from mlp import backends, cuda_driver
from mlp.availability import read_answer
from mlp.backends import Unavailable, gpu
from mlp.backends.torch.backend import build_problem


class FakeCuda:
    """libcuda with ``capabilities`` as its GPUs; ``init`` is what cuInit returns."""

    def __init__(self, init=0, version=13000, capabilities=((9, 0),)):
        self.init, self.version, self.capabilities = init, version, capabilities

    def __call__(self, name):
        assert name == "libcuda.so.1"
        return self

    def cuInit(self, flags):
        return self.init

    def cuDriverGetVersion(self, out):
        out._obj.value = self.version

    def cuDeviceGetCount(self, out):
        out._obj.value = len(self.capabilities)

    def cuDeviceGetAttribute(self, out, attribute, index):
        out._obj.value = self.capabilities[index][{75: 0, 76: 1}[attribute]]


def test_a_driver_tells_its_cuda_version_and_its_gpus():
    found = gpu.driver(FakeCuda(version=12080, capabilities=((9, 0), (8, 6))))
    assert found == gpu.Driver((12, 8), ((9, 0), (8, 6)))


def test_without_a_driver_the_answer_says_where_to_run():
    def load(name):
        raise OSError("libcuda.so.1: cannot open shared object file")

    assert gpu.driver(load) is gpu.NO_DRIVER
    assert "libcuda.so.1" in gpu.NO_DRIVER.reason and "device cpu" in gpu.NO_DRIVER.remedy


@pytest.mark.parametrize(
    ("code", "words"),
    [(2, "no memory left"), (100, "no GPU"), (803, "does not match its kernel module"), (999, "does not start")],
)
def test_a_driver_that_fails_is_a_reason_with_its_code(code, words):
    answer = gpu.driver(FakeCuda(init=code))
    assert isinstance(answer, Unavailable)
    assert words in answer.reason and f"cuInit returned {code}" in answer.reason
    assert answer.remedy


def test_a_driver_without_a_gpu_is_a_reason():
    assert "no GPU" in gpu.driver(FakeCuda(capabilities=())).reason


def test_a_device_must_be_among_those_that_are_there():
    assert gpu.check_index("cuda", 1) is None
    assert gpu.check_index("cuda:1", 2) is None
    assert "no cuda:1, only 1 GPU" in gpu.check_index("cuda:1", 1).reason


def test_a_complaint_becomes_its_first_line():
    assert gpu.first_line(RuntimeError("\n  driver too old \n at line 7")) == "driver too old"
    assert gpu.first_line(RuntimeError()) == "RuntimeError"


# --- the driver, from a process of its own or from the banner of nvidia-smi -------------------------------------------


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: 12.4     |", (12, 4)),
        ("| NVIDIA-SMI 610.43.02   KMD Version: 610.43.02   CUDA UMD Version: 13.3   |", (13, 3)),
        ("| NVIDIA-SMI 418.87   Driver Version: 418.87   CUDA Version: 10.1     |", (10, 1)),
    ],
)
def test_the_banners_of_old_and_new_drivers_are_read(line, version):
    assert cuda_driver.driver_in_banner(0, f"+---+\n{line}\n+---+\n").cuda_version == version


@pytest.mark.parametrize(
    ("exit_code", "text", "words"),
    [
        (0, "| NVIDIA-SMI 550   CUDA Version: N/A  |", "CUDA Version: N/A"),
        (0, "| NVIDIA-SMI 550   CUDA Version: ERR!  |", "CUDA Version: ERR!"),
        (9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "driver and exit code 9"),
        (6, "No devices were found\n", "No devices were found and exit code 6"),
        (0, "No devices were found\n", "No devices were found"),
        (14, "| CUDA Version: 12.4 |\nWARNING: infoROM is corrupted", "exit code 14"),
        (127, "", "nothing and exit code 127"),
    ],
)
def test_a_banner_without_a_driver_is_a_reason(exit_code, text, words):
    found = cuda_driver.driver_in_banner(exit_code, text)
    assert isinstance(found, Unavailable) and words in found.reason


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles", " , ", "none"])
def test_hidden_gpus_are_not_asked_for(value):
    found = cuda_driver.find_driver({"CUDA_VISIBLE_DEVICES": value}, ask=pytest.fail)
    assert f"CUDA_VISIBLE_DEVICES={value} hides every GPU" in found.reason


@pytest.mark.parametrize("value", [None, "0", "2,1", "GPU-4a", "MIG-8b", "0,-1"])
def test_visible_gpus_are_asked_for(value):
    environment = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    expected = gpu.Driver((13, 0), ((9, 0),))
    assert cuda_driver.find_driver(environment, ask=lambda: expected, banner=pytest.fail) == expected


def test_the_banner_answers_only_where_there_is_no_library():
    old = gpu.Driver((12, 4), ())
    assert cuda_driver.find_driver({}, ask=lambda: gpu.NO_DRIVER, banner=lambda: old) == old
    broken = Unavailable("the driver's library does not match its kernel module", "Restart.")
    assert cuda_driver.find_driver({}, ask=lambda: broken, banner=pytest.fail) == broken


def test_a_driver_too_old_for_every_build_is_a_sentence():
    found = cuda_driver.find_driver({}, ask=lambda: gpu.Driver((11, 4), ((7, 0),)))
    assert "supports CUDA 11.4" in found.reason and "525.60" in found.remedy


@pytest.mark.parametrize(
    ("version", "capabilities", "build"),
    [((13, 3), ((9, 0),), 13), ((12, 8), ((9, 0),), 12), ((13, 0), ((7, 0),), 12), ((13, 0), (), 13)],
)
def test_the_newest_build_that_driver_and_gpus_can_run(version, capabilities, build):
    assert gpu.Driver(version, capabilities).build == build


def test_a_driver_that_hangs_or_crashes_is_a_reason(monkeypatch):
    monkeypatch.setattr(cuda_driver, "_run", lambda argv, limit_seconds: None)
    assert "did not answer within 10 s" in cuda_driver.find_driver({}).reason
    monkeypatch.setattr(cuda_driver, "_run", lambda argv, limit_seconds: (-11, ""))
    assert "crashed (SIGSEGV)" in cuda_driver.find_driver({}).reason


def test_a_program_that_hangs_is_left_behind_with_what_it_started(tmp_path):
    started = time.monotonic()
    assert cuda_driver._run(["sh", "-c", f"sleep 60 & sleep 60; touch {tmp_path}/ended"], 0.2) is None
    assert time.monotonic() - started < 30


def test_the_library_is_asked_in_a_process_of_its_own():
    """The same answer as in this process, with or without a GPU."""
    assert cuda_driver.driver_elsewhere() == gpu.driver()


@pytest.mark.parametrize(
    ("cuda", "hip", "driver", "reason", "remedy"),
    [
        (None, "6.4", (13, 0), "is the ROCm build", "BACKENDS=torch"),
        (None, None, (13, 0), "was built without CUDA", "BACKENDS=torch"),
        ("13.0", None, (12, 8), "is built for CUDA 13.0, and the driver supports CUDA 12.8", "build for CUDA 12"),
        (None, None, (12, 8), "was built without CUDA", "build for CUDA 12"),
    ],
)
def test_a_build_of_torch_that_the_driver_cannot_run_is_named_with_one_that_it_can(cuda, hip, driver, reason, remedy):
    found = build_problem("2.13.0", cuda, hip, gpu.Driver(driver, ((9, 0),)))
    assert reason in found.reason and remedy in found.remedy


def test_a_build_of_the_drivers_major_version_is_no_problem():
    assert build_problem("2.13.0", "13.4", None, gpu.Driver((13, 0), ((9, 0),))) is None


def test_the_answer_of_a_driver_is_found_between_lines_of_preloaded_libraries(monkeypatch):
    text = 'loaded\n{"cuda_version": [12, 4], "compute_capabilities": [[9, 0]]}\nunloaded\n'
    monkeypatch.setattr(cuda_driver, "_run", lambda argv, limit_seconds: (0, text))
    assert cuda_driver.driver_elsewhere() == gpu.Driver((12, 4), ((9, 0),))
    monkeypatch.setattr(cuda_driver, "_run", lambda argv, limit_seconds: (0, "loaded\n"))
    assert cuda_driver.driver_elsewhere().reason == "asking the NVIDIA driver gave no answer"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]\n[warn] unloaded\n", [1]),
        ('{"a": 1}\n{"a": 2}\nbye\n', {"a": 2}),
        ("3\n{\n", None),
        ("", None),
    ],
)
def test_the_last_line_of_json_is_the_answer_of_a_process(text, answer):
    with nullcontext() if answer else pytest.raises(ValueError):
        assert read_answer(text) == answer


def test_a_driver_that_hangs_is_waited_for_once_and_not_by_every_stack(monkeypatch):
    asked = []
    monkeypatch.setattr(cuda_driver, "driver_elsewhere", lambda: asked.append(1) or cuda_driver.NO_ANSWER)
    backends._driver_hangs.cache_clear()
    answers = {backends.probe(name, device="cuda") for name in ("theano", "jax", "torch")}
    backends._driver_hangs.cache_clear()
    assert answers == {cuda_driver.NO_ANSWER} and asked == [1]


def interpreter_that(tmp_path, script):
    """A stand-in for the interpreter of a backend, which logs each start."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho started >> {tmp_path}/starts\n{script}\n")
    python.chmod(0o755)
    return python


def test_one_process_answers_for_all_variants_of_a_backend_on_a_gpu(monkeypatch, tmp_path):
    """On the machine of the record every start of a framework took three seconds, and doctor 31 s."""
    usable, cannot = {"detail": "JAX on a GPU"}, {"reason": "no bfloat16 here", "remedy": "Choose scan."}
    names = [one.name for one in backends.load("jax").variants]
    answer = json.dumps({name: cannot if name == "scan_bfloat16" else usable for name in names})
    python = interpreter_that(tmp_path, f"echo '{answer}'")
    monkeypatch.setattr(backends, "_driver_hangs", lambda: False)
    monkeypatch.setattr(backends.load("jax"), "interpreter", classmethod(lambda cls, device="cpu": python))
    found = {name: backends.probe("jax", name, "cuda") for name in names}
    assert found.pop("scan_bfloat16") == Unavailable(**cannot)
    assert set(found.values()) == {backends.Available("JAX on a GPU")}
    assert (tmp_path / "starts").read_text() == "started\n"


def test_a_probe_that_crashes_is_the_reason_of_every_variant(monkeypatch, tmp_path):
    python = interpreter_that(tmp_path, "echo broken driver >&2; exit 3")
    monkeypatch.setattr(backends, "_driver_hangs", lambda: False)
    monkeypatch.setattr(backends.load("torch"), "interpreter", classmethod(lambda cls, device="cpu": python))
    answers = {backends.probe("torch", name, "cuda") for name in ("eager", "graph")}
    assert [one.reason for one in answers] == ["asking for cuda ended with exit code 3: broken driver"]


def test_a_rocm_build_of_torch_is_called_by_name_where_there_is_no_nvidia_driver(monkeypatch):
    monkeypatch.setattr("mlp.backends.torch.backend.is_installed", lambda package: True)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+rocm7.1")
    answer = backends.load("torch").availability("cuda")
    assert answer.reason == "PyTorch 2.13.0+rocm7.1 is the ROCm build, for AMD's GPUs"
    assert isinstance(backends.load("torch").availability("cpu"), backends.Available)
