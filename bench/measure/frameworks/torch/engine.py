"""PyTorch engine, on the CPU or on an NVIDIA GPU.

On a GPU the repetitions are captured as one CUDA graph (PyTorch documentation, "CUDA Graphs").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

from bench.measure.frameworks.engine import Engine, Sizes, Work
from bench.measure.frameworks.products import random_factors
from bench.roofline.workload import Product
from mlp.backends.torch.backend import make_current


class TorchEngine(Engine):
    def __init__(self, device: str, sizes: Sizes) -> None:
        super().__init__(sizes)
        self._device = torch.device(device)
        self._on_gpu = self._device.type == "cuda"
        make_current(device)

    def product(self, product: Product, precision: str = "float32") -> Work | None:
        if precision != "float32" and not self._on_gpu:
            return None
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a, b = (torch.from_numpy(factor).to(self._device, dtype) for factor in random_factors(product))
        a, b = a.T if product.transpose_a else a, b.T if product.transpose_b else b
        out = torch.empty(product.m, product.n, dtype=dtype, device=self._device)
        work = self._repeated(lambda: torch.mm(a, b, out=out))

        def at_precision(n: int) -> None:  # a captured graph keeps the precision that was set at its capture
            torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
            work(n)

        return at_precision

    def copy(self) -> Work | None:
        if not self._on_gpu:
            return None
        source, target = self._ones(self.sizes.copy_bytes // 4), self._ones(self.sizes.copy_bytes // 4)
        return self._repeated(lambda: target.copy_(source))

    def multiply(self) -> Work | None:
        if not self._on_gpu:
            return None
        a, b, out = (self._ones(self.sizes.num_elements) for _ in range(3))
        return self._repeated(lambda: torch.mul(a, b, out=out))

    def random(self) -> Work | None:
        if not self._on_gpu:
            return None
        out = self._ones(self.sizes.num_random)
        return self._repeated(out.uniform_)

    def kernel(self) -> Work | None:
        return self._repeated(self._smallest_kernel()) if self._on_gpu else None

    def kernel_launch(self) -> Work | None:
        return self._called(self._smallest_kernel()) if self._on_gpu else None

    def _smallest_kernel(self) -> Callable[[], object]:
        one = self._ones(1)
        return lambda: one.add_(1)

    def host_to_device(self, pinned: bool = True) -> Work | None:
        return self._transfer(lambda on_host, on_device: on_device.copy_(on_host, non_blocking=True), pinned)

    def device_to_host(self, pinned: bool = True) -> Work | None:
        return self._transfer(lambda on_host, on_device: on_host.copy_(on_device, non_blocking=True), pinned)

    def _transfer(self, copy: Callable[[torch.Tensor, torch.Tensor], object], pinned: bool) -> Work | None:
        """Prepare a transfer; pageable memory the driver copies twice."""
        if not self._on_gpu:
            return None
        count = self.sizes.transfer_bytes // 4
        on_host, on_device = torch.ones(count, pin_memory=pinned), self._ones(count)
        return self._called(lambda: copy(on_host, on_device))

    def _ones(self, count: int) -> torch.Tensor:
        return torch.ones(count, device=self._device)

    def _called(self, call: Callable[[], object]) -> Work:
        def work(n: int) -> None:
            for _ in range(n):
                call()
            if self._on_gpu:
                torch.cuda.synchronize(self._device)

        return work

    def _repeated(self, call: Callable[[], object]) -> Work:
        called = self._called(call)
        if not self._on_gpu:
            return called

        @cache
        def graph(n: int) -> torch.cuda.CUDAGraph:
            called(1)  # create lazy handles and workspaces before the capture
            captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(captured):
                for _ in range(n):
                    call()
            return captured

        def work(n: int) -> None:
            graph(n).replay()
            torch.cuda.synchronize(self._device)

        return work
