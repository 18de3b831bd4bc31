"""Rules of comparability: the reference's clock and accuracy, and the runs counted for a learning verdict."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from bench.records.datasets import dataset_identity
from bench.records.frames import Frames
from bench.records.stack_key import StackKey
from bench.stats import estimates
from mlp.recipe import CANONICAL, REFERENCE


def has_canonical_recipe(header: dict[str, Any]) -> bool:
    recipe = header.get("recipe") or {}
    canonical = json.loads(json.dumps(vars(CANONICAL)))  # tuples become lists, as in a record
    del canonical["seed"]
    return all(recipe.get(name) == value for name, value in canonical.items())


def is_comparable(header: dict[str, Any], frames: Frames) -> bool:
    """Return whether this run's reference clock may be compared with 32.2 s: canonical recipe and number of epochs."""
    whole = not frames.results.empty and bool((frames.results["num_epochs"] == CANONICAL.num_epochs).all())
    return whole and has_canonical_recipe(header)


def judged_results(header: dict[str, Any], frames: Frames) -> pd.DataFrame:
    """Return the reference runs to judge: canonical recipe, all epochs, MNIST, one for each seed."""
    results = frames.results
    if dataset_identity(header) != "mnist" or not has_canonical_recipe(header):
        return results.iloc[:0]
    whole = (results["num_epochs"] == CANONICAL.num_epochs) & results["test_accuracy"].between(0, 1)
    return results[whole.fillna(False)].drop_duplicates([*StackKey._fields, "seed"], keep="last")


def agreement_of(header: dict[str, Any], results: pd.DataFrame) -> estimates.Agreement | None:
    """Return the agreement with the published accuracy; None for other data, test images or epochs, or none."""
    results = results.dropna(subset=["test_accuracy", "test_examples"])
    accuracies = results["test_accuracy"]
    canonical = (results["num_epochs"] == CANONICAL.num_epochs) & (results["test_examples"] == REFERENCE.test_examples)
    if dataset_identity(header) != "mnist" or accuracies.empty or not canonical.all():
        return None
    return estimates.agreement_with_reference(list(accuracies), REFERENCE.test_accuracy)
