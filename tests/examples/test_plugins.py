"""The plugins in ``examples/`` are whole, and conform where their packages are installed."""

import os

import pytest
from plugins import EXAMPLES

from bench.measure.case import Stack
from bench.measure.conformance.check import check
from mlp import backends, registry
from mlp.backends import Unavailable

VARIANTS = [("keras", "jax"), ("keras", "torch"), ("keras", "tensorflow"), ("tinygrad", "jit"), ("tinygrad", "eager")]


@pytest.mark.parametrize("name", ["keras", "tinygrad"])
def test_it_declares_all_that_a_backend_is(example, name):
    example(EXAMPLES / name)
    assert registry.named(f"mlp-bench-{name}") == name
    declared = {variant.name for variant in backends.load(name).variants}
    assert declared == {variant for of, variant in VARIANTS if of == name}
    for answer in (backends.probe(name, device="cuda"), backends.available()[name]):
        assert not isinstance(answer, Unavailable) or (answer.reason and answer.remedy)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_it_conforms(example, name, variant):
    folders = example(EXAMPLES / name)
    answer = backends.probe(name, variant)
    if isinstance(answer, Unavailable):
        pytest.skip(f"{answer.reason}. {answer.remedy}")
    passed = {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    assert check(Stack(name, variant, "cpu"), 1, passed).reason is None
