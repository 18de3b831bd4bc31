"""The GPU that is sampled is the one that CUDA computes on, or none at all."""

import pynvml
import pytest
from fake_nvml import H200, UNSUPPORTED, FakeNvml

from bench.machine import nvml
from bench.machine.cuda_device import find_gpu, num_visible
from bench.machine.nvml import NvmlUnavailable


def card(uuid, **answers):
    """A card that can be told by its clock: the last digit of its UUID, in MHz."""
    return {**H200, "nvmlDeviceGetUUID": uuid, "nvmlDeviceGetClockInfo": int(uuid[-1]), **answers}


FOUR = [card("GPU-aa11-0"), card("GPU-aa22-1"), card("GPU-bb33-2"), card("GPU-cc44-3")]


def found(device, visible=None, gpus=FOUR, mig=None, **environment):
    """The clock, so the number, of the card that ``device`` is found to be."""
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    with nvml.opened(FakeNvml(*gpus, mig=mig)) as opened:
        return find_gpu(opened, device, environment).reading()["sm_clock_mhz"]


# 2,1 and 0,2,-1,1 are the examples of the CUDA Programming Guide, "CUDA Environment Variables".
@pytest.mark.parametrize(
    ("device", "visible", "index"),
    [
        ("cuda", None, 0),
        ("cuda:3", None, 3),
        ("cuda", "2,1", 2),
        ("cuda:1", "2,1", 1),
        ("cuda:1", " 3 , 0 ", 0),
        ("cuda:1", "0,2,-1,1", 2),
        ("cuda", "GPU-bb33-2", 2),
        ("cuda:1", "GPU-bb33-2,GPU-cc", 3),
        ("cuda:1", "GPU-bb,1", 1),
    ],
)
def test_cuda_visible_devices_renumbers_the_gpus(device, visible, index):
    assert found(device, visible) == index


@pytest.mark.parametrize(
    ("device", "visible", "sentence"),
    [
        ("cuda:4", None, "no GPU 4, NVML knows 4"),
        ("cuda", "7", "no GPU 7, NVML knows 4"),
        ("cuda", "", "no cuda: CUDA_VISIBLE_DEVICES names 0 GPUs"),
        ("cuda", "-1", "names 0 GPUs"),
        ("cuda", "NoDevFiles", "names 0 GPUs"),
        ("cuda:2", "0,2,-1,1", "no cuda:2: CUDA_VISIBLE_DEVICES names 2 GPUs"),
        ("cuda", "GPU-aa", "a UUID that 2 GPUs have"),
        ("cuda", "GPU-ff", "a UUID that 0 GPUs have"),
        ("cuda", "MIG-none", "does not respond"),
    ],
)
def test_a_gpu_that_cannot_be_told_is_a_reason_and_no_other_gpu(device, visible, sentence):
    with pytest.raises(NvmlUnavailable, match=sentence) as caught:
        found(device, visible)
    assert "GPU-" not in str(caught.value)


def test_a_gpu_is_found_by_its_uuid_beside_one_that_does_not_respond():
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    assert found("cuda", "GPU-cc", gpus=[lost, *FOUR[1:]]) == 3
    with pytest.raises(NvmlUnavailable, match="GPU 0 does not respond"):
        found("cuda", "0", gpus=[lost, *FOUR[1:]], CUDA_DEVICE_ORDER="PCI_BUS_ID")


def test_a_mig_instance_is_found_by_its_uuid():
    assert found("cuda", "MIG-1", mig={"MIG-1": {"nvmlDeviceGetClockInfo": 9}}) == 9


def test_an_index_of_a_divided_card_names_no_instance():
    divided = card("GPU-aa11-0", nvmlDeviceGetMigMode=[1, 1])
    with pytest.raises(NvmlUnavailable, match="divided into MIG instances"):
        found("cuda", "0", [divided])


def test_different_gpus_are_told_only_when_cuda_numbers_them_as_the_bus_does():
    mixed = [card("GPU-0"), {**UNSUPPORTED, "nvmlDeviceGetClockInfo": 1}]
    with pytest.raises(NvmlUnavailable, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        found("cuda:1", gpus=mixed)
    assert found("cuda:1", gpus=mixed, CUDA_DEVICE_ORDER="PCI_BUS_ID") == 1


@pytest.mark.parametrize(
    ("visible", "count"), [(None, 4), ("0", 1), ("2,1", 2), ("", 0), ("0,2,-1,1", 2), ("GPU-aa", 1), ("0,1,2,3,4", 4)]
)
def test_hidden_gpus_are_not_counted(visible, count):
    assert num_visible(4, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == count
