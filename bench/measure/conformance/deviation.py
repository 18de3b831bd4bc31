"""Deviations of a backend from its reference, each with the largest one that is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Deviation:
    """Number of a check.

    Attributes
    ----------
    what : str
        E.g. ``loss of step 7``.
    value, allowed : float or None
        Deviation where it is largest relative to what is allowed there; None where no number can tell.
    holds : bool
        False also for NaN and for another shape.
    detail : str
        Words in place of, or beside, the number.
    """

    what: str
    holds: bool
    value: float | None = None
    allowed: float | None = None
    detail: str = ""

    @property
    def share(self) -> float:
        """Deviation in units of the allowed one; infinite where it has no number and does not hold."""
        if self.value is None or self.allowed is None:
            return 0.0 if self.holds else np.inf
        return self.value / self.allowed if self.allowed else (0.0 if self.holds else np.inf)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.what}: {self.detail}" if self.detail else self.what
        beside = f" ({self.detail})" if self.detail else ""
        return f"{self.what}: off by {self.value:.2g}, {self.allowed:.2g} allowed{beside}"


def close(what: str, ours: Any, theirs: Any, *, rel: float = 0.0, abs: float = 0.0) -> Deviation:
    """Compare with the reference ``theirs``; an element may differ by the larger of ``abs`` and ``rel * |theirs|``."""
    found, expected = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if found.shape != expected.shape:
        return Deviation(what, False, detail=f"its shape is {found.shape}, not {expected.shape}")
    if not np.isfinite(found).all():
        return Deviation(what, False, detail="it is NaN or infinite")
    off = np.abs(found - expected).ravel()
    allowed = np.maximum(abs, rel * np.abs(expected)).ravel()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shares = np.where(off == 0, 0.0, off / allowed)
    worst = int(shares.argmax()) if shares.size else None
    if worst is None:
        return Deviation(what, True)
    return Deviation(what, bool((off <= allowed).all()), float(off[worst]), float(allowed[worst]))


def same(what: str, ours: Any, theirs: Any) -> Deviation:
    """Compare exactly."""
    return close(what, ours, theirs)


def true(what: str, holds: bool, detail: str = "") -> Deviation:
    """State a property that holds or not; ``detail`` is shown if it does not."""
    return Deviation(what, bool(holds), detail="" if holds else detail)
