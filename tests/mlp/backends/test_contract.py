"""Equivalence first: every clause of the contract, on every backend, variant and device.

The clauses, the tolerances and the recipes are in ``bench/measure/conformance``; ``python -m bench conform`` is the
same suite.
"""

from __future__ import annotations

import numpy as np
import pytest
from contract import QUICK, driver_answers, required_backends, stacks

from bench.measure.conformance.clauses import moved, trained_network
from bench.measure.conformance.example import MASKS, PLAIN
from bench.measure.conformance.judge import CLAUSES, ClauseState, judge
from bench.measure.conformance.masks import losses_of_masks, masks_of, telling
from bench.measure.conformance.stack import float64_oracle
from mlp import backends
from mlp.backends import Available

every_stack = pytest.mark.parametrize("stack", stacks())


def test_the_required_backends_are_here():
    for name in required_backends():
        for variant in backends.load(name).variants:
            if variant.standard and "cpu" in variant.devices:
                assert isinstance(backends.probe(name, variant.name), Available), f"{name}/{variant.name}"


def test_the_gpus_stacks_are_here_too():
    if not driver_answers():
        pytest.skip("no NVIDIA GPU: what is written for one is tested by its stand-ins on the CPU only")
    assert any(parameter.values[0].device == "cuda" for parameter in stacks())


@every_stack
@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.name)
def test_clause(stack, clause, compile_sooner):
    if clause.compiles and f"{stack.backend}/{stack.variant}" not in QUICK:
        pytest.skip("checked on the variants that compile in a moment")
    compile_sooner(stack.backend, stack.variant)
    result = judge(clause, stack)
    if result.state is ClauseState.NOT_APPLICABLE:
        pytest.skip(result.detail)
    assert result.state is ClauseState.HOLDS, f"{result.detail} ({result.cause})"


@every_stack
@pytest.mark.slow
def test_a_trained_network_moves_to_every_other_backend(stack):
    network = trained_network(stack)
    for parameter in stacks():
        (other,) = parameter.values
        if not any(mark.name == "skip" for mark in parameter.marks):
            tolerance = max(stack.relative_error, other.relative_error)
            assert [one for one in moved(network, other.compiled(PLAIN), tolerance) if not one.holds] == [], str(other)


def test_the_oracles_masks_can_be_read_off_its_losses():
    oracle = telling(float64_oracle(MASKS))
    seen = []
    draw = oracle._forward

    def spy(images, dropout):
        result = draw(images, dropout)
        seen.append([mask[0] > 0 for mask in result[1]])
        return result

    oracle._forward = spy
    m1, m2 = masks_of(losses_of_masks(oracle, 50))
    np.testing.assert_array_equal(m2, [second for _, second in seen])
    np.testing.assert_array_equal(m1[m2], np.array([first for first, _ in seen])[m2])
