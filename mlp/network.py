"""The tutorial's interface: train, retrain, query and save a network."""

from __future__ import annotations

import io
import os
import shutil
import weakref
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlp.backends import create
from mlp.errors import BackendError, MlpError, RecipeError
from mlp.recipe import CANONICAL, Recipe
from mlp.training import Callback, History, train

_predict_functions: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def run_network(
    data: Sequence[np.ndarray] | None = None,
    num_epochs: int | None = None,
    network: Any = None,
    *,
    recipe: Recipe = CANONICAL,
    backend: str = "theano",
    variant: str | None = None,
    device: str = "cpu",
    callbacks: Iterable[Callback] = (),
    verbose: bool = True,
) -> Any:
    """Train the recipe's network and return it, with the tutorial's output.

    Parameters
    ----------
    data : the six arrays of ``load_data()``, optional
        Loaded, as part of the measured time, if not given.
    num_epochs : int, optional
        Default: the recipe's, 20.
    network : optional
        A network that ``run_network`` or ``load_network`` returned, to be trained further.

    Returns
    -------
    network
        For Theano the last Lasagne layer.  Its ``history`` attribute is the run's ``History``.  After Ctrl-C during
        training it is the network trained so far.
    """
    from mlp.dataset import load_data

    if num_epochs is not None:
        recipe = replace(recipe, num_epochs=num_epochs)
    if network is not None and backend != "theano":
        raise BackendError(f"only a Theano network can be trained further, not one of backend {backend}.")
    engine = create(backend, variant, device)
    history: History = train(
        engine,
        recipe,
        load_data if data is None else data,
        device=device,
        network=network,
        callbacks=callbacks,
        verbose=verbose,
    )
    engine.network.history = history
    return engine.network


def get_class(network: Any, example: np.ndarray) -> int:
    """Return the predicted digit, 0 to 9, of ``example``: one image of 784 values in any shape, in [0, 1)."""
    image = np.asarray(example, dtype=np.float32)
    if image.size != 28 * 28:
        raise RecipeError(f"an example must have 784 values, got an array of shape {image.shape}.")
    image = image.reshape(1, 1, 28, 28)
    if hasattr(network, "predict"):
        return int(network.predict(image)[0])
    if network not in _predict_functions:  # compiled once for each network
        from mlp.canonical import compile_probabilities_function

        _predict_functions[network] = compile_probabilities_function(network)
    return int(_predict_functions[network](image)[0].argmax())


def save_parameters(network: Any, path: str | os.PathLike) -> None:
    """Save the trained parameters of ``network`` as .npz: arrays W1, b1, W2, b2, ..., float32, no pickle.

    The file is replaced atomically and keeps its mode; a link is followed, a device or pipe written.
    """
    parameters = _parameters_of(network)
    names = [f"{kind}{layer + 1}" for layer in range(len(parameters) // 2) for kind in ("W", "b")]
    archive = io.BytesIO()
    np.savez(archive, **dict(zip(names, parameters, strict=True)))
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{os.getpid()}.partial")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(archive.getvalue())
            return
        partial.write_bytes(archive.getvalue())
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except OSError as error:
        raise MlpError(f"cannot write {path}: {error.strerror or error}; choose another place.") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def load_parameters(path: str | os.PathLike) -> list[np.ndarray]:
    """Load the arrays of ``save_parameters``, ``[W1, b1, W2, b2, ...]``; raise MlpError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            num_layers = len(archive.files) // 2
            names = [f"{kind}{layer + 1}" for layer in range(num_layers) for kind in ("W", "b")]
            parameters = [archive[name] for name in names]
    except OSError as error:
        raise MlpError(f"cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise MlpError(f"{path} holds no network's parameters: give a file that save_parameters wrote.") from error
    widths = [array.shape for array in parameters]
    good = num_layers > 0 and all(
        len(weights) == 2 and biases == weights[1:] for weights, biases in zip(widths[::2], widths[1::2], strict=True)
    )
    if not good or any(outer[1] != inner[0] for outer, inner in zip(widths[::2], widths[2::2], strict=False)):
        raise MlpError(f"{path} holds arrays that do not form a network: {widths}.")
    return parameters


def load_network(path: str | os.PathLike, recipe: Recipe = CANONICAL) -> Any:
    """Return a Lasagne network with the parameters of ``save_parameters``, ready for ``get_class`` or retraining."""
    parameters = load_parameters(path)
    from mlp import canonical

    widths = (parameters[0].shape[0], *(weights.shape[1] for weights in parameters[::2]))
    network = canonical.build_mlp(canonical.T.tensor4("inputs"), replace(recipe, layer_widths=widths))
    canonical.lasagne.layers.set_all_param_values(network, parameters)
    return network


def _parameters_of(network: Any) -> list[np.ndarray]:
    if hasattr(network, "parameters"):
        return network.parameters()
    from mlp import canonical

    return canonical.lasagne.layers.get_all_param_values(network)
