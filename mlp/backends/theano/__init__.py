"""The workload in Theano: the canonical backend."""

from mlp.backends.theano.published import BACKEND, TheanoBackend

__all__ = ["BACKEND", "TheanoBackend"]
