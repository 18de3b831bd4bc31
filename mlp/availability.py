"""Availability of a backend on a device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Available:
    """The backend can run on the device; ``detail`` describes versions and hardware for display."""

    detail: str


@dataclass(frozen=True)
class Unavailable:
    """The backend cannot run on the device: the reason, and a remedy."""

    reason: str
    remedy: str
