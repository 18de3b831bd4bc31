"""``python -m benchmarks.fitness TRACE...``: how well half a minute predicts what the gate can see on a machine.

Prints a table of ``docs/statistics.md``.  ``doctor --measure`` records three to five blocks; here every window of as
many consecutive blocks of a noise trace takes their place.  The smallest visible slowdown that a window gives is then
looked for by gate runs on the whole trace: if the prediction is right, four of five find it.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from bench.document.section import Section, to_terminal
from bench.document.table import INTEGER, NUMBER_TEXT, Column
from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.replay import replay_blocks
from bench.gate.error_rates.resample import RecordedBlock, recorded_blocks
from bench.gate.fitness import GATE_SECONDS, LARGEST, smallest_slowdown
from bench.records.fitness import Grade, grade_of
from bench.units import format_percent

SIZES = (3, 5)


def slowdowns(blocks: Sequence[RecordedBlock], size: int, step: int = 1) -> list[float]:
    """Return the smallest visible slowdown from every ``step``-th window of ``size`` blocks; inf where none is."""
    windows = (blocks[start : start + size] for start in range(0, len(blocks) - size + 1, step))
    found = map(smallest_slowdown, windows)
    return [math.inf if slowdown is None else slowdown for slowdown in found]


def rows(name: str, blocks: Sequence[RecordedBlock], step: int, trials: int) -> Iterator[list[str | int]]:
    """Yield a row for each size of windows, and one for all blocks."""
    of_size = {size: slowdowns(blocks, size, step) for size in SIZES} | {len(blocks): slowdowns(blocks, len(blocks))}
    sizes = {min(slowdown, LARGEST) for found in of_size.values() for slowdown in found}
    power = {slowdown: share_found(blocks, slowdown, trials) for slowdown in sorted(sizes)}
    for size, found in of_size.items():
        spread = (percent(value) for value in (min(found), statistics.median(found), max(found)))
        grades = Counter(map(grade_of, found))
        mean_power = statistics.fmean(power[min(slowdown, LARGEST)] for slowdown in found)
        yield [name, size, len(found), *spread, *(grades[grade] for grade in Grade), format_percent(mean_power, 0)]


def share_found(blocks: Sequence[RecordedBlock], slowdown: float, trials: int) -> float:
    """Return the share of gate runs on consecutive blocks that find a slowdown, asked for one of that size."""
    return replay_blocks(blocks, "", 1 + slowdown, trials, GATE_SECONDS, effect=slowdown).regressed.fraction


def percent(slowdown: float) -> str:
    return "none" if math.isinf(slowdown) else format_percent(slowdown, 1)


@click.command()
@click.argument("traces", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--step", type=click.IntRange(1), default=1, help="Take every STEP-th window.")
@click.option("--trials", type=click.IntRange(1), default=400, help="Gate runs for each slowdown.")
def main(traces: tuple[Path, ...], step: int, trials: int) -> None:
    """Grade windows of each TRACE and the whole of it, and look for what they say can be seen."""
    columns: list[str | Column] = ["trace", Column("blocks", INTEGER), Column("windows", INTEGER)]
    columns += [Column(name, NUMBER_TEXT) for name in ("least", "median", "largest")]
    columns += [*(Column(grade, INTEGER) for grade in Grade), Column("found", NUMBER_TEXT)]
    found = [row for trace in traces for row in rows(trace.stem, recorded_blocks(read_trace(trace)), step, trials)]
    about = "The smallest slowdown visible in a minute by windows of consecutive blocks, how many windows have which "
    about += "grade, and the mean share of gate runs on the whole trace that find the slowdown of a window."
    to_terminal("Fitness by noise traces", [Section("Fitness", [about], columns, found)], Console(width=150))


if __name__ == "__main__":
    main()
