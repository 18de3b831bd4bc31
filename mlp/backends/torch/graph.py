"""Training step without the host: minibatches from resident data and, on CUDA, a captured graph.

A replay repeats the captured values of the host, so everything that changes between steps is in buffers on the device:
order of the epoch, number of the step, losses (PyTorch documentation, "CUDA Graphs").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

WARM_UP_STEPS = 3  # before the capture, on a separate stream: lazy handles, workspaces, autograd's first pass

Step = Callable[[Any, Any], Any]  # (images, labels) on the device -> loss there


class ResidentEpoch:
    """Runner of epochs over ``images``, float32 (n, 784), and ``labels``, int64 (n,), both on the device.

    Capturing runs a few steps first, which changes parameters and random state; the caller restores them.  On a CPU the
    same step is called each time instead of a graph, for tests without a GPU.
    """

    def __init__(self, step: Step, images: Any, labels: Any, batch_size: int) -> None:
        import torch

        self.images = images
        self._labels = labels
        self._step = step
        self._batch_size = batch_size
        max_steps = len(images) // batch_size
        device = images.device
        self._order = torch.zeros(max_steps * batch_size, dtype=torch.int64, device=device)
        self._within_batch = torch.arange(batch_size, device=device)
        self._number = torch.zeros(1, dtype=torch.int64, device=device)
        self._losses = torch.zeros(max_steps, device=device)
        self._replay = self._capture() if device.type == "cuda" else self._next_step

    def run(self, order: np.ndarray) -> np.ndarray:
        """Train on every complete minibatch of ``order``, (at most n,); return the losses, float32 (steps,)."""
        import torch

        num_steps = len(order) // self._batch_size
        used = torch.from_numpy(order[: num_steps * self._batch_size].astype(np.int64))
        self._order[: len(used)].copy_(used)
        self._number.zero_()
        for _ in range(num_steps):
            self._replay()
        return self._losses[:num_steps].cpu().numpy()  # waits for all of them

    def _next_step(self) -> None:
        rows = self._order.index_select(0, self._number * self._batch_size + self._within_batch)
        loss = self._step(self.images.index_select(0, rows), self._labels.index_select(0, rows))
        self._losses.index_copy_(0, self._number, loss.reshape(1))
        self._number.add_(1)

    def _capture(self) -> Callable[[], None]:
        import torch

        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self._number.zero_()
                self._next_step()
        torch.cuda.current_stream().wait_stream(stream)
        self._number.zero_()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._next_step()
        return graph.replay
