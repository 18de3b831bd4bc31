"""Clauses of the numbers: forward, backward, epochs, and from one backend to another.

A clause compares a stack with the backends of ``oracle``; it yields one ``Deviation`` for each number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.measure.conformance.deviation import Deviation, close, same, true
from bench.measure.conformance.example import GRADIENTS, MASKS, PLAIN, SMALL, toy_data
from bench.measure.conformance.masks import mask_telling_parameters
from bench.measure.conformance.stack import RELATIVE_ERROR, CheckedStack, Oracle
from mlp.backends import Backend
from mlp.training import initial_parameters

Check = Callable[[CheckedStack, Oracle], Iterator[Deviation]]
NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")


@dataclass(frozen=True)
class Clause:
    """Clause of the contract.

    ``inapplicable`` returns the reason why a stack needs not be checked, None if it must.  ``compiles`` is True if
    every check compiles networks of its own, beside those that the clauses share.
    """

    check: Check
    title: str
    inapplicable: Callable[[CheckedStack], str | None] = lambda stack: None
    compiles: bool = False

    @property
    def name(self) -> str:
        return self.check.__name__


def batch(num_examples: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return copies: a backend may change its inputs, which ``inputs_unchanged`` alone is to see."""
    return toy_data()[0][:num_examples].copy(), toy_data()[1][:num_examples].copy()


def parameters_close(
    what: str, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], abs: float = 0.0
) -> Iterator[Deviation]:
    """Compare the arrays of parameters, exactly by default; ``what`` follows their names, e.g. ``afterwards``."""
    for name, one, other in zip(NAMES, ours, theirs, strict=True):
        yield close(f"{name} {what}", one, other, abs=abs)


# --- forward ---------------------------------------------------------------------------------------------------------


