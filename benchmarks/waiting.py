"""``python -m benchmarks.waiting TRACE``: error rates of the gate with and without the counters of a trace.

Prints a table of ``docs/statistics.md`` on busy machines: how often gate runs resampled from the trace are red by
``train_epoch`` alone, and with ``train_epoch_running`` beside it; for sides that differ in nothing, in all of a turn,
or in how long their threads wait for a core.  The blocks of each run are drawn with replacement, as a
busy machine records few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from bench.document.section import Section, to_terminal
from bench.document.table import NUMBER_TEXT, Column
from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.replay import NUM_METRICS, replay_blocks
from bench.gate.error_rates.resample import RecordedBlock, recorded_blocks

# (seconds, running seconds) of the base's turns -> those of the candidate's
Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
CANDIDATES: dict[str, Change] = {
    "the same": lambda seconds, running: (seconds, running),
    "all 5 % longer": lambda seconds, running: (1.05 * seconds, 1.05 * running),
    "all 10 % longer": lambda seconds, running: (1.1 * seconds, 1.1 * running),
    "waits 30 % longer": lambda seconds, running: (running + 1.3 * (seconds - running), running),
    "waits 30 % less": lambda seconds, running: (running + 0.7 * (seconds - running), running),
    "runs 10 % longer, waits that much less": lambda seconds, running: (seconds, 1.1 * running),
}


def changed(block: RecordedBlock, change: Change) -> RecordedBlock:
    """Return ``block`` with the turns of a candidate; a turn that is all waiting stays as it is."""
    seconds, running = np.array(block.turns, float), np.array(block.running, float)
    others, others_running = change(seconds, running)
    others = np.where(np.isnan(others), seconds, others)
    return replace(block, turns=tuple(map(tuple, others)), running=tuple(map(tuple, others_running)))


def row(name: str, blocks: list[RecordedBlock], trials: int, budget_seconds: float) -> list[str]:
    candidates = [changed(block, CANDIDATES[name]) for block in blocks]
    wall_only = [replace(block, running=None) for block in blocks]
    options = {"inject": 1.0, "trials": trials, "budget_seconds": budget_seconds, "candidates": candidates}
    alone = replay_blocks(wall_only, "", num_metrics=NUM_METRICS - 1, drawn=True, **options)
    both = replay_blocks(blocks, "", drawn=True, **options)
    return [name, str(alone.regressed), str(both.regressed), f"{both.median_seconds:.0f}, {both.p95_seconds:.0f}"]


@click.command()
@click.argument("trace", type=click.Path(exists=True, path_type=Path))
@click.option("--trials", type=int, default=2000, help="Replays of each row.")
@click.option("--budget", "budget_seconds", type=float, default=120.0, help="Seconds of one gate run.")
def main(trace: Path, trials: int, budget_seconds: float) -> None:
    """Replay gate runs on TRACE, which has counters, and print how often they are red."""
    blocks = recorded_blocks(read_trace(trace))
    if not all(block.running for block in blocks):
        raise click.UsageError(f"{trace} has no counters of the scheduler: record a trace with --record-noise.")
    about = f"Share of {trials:,} runs that are red, with Wilson intervals at 95 %; {len(blocks)} blocks."
    columns = ["candidate", *(Column(one, NUMBER_TEXT) for one in ("train_epoch alone", "with running", "seconds"))]
    rows = [row(name, blocks, trials, budget_seconds) for name in CANDIDATES]
    section = Section("Red", [about], columns, rows)
    to_terminal(f"Gate runs of {budget_seconds:.0f} s on {trace}", [section], Console(width=150))


if __name__ == "__main__":
    main()
