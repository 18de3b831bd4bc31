"""The measured fitness: the smallest slowdown that a run of the gate could see, from the spread of A against A."""

import math
from random import Random

import numpy as np
import pytest
from fake_processes import Stage

from bench.errors import BenchError
from bench.gate import fitness
from bench.gate.fitness import MeasuredFitness, blocks_in_a_minute, causes_of, fitness_of, within_block_spread
from bench.gate.live import COMPARISON
from bench.gate.processes.turns import BlockPlan, measure_block
from bench.gate.verdict import DESIGN
from bench.gate.verdict.evidence import Evidence, _normal_quantile, detectable, smallest_visible
from bench.records.fitness import Grade

PLAN = BlockPlan(("train_epoch",))


def blocks(spread, count=6):
    """Blocks of A against A whose processes have log paces with a standard deviation of ``spread``."""
    random = Random(1)
    stage = Stage(lambda role, seed: {"pace": math.exp(random.gauss(0, spread))})
    return [
        measure_block(number, "comparison", COMPARISON, range(5), PLAN, stage.start, random, stage.clock)
        for number in range(count)
    ]


def test_the_spread_is_the_pooled_deviation_within_blocks():
    values = np.exp(np.random.default_rng(0).normal([[0.0], [3.0]], 0.1, (2, 5)))
    expected = math.sqrt(np.log(values).var(axis=1, ddof=1).mean())
    assert within_block_spread(values.tolist()) == pytest.approx(expected)
    with pytest.raises(BenchError, match="processes failed"):
        within_block_spread([[None, 1.0], []])


def test_the_smallest_visible_slowdown_is_what_a_run_asked_for_it_would_detect():
    error, num_blocks, num_metrics = 0.01, 8, 6
    shapes, alpha = ((2, 2),) * num_blocks, DESIGN.alpha_of_each(num_metrics)
    visible = smallest_visible(error, num_blocks, num_metrics, DESIGN)
    half = error * _normal_quantile(shapes, DESIGN.looks.boundary(shapes, DESIGN.interval_alpha / 2))
    evidence = Evidence(*map(np.array, (0.0, -half, half, False, False, False, False)))
    assert detectable(evidence, shapes, visible, DESIGN, alpha) == pytest.approx(visible)
    assert smallest_visible(error, 1, num_metrics, DESIGN) is None


def test_the_noisier_the_machine_the_larger_the_slowdown_and_the_worse_the_grade():
    found = [fitness_of(blocks(spread), "theano/tuned", PLAN.turns_per_epoch) for spread in (0.001, 0.02, 0.2)]
    assert found[0].smallest_slowdown < found[1].smallest_slowdown < found[2].smallest_slowdown
    assert (found[0].grade, found[2].grade) == (Grade.EXCELLENT, Grade.UNFIT)
    assert found[1].spread == pytest.approx(0.02, rel=0.5)
    assert found[0].step_seconds == pytest.approx(6 * 5 * PLAN.turns_per_epoch * 0.125, rel=0.01)


def test_a_first_look_may_take_longer_than_a_minute_and_a_second_one_not():
    assert [blocks_in_a_minute(seconds) for seconds in (1.0, 6.0, 20.0, 30.0)] == [16, 10, 4, 2]


def test_the_sentence_is_in_the_currency_of_the_gate():
    told = MeasuredFitness("theano/tuned on cpu", 20, 10.0, 0.008, 0.031, ("the host gave 4.0 % to others (steal)",))
    assert told.sentence.startswith("good: a slowdown below 3.1 % cannot be seen here within a minute (A against A")
    assert told.sentence.endswith("; the host gave 4.0 % to others (steal)")
    unseen = MeasuredFitness("theano/tuned on cpu", 20, 10.0, 0.008, None, ())
    assert unseen.grade is Grade.UNFIT and "no slowdown can be seen here" in unseen.sentence


def test_the_causes_are_other_programs_and_several_distances(monkeypatch):
    monkeypatch.setattr(fitness, "usable_cores", lambda: 2)
    stage, distances = Stage(), iter([64.0, 330.0] * 1000)
    block = measure_block(
        0, "comparison", "AB", (1, 2), PLAN, stage.start, Random(0), stage.clock, None, distances.__next__
    )
    other, distance = causes_of({}, {}, 100.0, 2, [block])
    assert other == "other programs took 50 % of the time of the cores"
    assert distance.startswith("Measured at several distances between the cores")
    assert causes_of({}, {}, 2.0, 2, []) == []
