"""What the NVIDIA driver may answer, with a library that answers as it is told."""

import pytest

from mlp.backends import Unavailable, gpu


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
