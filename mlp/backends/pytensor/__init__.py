"""The workload in PyTensor."""

from mlp.backends.pytensor.backend import BACKEND, PyTensorBackend

__all__ = ["BACKEND", "PyTensorBackend"]
