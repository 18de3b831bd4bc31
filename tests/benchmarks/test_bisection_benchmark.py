"""The rivals of the bisection find a step without noise, and the tables count what was replayed."""

import numpy as np
import pytest
from click.testing import CliRunner

from bench.gate.error_rates.bisection import InjectedRange, ReplayedSearch, TraceLaboratory
from bench.gate.error_rates.resample import RecordedBlock
from bench.gate.verdict.bisection.search import Outcome
from bench.measure.process import PROJECT
from benchmarks import bisection
from benchmarks.bisection import bayesect, by_the_gate, calibration_rows, drawn_range, plain, rates, scenarios

COMMITS = InjectedRange(8, ((3, 1.1),))


def laboratory():
    random = np.random.default_rng(0)
    turns = [0.02 * np.exp(random.normal(0, 0.002, (9, 5))) for _ in range(12)]
    blocks = [RecordedBlock(tuple(map(tuple, one)), 8.0) for one in turns]
    return TraceLaboratory(blocks, COMMITS, np.random.default_rng(1))


@pytest.mark.parametrize("method", [lambda one: plain(one, 1), lambda one: by_the_gate(one, 0.1)])
def test_a_rival_finds_the_step(method):
    one = laboratory()
    assert method(one) == 3 and one.num_built == 3 and one.num_processes >= 9


def test_git_bayesect_finds_the_step_by_its_own_code():
    pytest.importorskip("git_bayesect")
    assert bayesect(laboratory()) == 3


def test_rates_count_right_wrong_and_undecided():
    one = lambda outcome, found: ReplayedSearch(COMMITS, outcome, found, 40, 4, 60.0, ((0.7, True), (0.995, False)))  # noqa: E731
    runs = [
        one(Outcome.CULPRIT, (3,)),
        one(Outcome.CULPRIT, (4,)),
        one(Outcome.UNDECIDED, ()),
        one(Outcome.NO_STEP, ()),
    ]
    row = rates("10%", runs)
    assert row[1] == 4 and [text.split(" (")[0] for text in row[2:5]] == ["25.0 %", "50.0 %", "25.0 %"]
    assert [(row[0], row[1], row[3]) for row in calibration_rows(runs)] == [
        ("0.7 to 0.8", 4, 1.0),
        ("0.99 to 1", 4, 0.0),
    ]


def test_ranges_have_what_their_scenario_says_and_are_the_same_in_each_replay():
    drawn = scenarios()
    assert [len(drawn_range(drawn[name], 5).steps) for name in ("none", "2%", "10%", "two")] == [0, 1, 1, 2]
    kinds = {len(drawn_range(drawn["prior"], trial).steps) for trial in range(40)}
    assert kinds == {0, 1, 2} and drawn_range(drawn["prior"], 7) == drawn_range(drawn["prior"], 7)


@pytest.mark.slow
def test_the_command_prints_its_tables():
    trace = PROJECT / "results" / "noise" / "quiet.jsonl"
    done = CliRunner().invoke(bisection.main, [str(trace), "--trials", "1", "--rival-trials", "0", "--only", "10%"])
    assert done.exit_code == 0 and "one step" in done.output
