"""The candidates of the replays on a busy machine, and what docs/statistics.md says of the rates."""

import re
from functools import cache
from pathlib import Path

import pytest

from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.resample import RecordedBlock, recorded_blocks
from benchmarks.waiting import CANDIDATES, changed, row

PROJECT = Path(__file__).resolve().parents[2]

BLOCK = RecordedBlock(((3.0, 2.0),), 8.0, ((1.0, None),))  # the second turn is all waiting


@pytest.mark.parametrize(
    ("name", "seconds", "running"),
    [
        ("the same", 3.0, 1.0),
        ("all 10 % longer", 3.3, 1.1),
        ("waits 30 % longer", 3.6, 1.0),
        ("waits 30 % less", 2.4, 1.0),
        ("runs 10 % longer, waits that much less", 3.0, 1.1),
    ],
)
def test_a_candidate_runs_and_waits_as_it_is_named(name, seconds, running):
    found = changed(BLOCK, CANDIDATES[name])
    assert (found.turns[0][0], found.running[0][0]) == pytest.approx((seconds, running))
    assert found.turns[0][1] >= 2.0


@cache
def documented():
    """The table of docs/statistics.md: {(trace, candidate): cells}."""
    rows, trace = {}, None
    for line in (PROJECT / "docs" / "statistics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1] in CANDIDATES:
            trace = cells[0].partition(":")[0].strip("`") or trace
            rows[trace, cells[1]] = cells[2:]
    return rows


@cache
def blocks_of(trace):
    return recorded_blocks(read_trace(PROJECT / "results" / "noise" / f"{trace}.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("trace", ["busy-loop", "compiling"])
@pytest.mark.parametrize(
    ("name", "least", "most"), [("the same", 0, 0.01), ("all 5 % longer", 0.8, 1), ("all 10 % longer", 0.95, 1)]
)
def test_the_docs_say_what_a_replay_on_a_busy_machine_finds_and_it_is_enough(trace, name, least, most):
    alone, both, seconds = row(name, blocks_of(trace), 2000, 120.0)[1:]
    shortened = [re.sub(r"\(([\d.]+) % to ([\d.]+) %\)", r"(\1 to \2)", cell) for cell in (alone, both)]
    assert documented()[trace, name] == [*shortened, seconds]
    assert least <= float(both.partition(" %")[0]) / 100 <= most
