"""What PyTensor 3.0.7's PYTORCH mode cannot translate and the workload needs; importing this module registers it.

Random numbers: inside a compiled function a stream must be a value that goes in and comes out, which PyTorch's own
generators are not.  So a stream becomes an int64 counter, and its numbers are SplitMix64's (Steele, Lea and Flood 2014,
"Fast splittable pseudorandom number generators", figure 1): each is a hash of one position of the counter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pytensor.link.pytorch.dispatch.basic import pytorch_funcify, pytorch_typify
from pytensor.scalar.basic import EQ
from pytensor.tensor.math import Argmax
from pytensor.tensor.random.basic import UniformRV


def _signed(value: int) -> int:
    """The int64 with the 64 bits of ``value``; PyTorch's integers wrap around, as SplitMix64's do."""
    return (value + 2**63) % 2**64 - 2**63


GAMMA = 0x9E3779B97F4A7C15
MIX_1, MIX_2 = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def splitmix64(position: torch.Tensor) -> torch.Tensor:
    """64 random bits for each position of a stream, int64 to int64."""
    bits = (position ^ _shifted(position, 30)) * MIX_1
    bits = (bits ^ _shifted(bits, 27)) * MIX_2
    return bits ^ _shifted(bits, 31)


def _shifted(bits: torch.Tensor, by: int) -> torch.Tensor:
    """A shift to the right that fills with zeros; PyTorch's own repeats the sign."""
    return (bits >> by) & (2 ** (64 - by) - 1)


@pytorch_typify.register(np.random.Generator)
def _counter(generator: np.random.Generator, **kwargs: Any) -> torch.Tensor:
    """Where the generator's stream begins; the generator is not drawn from."""
    return torch.tensor(_signed(generator.bit_generator.state["state"]["state"]), dtype=torch.int64)


@pytorch_funcify.register(UniformRV)
def _uniform(op: UniformRV, node: Any, **kwargs: Any) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    output = node.outputs[1].type
    num_draws = math.prod(output.shape)
    dtype = getattr(torch, output.dtype)

    def draw(counter: torch.Tensor, size: Any, low: torch.Tensor, high: torch.Tensor) -> tuple[torch.Tensor, ...]:
        positions = counter + torch.arange(1, num_draws + 1) * _signed(GAMMA)
        # The upper 24 bits: as many as float32 holds without rounding up to 1.
        unit = _shifted(splitmix64(positions), 40).to(dtype).reshape(output.shape) * 2.0**-24
        return counter + _signed(num_draws * GAMMA), low + (high - low) * unit

    return draw


@pytorch_funcify.register(EQ)
def _equal(op: EQ, node: Any, **kwargs: Any) -> Callable[..., torch.Tensor]:
    return torch.eq  # PyTensor takes torch.equal, which says only whether all elements are equal


@pytorch_funcify.register(Argmax)
def _argmax(op: Argmax, node: Any, **kwargs: Any) -> Callable[..., torch.Tensor]:
    (axis,) = op.axis
    return lambda values: torch.argmax(values, dim=axis)
