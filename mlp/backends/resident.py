"""Resident data, copied to a device once and looked up by its host arrays; and the base class of backends with a
device."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mlp.backends.base import Backend, OnStep
from mlp.cores import allowed_cores

PIXEL_LEVELS = 256
ROWS_AT_A_TIME = 128  # 0.4 MB of images, which stay in a core's own cache
MOST_THREADS = 8  # of ``write_pixels``, whose speed memory limits

Upload = Callable[[np.ndarray, np.ndarray], tuple[Any, Any]]  # host (images, labels) -> device (images, labels)


class Residents:
    """Device copies of (images, labels) pairs, looked up by identity of the host arrays, which are kept alive."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._pairs: list[tuple[np.ndarray, np.ndarray, Any]] = []

    def place(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Copy a pair to the device, unless it is there already."""
        if self._placed(images, labels) is None:
            self._pairs.append((images, labels, self._upload(images, labels)))

    def find(self, images: np.ndarray, labels: np.ndarray) -> Any:
        """Return the device's (images, labels): the placed ones, or temporary copies."""
        pair = self._placed(images, labels)
        return self._upload(images, labels) if pair is None else pair

    def _placed(self, images: np.ndarray, labels: np.ndarray) -> Any:
        for host_images, host_labels, pair in self._pairs:
            if host_images is images and host_labels is labels:
                return pair
        return None

    def __iter__(self) -> Iterator[Any]:
        """Iterate the device's pairs in the order of placing."""
        return (pair for _, _, pair in self._pairs)


class DeviceBackend(Backend):
    """Backend with asynchronous work on a device and, for some variants, resident data.

    A subclass creates ``_residents`` in ``build`` and implements the transfer to the device (``_upload``), the launch
    of a step, a resident epoch and an evaluation, and the transfer of results (``_fetch``).

    ``_sends_bytes``: images travel as bytes, a quarter of the traffic, and become float32 on the device.
    """

    _residents: Residents
    _sends_bytes = False

    def place(self, images: np.ndarray, labels: np.ndarray) -> None:
        if self.variant.resident:
            self._residents.place(images, labels)

    def train_step(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float(self._launch_step(images, labels))

    def train_epoch(
        self, images: np.ndarray, labels: np.ndarray, order: np.ndarray, on_step: OnStep | None = None
    ) -> float:
        if not self.variant.resident:
            return super().train_epoch(images, labels, order, on_step)
        self.recipe.check_batch_fits(len(order))
        losses = self._run_epoch(*self._residents.find(images, labels), order)
        for step, loss in enumerate(losses.tolist() if on_step else ()):
            on_step(step, loss)
        return float(np.mean(losses, dtype=np.float64))

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        if self.variant.resident:  # equal minibatches: the mean over them is the mean over their examples
            self.recipe.check_batch_fits(len(images))
            whole = len(images) // self.recipe.batch_size * self.recipe.batch_size
            device_images, device_labels = self._residents.find(images, labels)
            results = [self._launch_evaluation(device_images[:whole], device_labels[:whole])]
        else:
            results = [self._launch_evaluation(*self._upload(x, y)) for x, y in self._minibatches(images, labels)]
        loss, accuracy = np.mean(self._fetch(results), axis=0, dtype=np.float64)
        return float(loss), float(accuracy)

    @abstractmethod
    def _upload(self, images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
        """Return images as float32 (n, 784) and labels as integers (n,), in the format of the device."""

    @abstractmethod
    def _run_epoch(self, images: Any, labels: Any, order: np.ndarray) -> np.ndarray:
        """Train on every complete minibatch of resident data in ``order``; return losses, float32 (num_steps,)."""

    @abstractmethod
    def _launch_evaluation(self, images: Any, labels: Any) -> Any:
        """Launch mean loss and accuracy of data from ``_upload``; return two pending numbers for ``_fetch``."""


def flat(images: np.ndarray) -> np.ndarray:
    """Reshape (n, 1, 28, 28) or (n, 784) to (n, 784), without a copy if possible."""
    return images.reshape(len(images), -1)


def write_pixels(images: np.ndarray, pixels: np.ndarray) -> bool:
    """Write the pixels of ``images``, which are pixel / 256, to ``pixels``, uint8; both (n, 784).

    Returns False if an image is not exactly that, as after a transformation; ``pixels`` are then meaningless.
    """

    def write(start: int) -> bool:
        rows = slice(start, start + ROWS_AT_A_TIME)
        scaled = images[rows] * np.float32(PIXEL_LEVELS)
        # Compared with its own rounding, which is four times as fast as with what was written; NaN equals nothing.
        if not (np.rint(scaled) == scaled).all() or scaled.min(initial=0) < 0 or scaled.max(initial=0) >= PIXEL_LEVELS:
            return False
        np.copyto(pixels[rows], scaled, casting="unsafe")
        return True

    with ThreadPoolExecutor(min(MOST_THREADS, allowed_cores())) as team:
        return all(team.map(write, range(0, len(images), ROWS_AT_A_TIME)))
