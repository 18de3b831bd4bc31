"""Identity and names of stacks."""

import pandas as pd
import pytest

from bench.records.stack_key import CANONICAL_NAME, StackKey, by_stack, canonical_of

THEANO = StackKey("theano", "as_published", "cpu", "float32", 2)


def test_the_name_gives_the_precision_only_where_it_is_not_the_canonical_one():
    assert THEANO.name == CANONICAL_NAME == "theano/as_published on cpu"
    assert THEANO._replace(precision=None).name == THEANO.name
    assert THEANO._replace(precision="tf32").name == "theano/as_published on cpu (tf32)"
    assert THEANO._replace(precision="tf32").name_with_threads == "theano/as_published cpu (tf32), 2 threads"


@pytest.mark.parametrize(
    "other",
    [{"backend": "pytensor"}, {"variant": "tuned"}, {"device": "cuda"}, {"precision": "float64"}],
)
def test_canonical_is_theano_as_published_on_the_cpu_in_float32_and_nothing_else(other):
    assert THEANO.is_canonical and THEANO._replace(precision=None).is_canonical
    assert not THEANO._replace(**other).is_canonical
    assert canonical_of([THEANO._replace(**other)]) is None
    assert canonical_of([THEANO._replace(**other), THEANO]) == THEANO


def test_a_numbered_gpu_is_of_its_kind():
    assert THEANO._replace(device="cuda:1").device_kind == "cuda"


def test_stacks_come_in_the_order_in_which_they_ran_and_a_missing_precision_is_none():
    rows = [("b", "x", "cpu", None, 2), ("a", "x", "cpu", None, 2), ("b", "x", "cpu", None, 2)]
    frame = pd.DataFrame(rows, columns=StackKey._fields)
    assert [(stack, len(found)) for stack, found in by_stack(frame)] == [
        (StackKey("b", "x", "cpu", None, 2), 2),
        (StackKey("a", "x", "cpu", None, 2), 1),
    ]
