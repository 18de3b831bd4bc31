"""A damaged file ends in a verdict or in one sentence: places of each format, with one of the values in turn.

``python tests/bench/mutations.py`` tries every value at every place.
"""

import pytest
from mutations import failures, formats, sample

FORMATS = formats()
SLOW = {"noise trace": 6, "record": 3, "record of a GPU": 6, "profile": 10}  # places: each takes half a second or more


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_ends_in_a_verdict_or_in_one_sentence(name):
    document, read = FORMATS[name]
    found = failures(read, sample(document, SLOW.get(name, 40)))
    assert not [(one.kind, one.what, error) for one, error in found if error]
