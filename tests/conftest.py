"""Shared by all tests: real MNIST where MNIST_DIR names it, and one compiled Theano network for all who need one."""

import os
from pathlib import Path

import pytest
from optional import need
from small import make_toy_data

from mlp import backends


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
def theano():
    """Theano, where ``tuned`` can run."""
    need("theano", "tuned")
    backends.load("theano").import_framework()
    import theano

    return theano


@pytest.fixture(scope="session")
def toy_data():
    return make_toy_data()
