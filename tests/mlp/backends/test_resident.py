"""Data on a device is found again by identity, copied once, and never confused with other data."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from optional import need
from small import SMALL

from bench.measure.conformance.stack import CheckedStack
from mlp.backends.resident import ROWS_AT_A_TIME, Residents, write_pixels


@pytest.fixture
def uploads():
    return []


@pytest.fixture
def residents(uploads):
    def upload(images, labels):
        uploads.append((images, labels))
        return images.copy(), labels.copy()

    return Residents(upload)


def pair(value):
    return np.full((3, 784), value, np.float32), np.full(3, value, np.uint8)


def test_what_is_placed_twice_is_copied_once(residents, uploads):
    images, labels = pair(1)
    residents.place(images, labels)
    residents.place(images, labels)
    assert residents.find(images, labels)[0] is residents.find(images, labels)[0]
    assert len(uploads) == 1


def test_equal_arrays_are_not_the_same_arrays(residents, uploads):
    """They could be changed later, and the copy would not know."""
    residents.place(*pair(1))
    residents.find(*pair(1))
    assert len(uploads) == 2


def test_the_same_images_with_other_labels_are_other_data(residents):
    images, labels = pair(1)
    residents.place(images, labels)
    assert residents.find(images, pair(2)[1])[1][0] == 2


def test_what_was_not_placed_is_copied_for_each_call_and_not_kept(residents, uploads):
    data = pair(1)
    residents.find(*data)
    residents.find(*data)
    assert len(uploads) == 2
    assert list(residents) == []


def test_the_pairs_come_in_the_order_they_were_placed(residents):
    for value in (1, 2, 3):
        residents.place(*pair(value))
    assert [labels[0] for _, labels in residents] == [1, 2, 3]


# --- images as bytes --------------------------------------------------------------------------------------------------


@given(arrays(np.uint8, st.tuples(st.integers(0, 2 * ROWS_AT_A_TIME + 3), st.integers(1, 3))))
def test_the_pixels_of_images_are_what_they_were_made_of(pixels):
    found = np.empty_like(pixels)
    assert write_pixels(pixels.astype(np.float32) / 256, found)
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("value", [0.5 / 256, 1.0, -1 / 256, np.nan, np.inf, np.nextafter(np.float32(0.5), 1)])
def test_one_value_that_is_no_pixel_is_found_wherever_it_stands(value):
    images = np.zeros((3 * ROWS_AT_A_TIME, 4), np.float32)
    images[-1, -1] = value
    assert not write_pixels(images, np.empty(images.shape, np.uint8))


RESIDENT = [CheckedStack("torch", "graph", "cpu", True), CheckedStack("jax", "scan", "cpu")]


def trained(stack, sends_bytes, images, labels):
    """Parameters, losses and evaluation after two epochs with dropout."""
    need(stack.backend)
    backend = stack.fresh(replace(SMALL, seed=3))
    backend._sends_bytes = sends_bytes
    backend.place(images, labels)
    backend.compile()
    told = []
    for _ in range(2):
        backend.train_epoch(images, labels, np.arange(len(images)), lambda _, loss: told.append(loss))
    on_device = next(iter(backend._residents))[0]
    return [*backend.parameters(), np.array(told), np.array(backend.evaluate(images, labels))], str(on_device.dtype)


@pytest.mark.slow
@pytest.mark.parametrize("stack", RESIDENT, ids=str)
def test_images_sent_as_bytes_train_to_the_same_bits(stack):
    random = np.random.default_rng(2)
    pixels, labels = random.integers(0, 256, (60, 784)), random.integers(0, 10, 60).astype(np.uint8)
    images = pixels.astype(np.float32) / 256
    floats, float_type = trained(stack, False, images, labels)
    from_bytes, byte_type = trained(stack, True, images, labels)
    for expected, found in zip(floats, from_bytes, strict=True):
        np.testing.assert_array_equal(found, expected)
    kept = "uint8" if stack.backend == "jax" else "torch.float32"
    assert float_type.endswith("float32") and byte_type == kept


@pytest.mark.slow
@pytest.mark.parametrize("stack", RESIDENT, ids=str)
def test_images_that_are_no_pixels_travel_as_they_are(stack):
    random = np.random.default_rng(2)
    images, labels = random.random((60, 784), np.float32), random.integers(0, 10, 60).astype(np.uint8)
    floats, _ = trained(stack, False, images, labels)
    found, dtype = trained(stack, True, images, labels)
    assert dtype.endswith("float32")
    for expected, one in zip(floats, found, strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.slow
def test_a_compiled_step_in_the_place_of_a_graph_trains_as_the_graph_does(toy_data):
    """Without a GPU the step is called, not captured; with one, the contract suite compares the variant itself."""
    need("torch", "compiled")
    images, labels, *validation = toy_data[:4]
    found = []
    for variant in ("graph", "graph_compiled"):
        place = [(images, labels), tuple(validation)]
        backend = CheckedStack("torch", variant, "cpu", True).fresh(replace(SMALL, dropout=0.0), place)
        before = backend.parameters()
        backend.compile()
        assert all(map(np.array_equal, before, backend.parameters()))
        loss = backend.train_epoch(images, labels, np.arange(len(images)))
        found.append([*backend.parameters(), np.array([loss, *backend.evaluate(*validation)])])
    for expected, one in zip(*found, strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-4)
