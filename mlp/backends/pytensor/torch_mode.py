"""Translations missing in PyTensor 3.0.7's PYTORCH mode; importing this module registers them.

Random numbers: a compiled function needs streams as input and output values, which PyTorch's own generators are not.
So a stream becomes the key and the counter of a counter-based generator (Philox; Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3"): int64 (2,), of which each draw increments the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pytensor.link.pytorch.dispatch.basic import pytorch_funcify, pytorch_typify
from pytensor.scalar.basic import EQ
from pytensor.tensor.math import Argmax
from pytensor.tensor.random.basic import UniformRV


@torch.library.custom_op("mlp_bench::uniform", mutates_args=())
def uniform(stream: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """Return float32 numbers in [0, 1), a function of the stream.

    NumPy draws them in an operator opaque to the compiler: integer arithmetic would overflow, which is undefined in the
    C++ code that PyTorch generates.
    """
    key, counter = stream.tolist()
    generator = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, counter, 0]))
    return torch.from_numpy(generator.random(shape, np.float32))


@uniform.register_fake
def _shape_of_uniform(stream: torch.Tensor, shape: list[int]) -> torch.Tensor:
    return torch.empty(shape)


@pytorch_typify.register(np.random.Generator)
def _stream(generator: np.random.Generator, **kwargs: Any) -> torch.Tensor:
    """Return the stream of a generator, with a key derived from its seed, without drawing from it."""
    return torch.tensor([generator.bit_generator.state["state"]["state"] % 2**63, 0])


@pytorch_funcify.register(UniformRV)
def _uniform(op: UniformRV, node: Any, **kwargs: Any) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    shape = list(node.outputs[1].type.shape)

    def draw(stream: torch.Tensor, size: Any, low: torch.Tensor, high: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return stream + torch.tensor([0, 1]), low + (high - low) * uniform(stream, shape)

    return draw


@pytorch_funcify.register(EQ)
def _equal(op: EQ, node: Any, **kwargs: Any) -> Callable[..., torch.Tensor]:
    return torch.eq  # PyTensor uses torch.equal, which returns one bool for all elements


@pytorch_funcify.register(Argmax)
def _argmax(op: Argmax, node: Any, **kwargs: Any) -> Callable[..., torch.Tensor]:
    (axis,) = op.axis
    return lambda values: torch.argmax(values, dim=axis)
