"""How often the gate may be wrong, and when it looks: fixed before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Design:
    """The error rates and looks of a gate run.

    ``first_look`` and ``max_blocks`` are counted in blocks of the comparison; the gate looks after every block from
    the first look on.  Confirmation looks from ``first_confirming_look`` fresh blocks on, up to
    ``max_confirming_blocks``.
    """

    first_look: int = 4
    max_blocks: int = 16
    first_confirming_look: int = 2
    max_confirming_blocks: int = 8


DESIGN = Design()
