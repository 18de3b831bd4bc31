"""Data on a device is found again by identity, copied once, and never confused with other data."""

import numpy as np
import pytest

from mlp.backends.resident import Residents


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
