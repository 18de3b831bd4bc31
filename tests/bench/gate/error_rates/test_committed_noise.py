"""The traces in results/noise, and what their README says of them."""

import re
from functools import cache
from pathlib import Path

import pytest

from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.replay import replay, replay_section

FOLDER = Path(__file__).resolve().parents[4] / "results" / "noise"
TRACES = sorted(FOLDER.glob("*.jsonl"))
TRIALS = 2000


@cache
def replayed(path, inject):
    """The replay of a trace, which several tests look at."""
    return replay(read_trace(path), inject=inject, trials=TRIALS)


@pytest.fixture(scope="module")
def documented():
    """The rows of the README's table of our gate: {(trace, injected): cells}."""
    lines = (FOLDER / "README.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {(row[0].strip("`"), row[1]): row[2:] for row in rows if re.search(r"nothing|times", row[1])}


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_a_committed_trace_is_whole_and_says_what_it_is(path):
    trace = read_trace(path)
    assert trace.problems == ()
    assert {"metric", "stack", "threads", "steps_per_turn", "recorded_at", "commit", "dataset", "machine"} <= set(
        trace.header
    )
    assert all(turn.seconds for turn in trace.turns)


@pytest.mark.slow
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_false_alarms_on_a_committed_trace_are_below_one_percent(path):
    alarms = replayed(path, 1.0).regressed
    assert alarms.fraction <= 0.01
    assert alarms.interval[1] <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("inject", "power"), [(1.05, 0.95), (1.1, 0.99)])
def test_on_a_quiet_machine_a_minute_finds_what_matters(inject, power):
    found = replayed(FOLDER / "quiet.jsonl", inject)
    assert found.regressed.fraction >= power
    assert found.median_seconds <= 60


@pytest.mark.slow
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
@pytest.mark.parametrize("inject", [1.0, 1.05, 1.1])
def test_the_readme_says_what_a_replay_says(path, inject, documented):
    section = replay_section([replayed(path, inject)])
    row = dict(zip(section.headers, section.cells[0], strict=True))
    said = documented[path.stem, row["injected"]]
    assert said == [row[name] for name in ("regressed", "undecided", "unfit", "seconds")]


def test_the_projects_readme_says_what_the_tables_here_say(documented):
    """Its sentence on replays: false alarms, those of mean:5%, and what is found on the quiet trace."""
    said = " ".join((FOLDER.parents[1] / "docs" / "gate.md").read_text().split())
    alarms = [row[0] for (_, injected), row in documented.items() if injected == "nothing"]
    once = alarms.count("0.1 % (0.0 % to 0.3 %)")  # Wilson's interval of 1 in 2,000
    assert len(alarms) == len(TRACES) and alarms.count("0.0 % (0.0 % to 0.2 %)") == len(TRACES) - once
    assert f"{once} false alarm{'s' * (once != 1)} in {TRIALS * len(TRACES):,} runs" in said
    lines = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| pytest-benchmark")]
    cells = [[float(cell) for cell in re.findall(r"([\d.]+) % ", line.split("|", 2)[2])] for line in lines]
    unchanged = [rate for row in cells for rate in row[::3]]
    assert f"`mean:5%` has {min(unchanged):.0f} to {max(unchanged):.0f} %" in said
    regressed, _, _, seconds = documented["quiet", "1.05 times"]
    assert f"is found in {regressed.split(' (')[0]} of {TRIALS:,} runs, in {seconds.split(',')[0]} s" in said
