"""The measured fitness: the smallest slowdown that a run of the gate could see, from the spread of A against A."""

import math
from dataclasses import replace
from random import Random

import pytest
from fake_processes import Stage

from bench.errors import BenchError
from bench.gate import fitness
from bench.gate.fitness import MeasuredFitness, causes_of, recorded, smallest_slowdown, step_seconds
from bench.gate.live import COMPARISON
from bench.gate.processes.turns import BlockPlan, measure_block

PLAN = BlockPlan(("train_epoch",))


def blocks(spread, count=6):
    """Blocks of A against A whose processes have log paces with a standard deviation of ``spread``."""
    random = Random(1)
    stage = Stage(lambda role, seed: {"pace": math.exp(random.gauss(0, spread))})
    return [
        measure_block(number, "comparison", COMPARISON, range(5), PLAN, stage.start, random, stage.clock)
        for number in range(count)
    ]


@pytest.mark.slow
def test_the_noisier_the_machine_the_larger_the_smallest_slowdown(monkeypatch):
    monkeypatch.setattr(fitness, "TRIALS", 10)
    found = [
        smallest_slowdown([replace(block, seconds=6.0) for block in recorded(blocks(spread))])
        for spread in (0.001, 0.03)
    ]
    assert found[0] < 0.01 < found[1]


@pytest.mark.slow
def test_a_machine_too_slow_for_a_first_look_sees_nothing():
    slow = [replace(block, seconds=40.0) for block in recorded(blocks(0.001))]
    assert smallest_slowdown(slow) is None


def test_a_block_with_a_failed_process_is_left_out_and_one_is_needed():
    (block,) = blocks(0.01, count=1)
    failed = replace(block, turns=tuple(turn for turn in block.turns if turn.slot))
    (found,) = recorded([failed, block])
    assert (len(found.turns), len(found.turns[0])) == (PLAN.turns_per_epoch, len(COMPARISON))
    with pytest.raises(BenchError, match="processes failed"):
        recorded([failed])


def test_a_block_has_the_turns_less_the_waits_as_the_gate_judges_them():
    plan = BlockPlan(("train_epoch", "train_epoch_running"))
    stage = Stage(lambda role, seed: {"waited": 0.025})
    block = measure_block(0, "comparison", COMPARISON, range(5), plan, stage.start, Random(0), stage.clock)
    (found,) = recorded([block])
    whole, running = found.turns[0][0], found.running[0][0]
    assert len(found.running) == len(found.turns)
    assert running == pytest.approx(whole - 0.025 * plan.turns_per_epoch)
    assert recorded(blocks(0.01, count=1))[0].running is None  # not measured


def test_training_seconds_are_those_of_the_turns():
    assert step_seconds(blocks(0.0, count=2), PLAN.turns_per_epoch) == 2 * 5 * PLAN.turns_per_epoch * 0.125


def test_the_sentence_is_in_the_currency_of_the_gate():
    told = MeasuredFitness("theano/tuned on cpu", 20, 10.0, 0.031, ("the host gave 4.0 % to others (steal)",))
    assert told.sentence.startswith("good: a slowdown below 3.1 % cannot be seen here within a minute (A against A")
    assert told.sentence.endswith("; the host gave 4.0 % to others (steal)")
    unseen = MeasuredFitness("theano/tuned on cpu", 20, 10.0, None, ())
    assert unseen.sentence.startswith("unfit: a slowdown below 100.0 % cannot be seen")


def test_the_causes_are_other_programs_and_several_distances(monkeypatch):
    monkeypatch.setattr(fitness, "usable_cores", lambda: 2)
    stage, distances = Stage(), iter([64.0, 330.0] * 1000)
    block = measure_block(
        0, "comparison", "AB", (1, 2), PLAN, stage.start, Random(0), stage.clock, None, distances.__next__
    )
    other, distance = causes_of({}, {}, 100.0, 2, [block])
    assert other == "other programs took 50 % of the time of the cores"
    assert distance.startswith("measured at several distances between the cores")
    assert causes_of({}, {}, 2.0, 2, []) == []


def test_doctor_names_the_tuning_parameters_that_were_measured(monkeypatch):
    tuning = {"parameters": "threads=2,weights_2=dense", "instruction_set": "AVX-512"}
    told = MeasuredFitness("theano/tuned on cpu", 20, 10.0, 0.031, (), tuning)
    monkeypatch.setattr(fitness, "measure_fitness", lambda data: told)
    assert [(one.subject, one.state) for one in fitness.check_fitness()] == [("Measured", "ok"), ("theano/tuned", "ok")]
    assert fitness.check_fitness()[1].detail.endswith("measured here: threads=2,weights_2=dense (AVX-512)")
