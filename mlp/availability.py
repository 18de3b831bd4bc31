"""The two answers to "can it run here?"."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Available:
    """This backend can run on that device; ``detail`` says on what exactly (for people)."""

    detail: str


@dataclass(frozen=True)
class Unavailable:
    """It cannot: why, and the command or step that would change that."""

    reason: str
    remedy: str
