"""Description of the dataset of a record."""

from __future__ import annotations

NO_DATASET = "none"  # identity in the record of a run that needs no data


def dataset_line(identity: str | None) -> str:
    """Return a line on the dataset, which stands out if it is not MNIST."""
    if identity == "mnist":
        return "Dataset: MNIST (verified by SHA-256)"
    if identity == NO_DATASET:
        return "Dataset: none, none is needed"
    name = {"surrogate": "SURROGATE", None: "unknown"}.get(identity, identity)
    return f"Dataset: {name}, not MNIST"
