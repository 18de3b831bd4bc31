"""The rules of other tools on the same resampled runs, by their own code where it can be imported."""

from __future__ import annotations

from bench.verdict.noise import Trace
from bench.verdict.replay import Replay


def replay_rivals(
    trace: Trace, inject: float = 1.0, trials: int = 500, budget_seconds: float = 60.0, seed: int = 0
) -> tuple[list[Replay], list[str]]:
    """One Replay for each rival that could be run, and one sentence for each that could not."""
    return [], []
