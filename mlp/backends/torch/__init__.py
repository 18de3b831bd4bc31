"""The workload in PyTorch."""

from mlp.backends.torch.backend import BACKEND, TorchBackend

__all__ = ["BACKEND", "TorchBackend"]