def outputs(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    plain, images = stack.compiled(PLAIN), batch()[0]
    found = plain.probabilities(images)
    yield true("outputs are float32", found.dtype == np.float32, f"they are {found.dtype}")
    yield close("outputs", found, oracle(PLAIN).probabilities(images), rel=10 * stack.relative_error)
    yield same("the predicted class is that of the largest output", plain.predict(images), found.argmax(axis=1))


def evaluation(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    images, labels = toy_data()[4][:50], toy_data()[5][:50]  # two whole minibatches of 20, and a rest that is left out
    reference = oracle(PLAIN)
    whole = 50 if getattr(reference, "evaluates_remainder", False) else 40  # see ``causes``
    expected_loss, expected_accuracy = reference.evaluate(images[:whole], labels[:whole])
    loss, accuracy = stack.compiled(PLAIN).evaluate(images, labels)
    yield close("validation loss", loss, expected_loss, rel=stack.relative_error)
    slack = 0 if stack.precision in ("float32", "float64") else 0.05  # low precision may turn a close decision
    yield close("accuracy", accuracy, expected_accuracy, abs=slack + 1e-6)


def input_forms(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    plain, (images, labels) = stack.compiled(PLAIN), batch()
    first = plain.evaluate(images, labels)
    yield same("flat images and int32 labels", plain.evaluate(images.reshape(20, 784), labels.astype(np.int32)), first)


def evaluation_repeats(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    noisy = stack.compiled(MASKS)
    before = noisy.parameters()
    yield same("a second evaluation of a network with dropout", noisy.evaluate(*batch()), noisy.evaluate(*batch()))
    yield from parameters_close("after an evaluation", noisy.parameters(), before)


# --- backward --------------------------------------------------------------------------------------------------------


def loss(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    plain, reference = stack.compiled(PLAIN), oracle(PLAIN)
    for step, times in enumerate((1, 10), 1):
        what = f"loss of step {step}, before its update"
        tolerance = times * stack.relative_error
        yield close(what, plain.train_step(*batch()), reference.train_step(*batch()), rel=tolerance)


def gradients(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    backend, reference = stack.compiled(GRADIENTS), oracle(GRADIENTS)
    before = [array + 0.05 if array.ndim == 1 else array for array in initial_parameters(GRADIENTS)]
    found = []
    for one in (backend, reference):
        one.set_parameters(before)
        one.train_step(*batch())
        found.append(_gradients_of(before, one.parameters()))
    for name, ours, theirs in zip(NAMES, *found, strict=True):
        yield close(f"gradient of {name}", ours, theirs, abs=10 * stack.relative_error * np.abs(theirs).max())


def _gradients_of(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the gradients that one update of the recipe ``GRADIENTS`` tells; NaN where no gradient gives it."""
    updates = [(old - new) / np.float64(GRADIENTS.learning_rate) for old, new in zip(before, after, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return [update / np.sqrt(1 - update**2) for update in updates]


def fifty_steps(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    plain, reference = stack.compiled(PLAIN), oracle(PLAIN)
    images, labels = batch(200)
    # RMSProp's first steps divide by small numbers, and every step builds on the last: the bound of one loss grows.
    tolerance = 10 * stack.relative_error
    for step in range(50):
        rows = slice(20 * (step % 10), 20 * (step % 10) + 20)
        expected = reference.train_step(images[rows], labels[rows])
        found = plain.train_step(images[rows].copy(), labels[rows].copy())
        yield close(f"loss of step {step + 1}", found, expected, rel=tolerance, abs=tolerance)
    yield from parameters_close("afterwards", plain.parameters(), reference.parameters(), tolerance)


def optimiser_reset(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    plain, results = stack.compiled(PLAIN), []
    for _ in range(2):
        plain.set_parameters(initial_parameters(PLAIN))
        plain.train_step(*batch())
        results.append(plain.parameters())
    yield from parameters_close("after the same step from the same parameters", results[1], results[0])


def parameters(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    plain = stack.compiled(PLAIN)
    expected = initial_parameters(replace(PLAIN, seed=9))
    given = [array.copy() for array in expected]
    plain.set_parameters(given)
    for array in (*given, *plain.parameters()):
        array += 1  # neither what was given nor what was returned is the backend's own
    for name, ours, theirs in zip(NAMES, plain.parameters(), expected, strict=True):
        yield true(f"{name} is float32", ours.dtype == np.float32, f"it is {ours.dtype}")
        yield same(f"{name} as it was set", ours, theirs)


def any_batch_size(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    for size in (1, 7):
        expected = oracle(PLAIN).train_step(*batch(size))
        found = stack.compiled(PLAIN).train_step(*batch(size))
        yield close(f"loss of a step of {size} examples", found, expected, rel=stack.relative_error)


# --- epochs ----------------------------------------------------------------------------------------------------------


def minibatch_order(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    yield from _epoch(stack, oracle, stack.compiled(PLAIN))


def minibatch_order_of_placed_data(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    images, labels = batch(110)
    placed = stack.fresh(PLAIN, place=[(images, labels), toy_data()[2:4]])
    placed.set_parameters(initial_parameters(PLAIN))
    yield from _epoch(stack, oracle, placed, images, labels)


def _epoch(stack: CheckedStack, oracle: Oracle, backend: Backend, *placed: np.ndarray) -> Iterator[Deviation]:
    images, labels = placed or batch(110)  # five whole minibatches, and a rest that is left out
    reference, tolerance = oracle(PLAIN), 10 * stack.relative_error
    order = np.random.RandomState(5).permutation(110)
    told: list[tuple[int, float]] = []
    mean = backend.train_epoch(images, labels, order.copy(), lambda step, loss: told.append((step, loss)))
    taken = np.arange(110) if getattr(reference, "ignores_order", False) else order  # see ``causes``
    rows = [taken[start : start + 20] for start in range(0, 100, 20)]
    expected = [reference.train_step(images[one], labels[one]) for one in rows]
    steps, losses = [step for step, _ in told], [loss for _, loss in told]
    yield same("steps that are told", steps, range(5))
    for step, (ours, theirs) in enumerate(zip(losses, expected, strict=False), 1):
        yield close(f"loss of minibatch {step}", ours, theirs, rel=tolerance)
    yield close("mean loss of the epoch", mean, np.mean(losses or [np.nan]), rel=1e-5)
    yield from parameters_close("afterwards", backend.parameters(), reference.parameters(), tolerance)
    validation = toy_data()[2:4]
    theirs, found = reference.evaluate(*validation)[0], backend.evaluate(*validation)[0]
    yield close("validation loss afterwards", found, theirs, rel=tolerance)


def _keeps_no_data(stack: CheckedStack) -> str | None:
    return None if stack.declared.resident else "it keeps no data on its device"


def compiling_changes_nothing(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    """Compiling may run a step or an epoch: the masks afterwards are still those that the seed gives."""
    images, labels = batch(60)
    losses = []
    for place in ([], [(images, labels)]):
        backend = stack.fresh(MASKS, place)
        yield from parameters_close("after compiling", backend.parameters(), initial_parameters(MASKS))
        backend.set_parameters(mask_telling_parameters())
        told: list[float] = []
        backend.train_epoch(images, labels, np.arange(60), lambda _, loss, told=told: told.append(loss))
        losses.append(told)
    yield same("losses after compiling for placed data", losses[1], losses[0])


# --- from one backend to another -------------------------------------------------------------------------------------


def trained_network(stack: CheckedStack) -> tuple[list[np.ndarray], float]:
    """Return parameters after three steps, saved and loaded again, and their loss on the test set."""
    from mlp.network import load_parameters, save_parameters

    plain = stack.compiled(PLAIN)
    for start in (0, 20, 40):
        plain.train_step(*(array[start : start + 20] for array in toy_data()[:2]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        save_parameters(plain.network, path)
        return load_parameters(path), plain.evaluate(*(array.copy() for array in toy_data()[4:]))[0]


def moved(network: tuple[list[np.ndarray], float], backend: Backend, tolerance: float) -> Iterator[Deviation]:
    """Compare a trained network with itself in another backend."""
    kept, expected_loss = network
    backend.set_parameters(kept)
    yield close("loss of the moved network", backend.evaluate(*toy_data()[4:])[0], expected_loss, rel=tolerance)
    yield from parameters_close("of the moved network", backend.parameters(), kept)


def network_moves(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    tolerance = max(stack.relative_error, RELATIVE_ERROR["float32"])  # the file holds float32
    yield from moved(trained_network(stack), oracle(PLAIN), tolerance)


# --- learning --------------------------------------------------------------------------------------------------------

LEARNING_EPOCHS, LEARNING_SEEDS = 8, (1, 2, 3, 4, 5)
LEARNING_ERRORS = 5.0  # standard errors: a correct backend exceeds them about once in 2,000 (Student's t, 8 degrees)


def learning(stack: CheckedStack, oracle: Oracle) -> Iterator[Deviation]:
    ours = [_learned(stack.compiled(SMALL), seed) for seed in LEARNING_SEEDS]
    start = stack.compiled(SMALL).evaluate(*toy_data()[2:4])[0]
    yield true("validation losses are finite", np.isfinite(ours).all(), f"they are {ours}")
    yield true("training halves the loss", np.mean(ours) < start / 2, f"from {start:.3f} to {np.mean(ours):.3f}")
    theirs = [_learned(oracle(SMALL), seed) for seed in LEARNING_SEEDS]
    spread = np.sqrt((np.var(ours, ddof=1) + np.var(theirs, ddof=1)) / len(ours))
    worse = max(0.0, float(np.mean(ours) - np.mean(theirs)))
    yield close("mean validation loss above the oracle's, five seeds", worse, 0, abs=LEARNING_ERRORS * spread)


def _learned(backend: Backend, seed: int) -> float:
    """Return the validation loss after training with dropout from the weights, in the orders of ``seed``."""
    recipe = replace(SMALL, seed=seed)
    backend.set_parameters(initial_parameters(recipe))
    random = np.random.RandomState(seed)
    for _ in range(LEARNING_EPOCHS):
        backend.train_epoch(*batch(200), random.permutation(200))
    return backend.evaluate(*toy_data()[2:4])[0]


OF_NUMBERS = (
    Clause(outputs, "outputs are the oracle's"),
    Clause(loss, "the loss of a step is that before its update"),
    Clause(gradients, "every gradient is the oracle's"),
    Clause(fifty_steps, "fifty RMSProp steps follow the oracle"),
    Clause(optimiser_reset, "setting parameters resets the optimiser"),
    Clause(any_batch_size, "a step takes any number of examples"),
    Clause(minibatch_order, "an epoch takes its minibatches in the given order"),
    Clause(minibatch_order_of_placed_data, "the same for data on the device", _keeps_no_data),
    Clause(evaluation, "evaluation is the oracle's and leaves out the remainder"),
    Clause(evaluation_repeats, "evaluation is deterministic and changes nothing"),
    Clause(input_forms, "flat and square images and both kinds of labels are the same"),
    Clause(parameters, "parameters come back as they were set, and as copies"),
    Clause(network_moves, "a trained network moves to the oracle"),
    Clause(compiling_changes_nothing, "compiling changes nothing that training uses"),
    Clause(learning, "learning over five seeds is not worse", compiles=True),
)
