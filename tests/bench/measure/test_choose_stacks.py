"""Choice of stacks, with stub backends."""

from __future__ import annotations

import pytest

from bench.measure.choose import Skipped, select_stacks
from mlp.backends import Available, Unavailable, gpu
from mlp.errors import BackendError

GPU = gpu.Driver((13, 0), ((9, 0),))


def prober(**missing):
    """Every stack can run, except those of the backends in ``missing`` and what is on a device that is missing."""

    def probe(backend, variant, device):
        for name in (backend, device.partition(":")[0]):
            if name in missing:
                return Unavailable(missing[name], f"Add {name}.")
        return Available("here")

    return probe


def chosen(*arguments, driver=gpu.NO_DRIVER, missing=None, **more):
    return select_stacks(*arguments, probe=prober(**(missing or {})), driver=lambda: driver, **more)


CANONICAL = ["theano/as_published cpu", "theano/tuned cpu"]


def labels(choice):
    return [f"{stack.backend}/{stack.variant} {stack.device}" for stack in choice.stacks]


def test_without_a_choice_and_a_gpu_the_canonical_backend_runs_on_the_cpu():
    assert labels(chosen()) == CANONICAL


def test_without_a_choice_a_gpu_adds_jax_and_torch_on_both_devices():
    found = set(labels(chosen(driver=GPU)))
    assert {*CANONICAL, "jax/scan cpu", "jax/scan cuda", "torch/eager cpu", "torch/graph cuda"} <= found
    assert not any("pytensor" in label or "numpy" in label for label in found)


def test_what_a_run_without_a_choice_leaves_out_is_named_with_its_remedy():
    skipped = {one.what: one for one in chosen(missing={"torch": "not installed"}).skipped}
    assert skipped["torch"] == Skipped("torch", "not installed", "Add torch.")
    assert skipped["jax"].reason == "installed, but not chosen"
    assert "BACKENDS=jax" in skipped["jax"].remedy
    assert skipped["device cuda"].reason == gpu.NO_DRIVER.reason


def test_a_gpu_that_is_present_but_unusable_is_a_reason():
    broken = Unavailable("the driver's library does not match its kernel module (cuInit returned 803)", "Restart.")
    choice = chosen(driver=broken)
    assert labels(choice) == CANONICAL
    assert Skipped("device cuda", broken.reason, "Restart.") in choice.skipped


def test_all_takes_every_backend_that_can_run_and_names_the_others():
    choice = chosen(("all",), missing={"jax": "jax is broken"})
    assert {stack.backend for stack in choice.stacks} == {"theano", "pytensor", "torch", "numpy"}
    (skipped,) = [one for one in choice.skipped if one.reason == "jax is broken"]
    assert skipped.what == "jax (scan, step) on cpu"


def test_numpy_races_in_float32_and_its_oracle_only_when_named():
    assert labels(chosen(("numpy",))) == ["numpy/float32 cpu"]
    assert labels(chosen(("numpy",), ("float64",))) == ["numpy/float64 cpu"]


def test_variants_are_named_alone_or_with_their_backend():
    assert labels(chosen(("jax", "torch"), ("scan", "torch/eager"))) == ["jax/scan cpu", "torch/eager cpu"]
    assert len(labels(chosen(("numpy",), ("all",)))) == 2


def test_low_precision_is_measured_only_when_named_and_carries_its_label():
    assert all(stack.precision == "float32" for stack in chosen(("jax", "torch"), driver=GPU).stacks)
    (stack,) = chosen(("jax",), ("scan_tf32",), ("cuda",), driver=GPU).stacks
    assert (stack.variant, stack.precision) == ("scan_tf32", "tf32")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((("caffe",),), "unknown backend 'caffe'"),
        (((), (), ("tpu",)), "unknown device 'tpu'"),
        ((("jax",), ("eager",)), "unknown variant 'eager': choose from jax/scan"),
        ((("torch",), ("graph",), ("cpu",)), "torch cannot be measured here: none of the chosen variants"),
    ],
)
def test_a_wrong_name_is_a_sentence(arguments, sentence):
    with pytest.raises(BackendError, match=sentence):
        chosen(*arguments)


def test_a_named_backend_that_cannot_run_stops_the_run_with_its_remedy():
    with pytest.raises(BackendError, match=r"jax cannot be measured here: not installed\. Add jax\."):
        chosen(("theano", "jax"), missing={"jax": "not installed"})


def test_a_named_device_that_is_not_there_stops_the_run():
    with pytest.raises(BackendError, match=r"cuda cannot be measured here: no GPU\. Add cuda\."):
        chosen(("jax",), (), ("cpu", "cuda"), missing={"cuda": "no GPU"})


def test_a_named_backend_keeps_the_devices_that_work():
    choice = chosen(("theano", "jax"), (), ("cpu", "cuda"), driver=GPU, missing={})
    assert "theano/as_published cpu" in labels(choice)
    assert {"jax/scan cuda", "jax/step cuda"} <= set(labels(choice))
