"""Which data something was measured with, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def dataset_identity(header: Mapping[str, Any]) -> str | None:
    """What ``mlp.dataset.identify`` called the data, in the header of a run or of a gate run."""
    return (header.get("dataset") or {}).get("identity")


def dataset_line(identity: str | None) -> str:
    """The words that nobody should overlook where it is not MNIST."""
    if identity == "mnist":
        return "Dataset: MNIST (verified by SHA-256)"
    name = {"surrogate": "SURROGATE", None: "unknown"}.get(identity, identity)
    return f"Dataset: {name}, not MNIST"
