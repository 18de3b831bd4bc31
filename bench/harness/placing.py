"""Where the data of a variant lives before anything is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the harnesses decide when numpy and the rest are imported
    from mlp.backends.base import Backend
    from mlp.dataset import Dataset


def place_data(backend: Backend, data: Dataset) -> None:
    """Let a resident variant copy all sets to its device, in the order in which ``mlp.training`` does.

    ``train_epoch`` and ``evaluate`` use the copies only for these same arrays, so time them with ``data``'s own.
    """
    if backend.variant.resident:
        for images, labels in ((data.X_train, data.y_train), (data.X_val, data.y_val), (data.X_test, data.y_test)):
            backend.place(images, labels)
        backend.synchronize()
