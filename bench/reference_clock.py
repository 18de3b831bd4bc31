"""A time by the reference clock beside the published one."""

from __future__ import annotations

from mlp.recipe import CANONICAL, REFERENCE

IN_2016 = f"the GTX 970 of {REFERENCE.date} ({REFERENCE.total_seconds} s)"


def is_canonical_run(batch_size: int | None, num_epochs: int | None) -> bool:
    """Whether a run may stand beside the published one: all else in the recipe cannot be chosen."""
    return (batch_size, num_epochs) == (CANONICAL.batch_size, CANONICAL.num_epochs)


def compared_with_2016(seconds: float) -> str:
    """``3.5 times as fast as the GTX 970 of January 2016 (32.2 s)``; what is slower is ``1.5 times as long as``."""
    ratio = REFERENCE.total_seconds / seconds
    unit = "times as fast as" if ratio >= 1 else "times as long as"
    ratio = max(ratio, 1 / ratio)
    return f"{f'{ratio:.2g}' if ratio < 10 else f'{ratio:,.0f}'} {unit} {IN_2016}"
