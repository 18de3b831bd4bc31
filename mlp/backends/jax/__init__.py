"""The workload in JAX."""

from mlp.backends.jax.backend import BACKEND, JaxBackend

__all__ = ["BACKEND", "JaxBackend"]
