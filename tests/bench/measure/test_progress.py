"""Progress display: results as they come, and estimates that improve."""

import io
from dataclasses import replace

import pytest
from fakes import FakeClock
from rich.console import Console

from bench.measure import progress
from bench.measure.case import Case, PlannedCase
from bench.measure.progress import RunProgress
from bench.measure.runner import Step
from bench.measure.worker import WorkerResult
from bench.units import format_minutes

PUBLISHED, TUNED = (
    PlannedCase(Case("epoch", "theano", variant, "cpu", 2, "mnist", 500, "warm"), 2, 60, 10)
    for variant in ("as_published", "tuned")
)
RUN = Case("reference", "theano", "tuned", "cpu", 2, "mnist", 500, "warm", 20)
SEEDS = [PlannedCase(replace(RUN, seed=seed), 1, 60, 30, first_round=seed - 1) for seed in (1, 2)]


@pytest.fixture
def clock(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(progress.time, "perf_counter", clock)
    return clock


def outcome(name, seconds, **extra):
    return WorkerResult([{"name": name, "seconds": [seconds], "params": {}, "extra": extra}], None, seconds)


def lines_of(steps, outcomes, clock, seconds, later_seconds=0.0):
    """Return the lines printed while ``steps`` are measured, each in ``seconds``."""
    console = Console(file=io.StringIO(), width=60)  # a narrow pipe breaks no line
    with RunProgress(console) as shown:
        shown.expect(steps, later_seconds)
        for step, one in zip(steps, outcomes, strict=True):
            shown.start(step.planned, step.round)
            clock.advance(seconds)
            shown.finish(step.planned, one)
    return console.file.getvalue().splitlines()


def test_a_result_is_told_while_the_rest_is_still_being_measured(clock):
    steps = [Step(PUBLISHED, 0), Step(TUNED, 0), Step(SEEDS[0], 0)]
    outcomes = [
        outcome("train_epoch", 1.85),
        outcome("train_epoch", 0.34),
        outcome("run", 9.3, test_accuracy=0.9828),
    ]
    lines = lines_of(steps, outcomes, clock, 5.0)
    assert lines[2].strip() == "theano/as_published on cpu: a training epoch takes 1.85 s"
    assert lines[4].strip() == (
        "theano/tuned on cpu: a training epoch takes 340 ms, 5.44 times as fast as theano/as_published on cpu"
    )
    assert lines[6].strip() == (
        "theano/tuned on cpu: 9.30 s for 20 epochs by the reference clock, 3.5 times as fast as the GTX 970 of January "
        "2016 (32.2 s); test accuracy 98.28 %, seed 1"
    )


def test_ratios_are_of_processes_of_one_round(clock):
    steps = [Step(PUBLISHED, 0), Step(TUNED, 1)]
    lines = lines_of(steps, [outcome("train_epoch", 1.85), outcome("train_epoch", 0.34)], clock, 5.0)
    assert lines[-1].strip() == "theano/tuned on cpu: a training epoch takes 340 ms"


def test_the_time_left_is_in_minutes_and_learnt_from_the_first_round(clock):
    steps = [Step(planned, number) for number in (0, 1) for planned in (PUBLISHED, TUNED)]
    lines = lines_of(steps, [outcome("train_epoch", 1.0)] * 4, clock, 120.0)
    assert lines[0] == "4 processes, less than a minute left"  # 40 s by the plan's guess
    assert "every case measured once: about 4 minutes left" in lines
    assert "[4/4] epoch theano/tuned cpu warm (2/2), about 2 minutes left" in lines


def test_another_seed_of_a_reference_run_is_expected_to_take_as_long(clock):
    lines = lines_of([Step(SEEDS[0], 0), Step(SEEDS[1], 1)], [outcome("run", 600.0)] * 2, clock, 600.0)
    assert "[2/2] reference theano/tuned cpu warm seed 2 (1/1), about 10 minutes left" in lines


def test_a_plan_that_is_not_settled_says_so_and_counts_what_will_follow(clock):
    lines = lines_of([Step(TUNED, 0)], [outcome("train_epoch", 1.0)], clock, 1.0, later_seconds=110.0)
    assert lines[0] == "1 process at first, about 2 minutes left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (44, "less than a minute"),
        (46, "about 1 minute"),
        (89, "about 1 minute"),
        (116, "about 2 minutes"),
        (343.8, "about 6 minutes"),
    ],
)
def test_a_time_that_is_expected_is_told_in_whole_minutes(seconds, text):
    assert format_minutes(seconds) == text
