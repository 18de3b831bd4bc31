"""The operating characteristics on noise whose kind is known, and the same verdicts as the gate's own functions."""

import json
import math
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from synthetic_noise import BLOCK_SECONDS, MODELS, bursts, heavy_tails, trace_of, white

from bench.errors import RecordError
from bench.gate.block import SchedulerCounters
from bench.gate.error_rates.noise_trace import Trace
from bench.gate.error_rates.replay import Replay, _Gate, replay, replay_section
from bench.gate.error_rates.resample import BlockResampler, recorded_blocks
from bench.gate.verdict import DESIGN, Metric, ProcessSample, Verdict, confirm, decide, process_values

TRIALS = 3000


def waiting_trace(wait):
    """A trace of white noise whose turns also wait for ``wait`` times as long as they run, on average."""
    random, turns = np.random.default_rng(0), []
    for turn in trace_of(white).turns:
        waited = float(random.exponential(wait * turn.seconds))
        counters = SchedulerCounters(longest_wait_seconds=waited)
        turns.append(replace(turn, seconds=turn.seconds + waited, scheduler=counters))
    return Trace("waiting", {}, tuple(turns))


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_false_alarms_stay_below_one_percent_whatever_the_noise(model):
    result = replay(trace_of(model), trials=TRIALS)
    assert result.regressed.fraction <= 0.01
    assert result.regressed.interval[1] <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_slowdown_that_matters_is_found_within_the_budget_or_left_undecided(model):
    result = replay(trace_of(model), inject=1.10, trials=1000)
    assert result.regressed.fraction >= (0.99 if model is white else 0.5)
    assert result.regressed.count + result.undecided.count >= 0.99 * 1000, "a slowdown of 10 % does not pass"


@pytest.mark.slow
def test_a_slowdown_of_exactly_the_threshold_is_found():
    assert replay(trace_of(white), inject=1.05, trials=1000).regressed.fraction >= 0.95


@pytest.mark.slow
def test_half_the_threshold_is_seldom_red_and_twenty_percent_faster_never():
    assert replay(trace_of(white), inject=1.02, trials=1000).regressed.fraction <= 0.03  # about 2 %
    faster = replay(trace_of(white), inject=0.8, trials=1000)
    assert faster.regressed.count == 0
    assert faster.improved.fraction > 0.99


@pytest.mark.slow
def test_more_time_decides_more():
    short, long = (replay(trace_of(heavy_tails), trials=1000, budget_seconds=seconds) for seconds in (40, 160))
    assert long.undecided.fraction < short.undecided.fraction
    assert long.median_seconds >= short.median_seconds


@pytest.mark.slow
def test_a_run_takes_whole_blocks_and_no_longer_than_budget_and_confirmation():
    result = replay(trace_of(bursts), inject=1.1, trials=500, budget_seconds=60)
    assert result.median_seconds % BLOCK_SECONDS == pytest.approx(0)
    assert result.p95_seconds <= 60 * (1 + DESIGN.confirming_overrun)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_runs_and_another_seed_others():
    trace = trace_of(heavy_tails)
    assert replay(trace, inject=1.03, trials=300, seed=1) == replay(trace, inject=1.03, trials=300, seed=1)
    assert replay(trace, inject=1.03, trials=300, seed=1) != replay(trace, inject=1.03, trials=300, seed=2)


@pytest.mark.slow
def test_a_slowdown_that_waiting_hides_is_found_by_the_counters_and_nothing_else_is():
    trace = waiting_trace(1.0)
    blind = Trace("blind", {}, tuple(replace(turn, scheduler=None) for turn in trace.turns))
    seeing, not_seeing = (replay(one, inject=1.05, trials=500).regressed.fraction for one in (trace, blind))
    assert seeing > 2 * not_seeing
    assert replay(trace, trials=1000).regressed.interval[1] <= 0.02


# --- the same as decide and confirm ------------------------------------------------------------------------------


