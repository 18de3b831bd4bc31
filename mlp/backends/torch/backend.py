"""PyTorch backend: eager, compiled by torch.compile, captured as a CUDA graph, or both of these.

The update is written out: ``torch.optim.RMSprop`` adds epsilon outside the root, Lasagne inside.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.backends import gpu
from mlp.backends.base import Available, Unavailable, Variant, is_installed
from mlp.backends.resident import PIXEL_LEVELS, DeviceBackend, Residents, flat, write_pixels
from mlp.backends.torch.graph import ResidentEpoch
from mlp.recipe import Recipe
from mlp.seeding import random_stream
from mlp.theano_compat.compiler import INSTALL_COMPILER, NO_COMPILER, find_compiler
from mlp.theano_compat.dialect import THEANO, Dialect

INSTALL = "Install it: make bench BACKENDS=torch (or: pip install torch)"
INSTALL_CUDA = 'Install its CUDA build: make bench DEVICES="cpu cuda" BACKENDS=torch'

GRAPH = Variant("graph", "a step captured as a CUDA graph, data on the device", devices=("cuda",), resident=True)
# Half of GRAPH's step are elementwise kernels (measured: 255 us on an H200, whose products take 95).
GRAPH_COMPILED = replace(
    GRAPH,
    name="graph_compiled",
    about="as graph, its kernels fused by torch.compile",
    standard=False,
    caches_code=True,
    slow_start=True,
)
FUSED = replace(
    GRAPH,
    name="fused",
    about="as graph, in our own kernels (Triton)",
    standard=False,
    caches_code=True,
    implementation="mlp.backends.torch.fused:FusedTorchBackend",
)


class TorchBackend(DeviceBackend):
    name = "torch"
    variants = (
        Variant("eager", "one operation after the other, minibatches from the host"),
        Variant("compiled", "forward, loss and update through torch.compile", caches_code=True, slow_start=True),
        GRAPH,
        Variant("eager_bfloat16", "as eager, products in bfloat16 (autocast)", precision="bfloat16", standard=False),
        replace(GRAPH, name="graph_tf32", about="as graph, products in TF32", precision="tf32", standard=False),
        replace(
            GRAPH,
            name="graph_bfloat16",
            about="as graph, products in bfloat16 (autocast)",
            precision="bfloat16",
            standard=False,
        ),
        GRAPH_COMPILED,
        replace(
            GRAPH_COMPILED, name="graph_compiled_tf32", about="as graph_compiled, products in TF32", precision="tf32"
        ),
        FUSED,
        replace(FUSED, name="fused_tf32", about="as fused, products in TF32", precision="tf32"),
        replace(FUSED, name="fused_bfloat16", about="as fused, products in bfloat16", precision="bfloat16"),
    )

    def __new__(cls, variant: str | None = None) -> TorchBackend:
        return super().__new__(cls.implementation_of(variant))

    def __init__(self, variant: str | None = None) -> None:
        super().__init__(variant)
        self._device: Any = None

    @classmethod
    def compiler_settings(cls, variant: str) -> Dialect | None:
        return THEANO if variant == "compiled" else None

    @classmethod
    def import_framework(cls, device: str = "cpu") -> None:
        import torch  # noqa: F401

    @classmethod
    def availability(cls, device: str = "cpu", variant: str | None = None) -> Available | Unavailable:
        if not is_installed("torch"):
            return Unavailable("the package torch is not installed", f"{INSTALL}.")
        if variant == "compiled" and device == "cpu" and find_compiler() is None:
            return Unavailable(f"torch.compile needs one, but {NO_COMPILER}", f"{INSTALL_COMPILER}.")
        if variant in (one.name for one in cls.variants if one.implementation) and not is_installed("triton"):
            return Unavailable(
                "the package triton, which PyTorch's CUDA build brings, is not installed", f"{INSTALL_CUDA}."
            )
        version = importlib.metadata.version("torch")
        if device == "cpu":
            return Available(f"PyTorch {version}")
        if "rocm" in version:  # a more specific reason than the missing NVIDIA driver
            return Unavailable(f"PyTorch {version} is the ROCm build, for AMD's GPUs", f"{INSTALL_CUDA}.")
        driver = gpu.driver()
        if isinstance(driver, Unavailable):
            return driver
        return _ask_for_gpu(device, version, driver)

    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        import torch

        self.recipe = recipe
        self.network = self
        self._device = torch.device(device)
        make_current(device)
        torch.set_float32_matmul_precision("high" if self.variant.precision == "tf32" else "highest")
        torch.manual_seed(random_stream(recipe, "dropout").randint(2**31))  # seeds all devices' generators
        self._module = _module(recipe).to(self._device)
        self._parameters = list(self._module.parameters())
        self._accumulators = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._residents = Residents(self._upload)
        self._sends_bytes = self.variant.resident and self._device.type == "cuda"
        self._epoch: ResidentEpoch | None = None
        self._functions = {"loss": self._loss, "update": self._rmsprop, "evaluation": self._evaluation}
        if "compiled" in self.variant.name:
            # One network is compiled for more batch sizes than the default limit of 8 versions.
            torch._dynamo.config.recompile_limit = 64
            self._functions = {
                name: torch.compile(function, fullgraph=True) for name, function in self._functions.items()
            }
        self.set_parameters(parameters)

    def compile(self) -> None:
        """Compile by running on zeros or the placed data, and restore the state; eager compiles nothing."""
        import torch

        if self.variant.name.startswith("eager"):
            return
        start = time.perf_counter()
        before = self._snapshot()
        batch_size = self.recipe.batch_size
        images = torch.zeros(batch_size, self.recipe.layer_widths[0], device=self._device)
        labels = torch.zeros(batch_size, dtype=torch.int64, device=self._device)
        placed = list(self._residents)
        if placed:  # the training data was placed first
            self._epoch = ResidentEpoch(self._step, *placed[0], batch_size)
        else:
            self._step(images, labels)
        self.synchronize()
        trained = time.perf_counter()
        for device_images, device_labels in placed[1:] or [(images, labels)]:
            whole = len(device_images) // batch_size * batch_size
            self._launch_evaluation(device_images[:whole], device_labels[:whole])
        self.synchronize()
        self._restore(before)
        self.compile_seconds = {"compile_train": trained - start, "compile_validate": time.perf_counter() - trained}

    def _run_epoch(self, images: Any, labels: Any, order: np.ndarray) -> np.ndarray:
        if self._epoch is None or self._epoch.images is not images:
            before = self._snapshot()
            self._epoch = ResidentEpoch(self._step, images, labels, self.recipe.batch_size)
            self._restore(before)
        return self._epoch.run(order)

    def _launch_step(self, images: np.ndarray, labels: np.ndarray) -> Any:
        return self._step(*self._upload(images, labels))

    def _fetch(self, losses: list[Any]) -> np.ndarray:
        import torch

        return torch.stack(losses).cpu().numpy()

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad(), self._precision():
            self._module.eval()
            logits = self._module(torch.from_numpy(flat(images)).to(self._device))
            return torch.softmax(logits.float(), dim=1).cpu().numpy()

    def parameters(self) -> list[np.ndarray]:
        # A Linear layer keeps (units, inputs); the contract's weights are (inputs, units).
        return [parameter.detach().t().cpu().numpy().copy() for parameter in self._parameters]

    def set_parameters(self, parameters: Sequence[np.ndarray]) -> None:
        import torch

        with torch.no_grad():
            for own, given in zip(self._parameters, parameters, strict=True):
                own.copy_(torch.from_numpy(np.array(given, np.float32)).t())
            for accumulator in self._accumulators:
                accumulator.zero_()

    def synchronize(self) -> None:
        import torch

        if self._device is not None and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    # --- the pieces ------------------------------------------------------------------------------------------------

    def _step(self, images: Any, labels: Any) -> Any:
        """Make one update from tensors on the device; return the loss as a tensor there."""
        import torch

        self._module.train()
        with self._precision():
            loss = self._functions["loss"](images, labels)
        gradients = torch.autograd.grad(loss, self._parameters)
        with torch.no_grad():
            self._functions["update"](self._parameters, self._accumulators, list(gradients))
        return loss.detach()

    def _loss(self, images: Any, labels: Any) -> Any:
        import torch.nn.functional as F

        return F.cross_entropy(self._module(images), labels)

    def _rmsprop(self, parameters: list[Any], accumulators: list[Any], gradients: list[Any]) -> None:
        """Apply accu = rho*accu + (1-rho)*g**2; p -= learning_rate * g / sqrt(accu + epsilon)."""
        import torch

        recipe = self.recipe
        torch._foreach_mul_(accumulators, recipe.rho)
        torch._foreach_addcmul_(accumulators, gradients, gradients, 1 - recipe.rho)
        roots = torch._foreach_add(accumulators, recipe.epsilon)
        torch._foreach_sqrt_(roots)
        torch._foreach_addcdiv_(parameters, gradients, roots, -recipe.learning_rate)

    def _launch_evaluation(self, images: Any, labels: Any) -> Any:
        import torch

        self._module.eval()
        with torch.no_grad(), self._precision():
            return self._functions["evaluation"](images, labels)

    def _evaluation(self, images: Any, labels: Any) -> Any:
        """Return mean loss and accuracy, float32 (2,)."""
        import torch
        import torch.nn.functional as F

        logits = self._module(images)
        hits = (logits.argmax(dim=1) == labels).float()
        return torch.stack([F.cross_entropy(logits, labels).float(), hits.mean()])

    def _precision(self) -> AbstractContextManager[Any]:
        """Select bfloat16 products for such a variant; the cache of casts must not outlive a captured graph."""
        import torch

        if self.variant.precision == "bfloat16":
            return torch.autocast(self._device.type, dtype=torch.bfloat16, cache_enabled=False)
        return nullcontext()

    def _upload(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """Return float32 (n, 784) and int64 (n,) on the device; on a CPU the images are not copied."""
        import torch

        device_images = self._upload_pixels(flat(images)) if self._sends_bytes else None
        if device_images is None:
            device_images = torch.from_numpy(flat(images)).to(self._device)
        return device_images, torch.from_numpy(labels.astype(np.int64)).to(self._device)

    def _upload_pixels(self, images: np.ndarray) -> Any:
        """Return images, sent as bytes from page-locked memory; None if they are not pixel / 256."""
        import torch

        pixels = torch.empty(images.shape, dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        if not write_pixels(images, pixels.numpy()):
            return None
        return pixels.to(self._device, non_blocking=True).to(torch.float32).div_(PIXEL_LEVELS)

    def _snapshot(self) -> tuple[list[Any], Any]:
        state = [tensor.detach().clone() for tensor in (*self._parameters, *self._accumulators)]
        return state, self._random_module().get_rng_state()

    def _restore(self, snapshot: tuple[list[Any], Any]) -> None:
        import torch

        state, random_state = snapshot
        with torch.no_grad():
            for tensor, value in zip((*self._parameters, *self._accumulators), state, strict=True):
                tensor.copy_(value)
        self._random_module().set_rng_state(random_state)

    def _random_module(self) -> Any:
        import torch

        return torch.cuda if self._device.type == "cuda" else torch


def make_current(device: str) -> None:
    """Make a GPU the current one of this process: streams, captured graphs and random states are of that one."""
    import torch

    if device != "cpu":
        torch.cuda.set_device(gpu.device_index(device))


def _module(recipe: Recipe) -> Any:
    from torch import nn

    layers: list[Any] = []
    *hidden_widths, num_classes = recipe.layer_widths[1:]
    width = recipe.layer_widths[0]
    for num_units in hidden_widths:
        layers += [nn.Linear(width, num_units), nn.ReLU(), nn.Dropout(recipe.dropout)]
        width = num_units
    return nn.Sequential(*layers, nn.Linear(width, num_classes))


def _ask_for_gpu(device: str, version: str, driver: gpu.Driver) -> Available | Unavailable:
    """Compute one number by PyTorch on the GPU: a listed device may still be unusable."""
    import torch

    unsuitable = build_problem(version, torch.version.cuda, torch.version.hip, driver)
    if unsuitable is not None:
        return unsuitable
    try:
        missing = gpu.check_index(device, torch.cuda.device_count())
        if missing is not None:
            return missing
        float(torch.ones(64, 64, device=device).sum())
    except torch.OutOfMemoryError as error:
        return Unavailable(
            f"the GPU has no memory left ({gpu.first_line(error)})", "End the processes that nvidia-smi lists."
        )
    except (RuntimeError, AssertionError) as error:  # errors of the driver
        built = f"PyTorch {version}, built for CUDA {torch.version.cuda}"
        return Unavailable(f"{built}, cannot use the GPU ({gpu.first_line(error)})", _install_cuda(driver))
    return Available(f"PyTorch {version} on {torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}")


def build_problem(version: str, cuda: str | None, hip: str | None, driver: gpu.Driver) -> Unavailable | None:
    """Return the reason why a build of PyTorch, for ``cuda``, ``hip`` (ROCm) or neither, cannot run with ``driver``."""
    if hip is not None:
        return Unavailable(f"PyTorch {version} is the ROCm build, for AMD's GPUs", _install_cuda(driver))
    if cuda is None:
        return Unavailable(f"PyTorch {version} was built without CUDA", _install_cuda(driver))
    if int(cuda.partition(".")[0]) > driver.cuda_version[0]:  # within a major version, older drivers run newer builds
        supported = "{}.{}".format(*driver.cuda_version)
        reason = f"PyTorch {version} is built for CUDA {cuda}, and the driver supports CUDA {supported}"
        return Unavailable(reason, _install_cuda(driver))
    return None


def _install_cuda(driver: gpu.Driver) -> str:
    """Return advice on a build for this driver and GPU; PyPI has only the one for CUDA 13."""
    if driver.build == 13:
        return f"{INSTALL_CUDA}."
    return f"{gpu.UPDATE_DRIVER} Or install a build for CUDA {driver.build} from PyTorch's own index, see pytorch.org."


BACKEND = TorchBackend
