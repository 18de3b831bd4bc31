"""torch/fused: a training step in the few kernels of ``kernels.py``, captured as a CUDA graph like torch/graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp.backends.torch.backend import TorchBackend
from mlp.recipe import Recipe
from mlp.seeding import random_stream

PRECISIONS = {"float32": "ieee", "tf32": "tf32", "bfloat16": "bfloat16"}  # Triton's names
TILE = (32, 32, 32)  # rows and columns of an output's tile, and depth of a product's step
MOST_CLASSES_IN_A_TILE = 16  # the least that a product of Triton's takes


class FusedTorchBackend(TorchBackend):
    def build(self, recipe: Recipe, parameters: Sequence[np.ndarray], device: str = "cpu") -> None:
        import torch

        super().build(recipe, parameters, device)
        seed = random_stream(recipe, "dropout").randint(2**31)
        self._random_state = torch.tensor([seed, 0], dtype=torch.int64, device=self._device)

    def _step(self, images: Any, labels: Any) -> Any:
        from mlp.backends.torch import kernels

        layers = self._layers()
        activations = [images.contiguous(), *self._forward(kernels, images.contiguous(), layers[:-1])]
        losses, gradient = self._output(kernels, activations[-1], labels, layers[-1])
        for number in reversed(range(len(layers))):
            inputs, weights = activations[number], layers[number][0]
            below = self._gradient_below(kernels, gradient, weights, inputs) if number else None  # before its update
            self._update(kernels, gradient, inputs, *layers[number])
            gradient = below
        self._random_state[1:].add_(1)
        return losses.mean()

    def _layers(self) -> list[tuple[Any, Any, Any, Any]]:
        """Return weights, biases and their accumulators of each layer."""
        state = list(zip(self._parameters, self._accumulators, strict=True))
        return [
            (w.data, b.data, accu_w, accu_b) for (w, accu_w), (b, accu_b) in zip(state[::2], state[1::2], strict=True)
        ]

    def _forward(self, kernels: Any, inputs: Any, layers: list[tuple[Any, ...]]) -> list[Any]:
        outputs = []
        for number, (weights, biases, *_) in enumerate(layers):
            found = inputs.new_empty(len(inputs), len(weights))
            kernels.hidden_layer[_grid(found)](
                *(inputs, weights, biases, found, self._random_state, number, *inputs.shape, len(weights)),
                *(1 - self.recipe.dropout, self._product_precision, *TILE),
            )
            outputs.append(found)
            inputs = found
        return outputs

    def _output(self, kernels: Any, inputs: Any, labels: Any, layer: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return the loss of each row, and the gradient of their mean in the outputs."""
        weights, biases, *_ = layer
        losses, gradient = inputs.new_empty(len(inputs)), inputs.new_empty(len(inputs), len(weights))
        rows, _, depth = TILE
        units = max(MOST_CLASSES_IN_A_TILE, 1 << (len(weights) - 1).bit_length())
        kernels.output_layer[(-(-len(inputs) // rows),)](
            *(inputs, weights, biases, labels, losses, gradient, *inputs.shape, len(weights)),
            *(self._product_precision, rows, units, depth),
        )
        return losses, gradient

    def _gradient_below(self, kernels: Any, gradient: Any, weights: Any, outputs: Any) -> Any:
        found = outputs.new_empty(outputs.shape)
        kernels.hidden_gradient[_grid(found)](
            *(gradient, weights, outputs, found, *outputs.shape, len(weights)),
            *(1 - self.recipe.dropout, self._product_precision, *TILE),
        )
        return found

    def _update(self, kernels: Any, gradient: Any, inputs: Any, *state: Any) -> None:
        recipe, weights = self.recipe, state[0]
        kernels.update_layer[_grid(weights)](
            *(gradient, inputs, *state, len(inputs), *weights.shape),
            *(recipe.learning_rate, recipe.rho, recipe.epsilon, self._product_precision, *TILE),
        )

    @property
    def _product_precision(self) -> str:
        return PRECISIONS[self.variant.precision]

    def _snapshot(self) -> tuple[Any, ...]:
        return (*super()._snapshot(), self._random_state.clone())

    def _restore(self, snapshot: tuple[Any, ...]) -> None:
        *state, random_state = snapshot
        super()._restore(tuple(state))
        self._random_state.copy_(random_state)


def _grid(output: Any) -> tuple[int, int]:
    """Return the number of tiles of a matrix."""
    return -(-output.shape[0] // TILE[0]), -(-output.shape[1] // TILE[1])
