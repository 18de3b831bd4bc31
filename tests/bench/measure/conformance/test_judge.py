"""The contract suite on plugins with one mistake each: the clause that sees it, and the cause that it names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.conformance import stack as stacks
from bench.measure.conformance.causes import MISTAKES
from bench.measure.conformance.deviation import close, same
from bench.measure.conformance.judge import CLAUSES, ClauseState, judge
from bench.measure.conformance.stack import CheckedStack
from mlp.training import initial_parameters

CLAUSE = {clause.name: clause for clause in CLAUSES}
FAKE = CheckedStack("fake", "float64")

pytestmark = pytest.mark.slow


@pytest.fixture
def judged(plugin):
    """``judged(source, *clauses)``: the results for a plugin whose class has ``source`` in place of the oracle's."""

    def judged(source, *clauses):
        stacks._compiled.cache_clear()
        plugin("fake", source)
        return [judge(CLAUSE[name], FAKE) for name in clauses or CLAUSE]

    yield judged
    stacks._compiled.cache_clear()


def test_the_oracle_under_another_name_conforms(judged):
    results = judged("")
    assert [one.clause for one in results if not one.passes] == []
    assert {one.clause for one in results if one.state is ClauseState.NOT_APPLICABLE} == {
        "minibatch_order_of_placed_data",
        "declared_masks",
    }


UPDATE = """
def train_step(self, images, labels):
    loss, gradients = self.loss_and_gradients(images, labels)
    for parameter, accu, gradient in zip(self._parameters, self._accus, gradients):
        accu *= self.recipe.rho
        accu += (1 - self.recipe.rho) * gradient**2
        parameter -= self.recipe.learning_rate * gradient / (accu**0.5 + self.recipe.epsilon)
    return loss
"""


@pytest.mark.parametrize(
    ("source", "clause", "detail", "cause"),
    [
        (UPDATE, "fifty_steps", "loss of step 2: off by", "epsilon is outside the root"),
        (UPDATE, "gradients", "6 of 6 checks fail", "epsilon is outside the root"),
        (
            "def train_step(self, images, labels):\n    return super().train_step(images, labels) * float('nan')",
            "loss",
            "it is NaN or infinite",
            "a number is NaN or infinite",
        ),
        (
            "def train_step(self, images, labels):\n    images *= 2\n    return super().train_step(images / 2, labels)",
            "inputs_unchanged",
            "images that were passed",
            "it computes in the arrays that it is given",
        ),
        (
            "kept = []\ndef set_parameters(self, parameters):\n    super().set_parameters(parameters)\n"
            "    self.kept[:] = self.kept or self._accus\n    self._accus = self.kept",
            "builds_are_independent",
            "of a second build",
            "state is kept in the class or the module",
        ),
        (
            "@classmethod\ndef availability(cls, device='cpu', variant=None):\n"
            "    from mlp.backends import Available\n    return Available('everywhere')",
            "device",
            "it is not available on cuda",
            "availability() answers from what is installed",
        ),
        (
            "def evaluate(self, images, labels):\n"
            "    return np.mean([self.loss_and_gradients(images, labels)[0]]), 0.0",
            "evaluation_repeats",
            "a second evaluation of a network with dropout",
            "dropout is on while evaluating",
        ),
        (
            "def parameters(self):\n    return self._parameters",
            "parameters",
            "W1 is float32: it is float64",
            "no copy, or another dtype",
        ),
        (
            "def train_epoch(self, images, labels, order, on_step=None):\n"
            "    return super().train_epoch(images, labels, np.arange(len(order)), on_step)",
            "minibatch_order",
            "loss of minibatch 1",
            "in the order of the data",
        ),
        (
            "def build(self, recipe, parameters, device='cpu'):\n"
            "    super().build(recipe, parameters, device)\n    self._masks = np.random",
            "seed",
            "losses of another backend with seed 1",
            "a generator that the recipe's seed does not decide alone",
        ),
        (
            "def _forward(self, images, dropout):\n"
            "    import dataclasses\n    recipe = self.recipe\n"
            "    self.recipe = dataclasses.replace(recipe, dropout=recipe.dropout and 1 - recipe.dropout)\n"
            "    try:\n        return super()._forward(images, dropout)\n"
            "    finally:\n        self.recipe = recipe",
            "dropout",
            "kept units are scaled by 1/0.6",
            "kept units are not scaled",
        ),
        (
            "def train_step(self, images, labels):\n    return super().train_step(images[: len(labels)], labels)",
            "bad_input",
            "20 images with 19 labels are refused: they are accepted",
            "shapes are not checked",
        ),
        (
            "def train_step(self, images, labels):\n    return self.loss_and_gradients(images, labels)[0]",
            "learning",
            "training halves the loss",
            None,
        ),
    ],
    ids=lambda value: value if value in CLAUSE else "",
)
def test_a_mistake_is_seen_by_its_clause_and_explained(judged, source, clause, detail, cause):
    (result,) = judged(source, clause)
    assert result.state is ClauseState.VIOLATED
    assert detail in result.detail
    assert (cause is None and result.cause is None) or cause in result.cause


@pytest.mark.parametrize(
    "source",
    [
        "def train_step(self, images, labels):\n    loss = super().train_step(images, labels)\n    labels[:] = 0\n"
        "    return loss",
        "def train_epoch(self, images, labels, order, on_step=None):\n"
        "    mean = super().train_epoch(images, labels, order.copy(), on_step)\n    order.sort()\n    return mean",
        "def evaluate(self, images, labels):\n    found = super().evaluate(images, labels)\n    images[:] = 0\n"
        "    return found",
    ],
    ids=("labels", "order", "images"),
)
def test_changed_inputs_are_seen_by_their_clause_and_change_no_other(judged, source):
    """Neither the clauses before it, whose data the backend changes, nor those after it."""
    names = ("loss", "fifty_steps", "minibatch_order", "evaluation", "inputs_unchanged", "network_moves", "outputs")
    assert [one.clause for one in judged(source, *names) if not one.passes] == ["inputs_unchanged"]


def test_an_exception_of_the_backend_is_no_verdict(judged):
    source = "def train_step(self, images, labels):\n    raise MemoryError('no memory')"
    (result,) = judged(source, "loss")
    assert result.state is ClauseState.NOT_JUDGED and not result.passes
    assert result.detail.startswith("it raised MemoryError")


def test_the_mistakes_of_the_causes_are_mistakes():
    """Each differs from the oracle in some clause of the numbers; none explains a backend that has none."""
    for mistake in MISTAKES:

        def oracle(recipe, of=mistake):
            backend = of()
            backend.build(recipe, initial_parameters(recipe))
            return backend

        judged = (judge(CLAUSE[name], CheckedStack("numpy", "float64"), oracle) for name in EXPLAINED)
        assert any(one.state is ClauseState.VIOLATED for one in judged), mistake.cause


EXPLAINED = ("outputs", "loss", "fifty_steps", "minibatch_order", "evaluation")


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0, 1), st.floats(0, 1))
def test_the_allowed_deviation_is_the_larger_of_absolute_and_relative(ours, theirs, rel, absolute):
    found = close("x", ours, theirs, rel=rel, abs=absolute)
    assert found.holds == (abs(ours - theirs) <= max(absolute, rel * abs(theirs)))
    assert found.holds == (found.share <= 1)


def test_nan_and_other_shapes_never_hold():
    assert not close("x", np.nan, np.nan, rel=1).holds
    assert not close("x", np.inf, np.inf).holds
    assert "its shape is (2,), not (3,)" in str(same("x", [1, 2], [1, 2, 3]))