def step_by_step(blocks, slots, inject, places, assigned, budget_seconds):
    """One run by the public functions alone: (regressed, blocks of the comparison, fresh blocks).

    Of the turns, and of those without waiting if the blocks have them; ``inject`` is a factor, or one for each metric.
    """
    metrics = [Metric("train_epoch", effect=0.05)]
    if blocks[0].running:
        metrics.append(Metric("train_epoch_running", effect=0.05))
    limit_seconds = budget_seconds * (1 + DESIGN.confirming_overrun)

    @cache
    def samples_of_block(number, is_whole, others, by):
        chosen = slots[assigned[number]][[0, 1, *others]]
        factors = [1, 1, *[by] * len(others)]
        block = blocks[places[number]]
        rows = block.turns if is_whole else block.running
        turns = [[row[slot] * by for slot, by in zip(chosen, factors, strict=True)] for row in rows]
        return [
            ProcessSample(number, "A" if order < 2 else "B", value) for order, value in enumerate(process_values(turns))
        ]

    def samples(numbers, others, factor):
        found = {metric.name: [] for metric in metrics}
        for number, metric in product(numbers, metrics):
            by = factor[metric.name] if isinstance(factor, dict) else factor
            found[metric.name] += samples_of_block(number, metric is metrics[0], others, by)
        return found

    def has_time(count, limit):
        so_far = [blocks[places[number]].seconds for number in range(count)]
        return sum(so_far) + max(so_far) <= limit + 1e-9

    count = 0
    while True:
        count += 1
        compared = range(count)
        decision = decide(samples(compared, (2, 3), inject), samples(compared, (4,), 1.0), metrics)
        if decision.to_confirm or not decision.more_blocks_may_help:
            break
        if not has_time(count, budget_seconds if count >= DESIGN.looks.first else limit_seconds):
            break
    fresh, found = 0, decision
    while decision.to_confirm and count + fresh < len(assigned) and has_time(count + fresh, limit_seconds):
        fresh += 1
        decision = confirm(found, samples(range(count, count + fresh), (2, 3), inject))
    return Verdict.REGRESSED in decision.verdicts(), count, fresh


@pytest.mark.slow
@pytest.mark.parametrize("inject", [1.0, 1.05, 1.10])
@pytest.mark.parametrize("drawn", [False, True])
def test_a_replayed_run_is_what_decide_and_confirm_make_of_its_samples(inject, drawn):
    blocks = recorded_blocks(trace_of(heavy_tails, num_blocks=30))
    gate = _Gate(BlockResampler(blocks, 1.0), [BlockResampler(blocks, inject)], math.log(1.05), 1, 60.0, drawn)
    runs = gate.start(25, np.random.default_rng(3))
    gate.compare(runs)
    gate.confirm(runs)
    slots = BlockResampler.SLOTS
    for run in range(25):
        expected = step_by_step(blocks, slots, inject, runs.places[run], runs.assigned[run, 0], 60.0)
        assert (bool(runs.regressed[run]), int(runs.blocks[run]), int(runs.fresh[run])) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("inject", "running_inject"), [(1.0, 1.0), (1.05, 1.05), (1.0, 1.10)])
def test_a_replayed_run_of_a_whole_and_its_part_is_that_of_decide_and_confirm(inject, running_inject):
    blocks = recorded_blocks(waiting_trace(0.3))
    running = [replace(block, turns=block.running) for block in blocks]
    slowed = [BlockResampler(blocks, inject), BlockResampler(running, running_inject)]
    gate = _Gate(BlockResampler(blocks, 1.0), slowed, math.log(1.05), 2, 120.0)
    runs = gate.start(60, np.random.default_rng(3))
    gate.compare(runs)
    gate.confirm(runs)
    factors = {"train_epoch": inject, "train_epoch_running": running_inject}
    some = range(0, 60, 3)
    expected = [
        step_by_step(blocks, BlockResampler.SLOTS, factors, runs.places[run], runs.assigned[run, 0], 120.0)[0]
        for run in some
    ]
    assert runs.regressed[some].tolist() == expected
    assert inject == running_inject == 1 or (runs.clearest == 1).any(), "the part never looked regressed"


def test_a_slowdown_that_the_control_shows_as_well_is_no_regression():
    slower = BlockResampler(recorded_blocks(trace_of(white, num_blocks=30)), 1.2)
    slower.control = slower.control + math.log(1.2)
    gate = _Gate(slower, [slower], math.log(1.05), 1, 60.0)
    runs = gate.start(25, np.random.default_rng(3))
    gate.compare(runs)
    gate.confirm(runs)
    assert runs.control_failed.mean() > 0.5
    assert not runs.regressed[runs.control_failed].any()


# --- traces that cannot be replayed, and how results read --------------------------------------------------------


def test_a_trace_that_is_too_short_is_refused():
    with pytest.raises(RecordError, match="has 9 complete blocks of 5 processes, and a replay needs 12"):
        replay(trace_of(white, num_blocks=10))


def test_blocks_in_which_a_process_is_missing_do_not_count():
    turns = [turn for turn in trace_of(white, num_blocks=20).turns if turn.process != 7]
    assert len(recorded_blocks(Trace("t", {}, tuple(turns)))) == 18


@pytest.mark.parametrize("wrong", [{"inject": 0}, {"trials": 0}, {"budget_seconds": -1}, {"num_metrics": 0}])
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        replay(trace_of(white), **wrong)


@pytest.mark.slow
def test_the_table_and_the_json_say_what_was_injected_and_how_sure_a_rate_is():
    result = replay(trace_of(white), inject=1.1, trials=200)
    section = replay_section([result])
    row = dict(zip(section.headers, section.cells[0], strict=True))
    assert row["injected"] == "1.1 times"
    assert row["regressed"] == "100.0 % (98.1 % to 100.0 %)"  # Wilson's interval of 200 of 200
    again = json.loads(json.dumps(result.to_json()))
    assert again["regressed"]["count"] == 200
    assert isinstance(result, Replay)
