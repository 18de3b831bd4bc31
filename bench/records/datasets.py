"""Description of the dataset of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_DATASET = "none"  # identity in the record of a run that needs no data


def dataset_identity(header: Mapping[str, Any]) -> str | None:
    """Return the name that ``mlp.dataset.identify`` gave the data, from the header of a run or gate run."""
    return (header.get("dataset") or {}).get("identity")


def dataset_line(identity: str | None) -> str:
    """Return a line on the dataset, which stands out if it is not MNIST."""
    if identity == "mnist":
        return "Dataset: MNIST (verified by SHA-256)"
    if identity == NO_DATASET:
        return "Dataset: none, none is needed"
    name = {"surrogate": "SURROGATE", None: "unknown"}.get(identity, identity)
    return f"Dataset: {name}, not MNIST"
