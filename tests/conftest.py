"""Shared by all tests: real MNIST where MNIST_DIR names it, and one compiled Theano network for all who need one."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlp.recipe import CANONICAL

# A small network of the canonical shape at its border: 784 inputs, ten classes.
SMALL = replace(CANONICAL, layer_widths=(784, 32, 16, 10), batch_size=20, num_epochs=2)


@pytest.fixture(scope="session", autouse=True)
def compile_directory_of_its_own(tmp_path_factory):
    """Theano and PyTensor read their flags when they are imported, so this comes before any test can import them."""
    for variable in ("THEANO_FLAGS", "PYTENSOR_FLAGS"):
        flags = os.environ.get(variable, "")
        if "compiledir" not in flags:
            directory = tmp_path_factory.mktemp(variable.lower())
            os.environ[variable] = ",".join(filter(None, [flags, f"base_compiledir={directory}"]))


@pytest.fixture(scope="session")
def mnist_directory():
    directory = os.environ.get("MNIST_DIR")
    if not directory:
        pytest.skip("set MNIST_DIR to a directory with the MNIST files")
    return Path(directory)


@pytest.fixture(scope="session")
def toy_data():
    return make_toy_data()


def make_toy_data():
    """Six arrays of 200, 60 and 60 learnable examples: each class lights its own block of rows."""
    random = np.random.RandomState(0)
    arrays = []
    for count in (200, 60, 60):
        labels = random.randint(0, 10, count).astype(np.uint8)
        images = random.uniform(0, 0.2, (count, 1, 28, 28)).astype(np.float32)
        for image, label in zip(images, labels, strict=True):
            image[0, 2 * label : 2 * label + 3] += 0.6
        arrays += [images, labels]
    return tuple(arrays)
