"""Comparison of a time with the published reference clock."""

from __future__ import annotations

from mlp.recipe import CANONICAL, REFERENCE

IN_2016 = f"the GTX 970 of {REFERENCE.date} ({REFERENCE.total_seconds} s)"


def is_canonical_run(batch_size: int | None, num_epochs: int | None) -> bool:
    """Return whether a run may be compared with the published one; the rest of the recipe is fixed."""
    return (batch_size, num_epochs) == (CANONICAL.batch_size, CANONICAL.num_epochs)


def compared_with_2016(seconds: float) -> str:
    """Return e.g. ``3.5 times as fast as the GTX 970 of January 2016 (32.2 s)``, or ``1.5 times as long as``."""
    ratio = REFERENCE.total_seconds / seconds
    unit = "times as fast as" if ratio >= 1 else "times as long as"
    ratio = max(ratio, 1 / ratio)
    return f"{f'{ratio:.2g}' if ratio < 10 else f'{ratio:,.0f}'} {unit} {IN_2016}"
