"""Every clause of the contract; ``python -m bench conform backend_template`` shows the same with its numbers."""

import pytest

from bench.measure.conformance.judge import CLAUSES, judge
from bench.measure.conformance.stack import CheckedStack
from mlp import backends

VARIANTS = [variant.name for variant in backends.load("backend_template").variants]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.name)
def test_clause(clause, variant):
    result = judge(clause, CheckedStack("backend_template", variant))
    assert result.passes, f"{result.detail} ({result.cause})"
