"""Data parallelism in PyTorch: a process for each device, whose gradients DistributedDataParallel averages.

Gradients travel while the backward pass still runs (Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating
Data Parallel Training").  Each rank draws dropout masks of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlp.backends.base import OnStep, Variant
from mlp.backends.torch.backend import TorchBackend, make_current
from mlp.errors import BackendError
from mlp.recipe import Recipe
from mlp.seeding import random_stream

DDP = Variant("ddp", "as eager, each minibatch divided among processes")
LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


@dataclass(frozen=True)
class Rank:
    """Process ``number`` of ``count``; all of them name the same ``store``, a file that does not exist yet."""

    number: int
    count: int
    store: Path


class DdpTorchBackend(TorchBackend):
    """``torch/eager`` on its share of each minibatch; all ranks must make the same calls.

    On GPUs with NCCL, rank r on GPU r; on a CPU with Gloo, where the ranks share the cores.  The shares may differ by
    one example: the average of the gradients is still that of the global minibatch.
    """

    variants = (DDP,)

    def __new__(cls, rank: Rank) -> DdpTorchBackend:
        return object.__new__(cls)

    def __init__(self, rank: Rank) -> None:
        super().__init__(DDP.name)
        self.rank = rank

    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        import torch
        from torch import distributed
        from torch.nn.parallel import DistributedDataParallel

        on_gpu = device != "cpu"
        if on_gpu:
            _check_gpus(self.rank.count)
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)  # all ranks are on this machine
        own = f"cuda:{self.rank.number}" if on_gpu else "cpu"
        make_current(own)  # before the group exists: NCCL would guess the device of a barrier
        distributed.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=distributed.FileStore(os.fspath(self.rank.store), self.rank.count),
            rank=self.rank.number,
            world_size=self.rank.count,
            device_id=torch.device(own) if on_gpu else None,
        )
        super().build(recipe, parameters, own)
        torch.manual_seed(random_stream(recipe, "dropout").randint(2**31) + self.rank.number)
        self._parallel = DistributedDataParallel(self._module, device_ids=[self.rank.number] if on_gpu else None)

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        own = self._own_share
        return self._sum_of_ranks([self._step(*self._upload(images[own], labels[own]))])

    def train_epoch(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, on_step: OnStep | None = None
    ) -> float:
        """Train on this rank's share of every complete minibatch; return the mean of their global losses."""
        batch_size, share = self.recipe.batch_size, self._own_share
        starts = range(0, len(order) - batch_size + 1, batch_size)
        losses = []
        for start in starts:
            own = order[start : start + batch_size][share]
            losses.append(self._step(*self._upload(images[own], labels[own])))
        return self._sum_of_ranks(losses) / len(starts)

    def all_reduce(self, num_elements: int) -> Callable[[], None]:
        """Return a function that sums float32 arrays of ``num_elements`` over the ranks, synchronously."""
        import torch
        from torch import distributed

        array = torch.ones(num_elements, device=self._device)

        def reduce() -> None:
            distributed.all_reduce(array)
            self.synchronize()

        return reduce

    def wait_for_all(self) -> None:
        """Wait until every rank has called this."""
        from torch import distributed

        distributed.barrier()

    def close(self) -> None:
        from torch import distributed

        distributed.destroy_process_group()

    @property
    def _own_share(self) -> slice:
        """Rows of a global minibatch that belong to this rank."""
        size, rank = self.recipe.batch_size, self.rank
        return slice(size * rank.number // rank.count, size * (rank.number + 1) // rank.count)

    def _step(self, images: Any, labels: Any) -> Any:
        """Make one update; return this rank's part of the global loss, a tensor on the device."""
        import torch
        import torch.nn.functional as F

        self._module.train()
        for parameter in self._parameters:
            parameter.grad = None
        part = F.cross_entropy(self._parallel(images), labels, reduction="sum") / self.recipe.batch_size
        (part * self.rank.count).backward()  # the gradients are averaged, and the parts are terms of a sum
        with torch.no_grad():
            self._rmsprop(self._parameters, self._accumulators, [parameter.grad for parameter in self._parameters])
        return part.detach()

    def _sum_of_ranks(self, parts: list[Any]) -> float:
        import torch
        from torch import distributed

        total = torch.stack(parts).sum()
        distributed.all_reduce(total)
        return float(total)


def _check_gpus(count: int) -> None:
    """Raise BackendError if there are fewer GPUs: each rank would find that out alone, while the others wait for it."""
    import torch

    found = torch.cuda.device_count()
    if found < count:
        raise BackendError(f"{count} devices are more than the {found} that PyTorch finds.")
