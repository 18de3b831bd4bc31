"""The surrogate: MNIST's shapes, the same bytes everywhere, balanced, and not a copy of its neighbour."""

import hashlib

import numpy as np
import pytest

from mlp import surrogate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arrays():
    return surrogate.make()


def test_its_bytes_are_the_same_on_every_platform(arrays):
    found = {stem: hashlib.sha256(surrogate.to_idx(array)).hexdigest() for stem, array in arrays.items()}
    assert found == surrogate.SHA256


def test_it_has_mnists_shapes(arrays):
    shapes = {stem: (array.shape, array.dtype) for stem, array in arrays.items()}
    byte = np.dtype(np.uint8)
    assert shapes == {
        "train-images-idx3-ubyte": ((60_000, 28, 28), byte),
        "train-labels-idx1-ubyte": ((60_000,), byte),
        "t10k-images-idx3-ubyte": ((10_000, 28, 28), byte),
        "t10k-labels-idx1-ubyte": ((10_000,), byte),
    }


def test_as_in_mnist_a_fifth_of_its_pixels_is_not_0(arrays):
    """MNIST: 0.191 of all; 80, 150 and 219 of an image's 784 (5, 50 and 95 %); 0.73 of the images at one place."""
    is_not_zero = arrays["train-images-idx3-ubyte"].reshape(60_000, 784) > 0
    assert is_not_zero.mean() == pytest.approx(0.191, abs=0.01)
    np.testing.assert_allclose(np.percentile(is_not_zero.sum(axis=1), [5, 50, 95]), [80, 150, 219], rtol=0.15)
    assert is_not_zero.mean(axis=0).max() == pytest.approx(0.73, abs=0.1)


def test_classes_are_balanced(arrays):
    counts = np.bincount(arrays["train-labels-idx1-ubyte"], minlength=10)
    assert counts.shape == (10,)
    # Six standard deviations of a binomial with p = 0.1 are 441.
    assert (np.abs(counts - 6000) < 441).all()


def test_another_seed_draws_other_digits(arrays, monkeypatch):
    monkeypatch.setattr(surrogate, "NUM_TRAIN", 100)
    monkeypatch.setattr(surrogate, "NUM_TEST", 100)
    one, other = surrogate.make(1), surrogate.make(2)
    assert (one["t10k-images-idx3-ubyte"] != other["t10k-images-idx3-ubyte"]).any()


def test_no_two_images_are_the_same(arrays):
    images = arrays["t10k-images-idx3-ubyte"]
    assert len({image.tobytes() for image in images}) == len(images)


def test_uniform_covers_its_range_and_no_more():
    drawn = surrogate._uniform(np.random.PCG64(1), (10_000,), -3, 4)
    assert set(drawn) == set(range(-3, 4))
