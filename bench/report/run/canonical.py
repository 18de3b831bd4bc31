"""Rules of comparability: the reference's clock and accuracy, and the runs counted for a learning verdict."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.header import RunHeader
from bench.records.json_file import finite
from bench.records.reference_run import ReferenceRun, ReferenceRuns
from bench.records.stack_key import StackKey
from bench.stats import estimates
from mlp.recipe import CANONICAL, REFERENCE


def has_canonical_recipe(header: RunHeader) -> bool:
    canonical = finite(vars(CANONICAL))  # tuples become lists, as in a record
    del canonical["seed"]
    return all(header.recipe.get(name) == value for name, value in canonical.items())


def is_comparable(header: RunHeader, runs: ReferenceRuns) -> bool:
    """Return whether this run's reference clock may be compared with 32.2 s: canonical recipe and number of epochs."""
    counts = {run.num_epochs for of_stack in runs.values() for run in of_stack}
    return counts == {CANONICAL.num_epochs} and has_canonical_recipe(header)


def judged_accuracies(header: RunHeader, runs: ReferenceRuns) -> dict[StackKey, dict[int | None, float]]:
    """Return {stack: {seed: test accuracy}} to judge: canonical recipe, all epochs, MNIST, of each seed the last."""
    if header.dataset_identity != "mnist" or not has_canonical_recipe(header):
        return {}
    return {
        stack: {run.seed: run.test_accuracy for run in of_stack if run.test_accuracy is not None and _is_whole(run)}
        for stack, of_stack in runs.items()
    }


def _is_whole(run: ReferenceRun) -> bool:
    return run.num_epochs == CANONICAL.num_epochs


def agreement_of(header: RunHeader, runs: Sequence[ReferenceRun]) -> estimates.Agreement | None:
    """Return the agreement with the published accuracy; None for other data, test images or epochs, or none."""
    known = [run for run in runs if None not in (run.test_accuracy, run.test_examples)]
    canonical = all(_is_whole(run) and run.test_examples == REFERENCE.test_examples for run in known)
    if header.dataset_identity != "mnist" or not known or not canonical:
        return None
    return estimates.agreement_with_reference([run.test_accuracy for run in known], REFERENCE.test_accuracy)
