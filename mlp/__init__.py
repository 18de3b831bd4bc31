"""The canonical workload: a multilayer perceptron on MNIST, as the Lasagne tutorial of January 2016 wrote it.

>>> import mlp as flm                           # doctest: +SKIP
>>> network = flm.run_network()                 # doctest: +SKIP
>>> flm.get_class(network, flm.load_data().X_test[-10])  # doctest: +SKIP

Names are imported lazily, so that ``import mlp`` imports no framework.  ``import theano`` and
``import lasagne`` work after it, in any order: see ``mlp.theano_compat.finder``.
"""

from __future__ import annotations

import importlib

from mlp.theano_compat import finder

finder.add()

_HOME = {
    "Recipe": "mlp.recipe",
    "CANONICAL": "mlp.recipe",
    "REFERENCE": "mlp.recipe",
    "load_data": "mlp.dataset",
    "Dataset": "mlp.dataset",
    "iterate_minibatches": "mlp.batches",
    "build_mlp": "mlp.canonical",
    "run_network": "mlp.network",
    "get_class": "mlp.network",
    "save_parameters": "mlp.network",
    "load_network": "mlp.network",
    "Callback": "mlp.training",
    "LossHistory": "mlp.training",
    "History": "mlp.training",
    "MlpError": "mlp.errors",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'mlp' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
