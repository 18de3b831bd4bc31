"""A block: who sits where, whose turn it is, what a process that fails costs; on processes that declare their cost."""

import json
from random import Random

import msgspec
import pytest
from fake_processes import Stage

from bench.gate.block import Block, samples
from bench.gate.live import COMPARISON
from bench.gate.measures import all_measures
from bench.gate.processes.turns import BlockPlan, measure_block

ALL = all_measures()
TURNS = BlockPlan(ALL).turns_per_epoch


def measure(stage, roles=COMPARISON, measures=ALL, seed=0, number=0):
    seeds = list(range(1, len(roles) + 1))
    return measure_block(
        number, "comparison", roles, seeds, BlockPlan(measures), stage.start, Random(seed), stage.clock
    )


def values(block, measure, role):
    return [turn.value for turn in block.turns if turn.measure == measure and block.slots[turn.slot].role == role]


def test_every_measure_is_taken_from_every_process():
    block = measure(Stage())
    for name in ALL:
        assert None not in block.values(name, range(5)), name


def test_a_turn_is_scaled_to_its_epoch_and_the_parts_of_a_run_add_up_end_to_end():
    block = measure(Stage(), roles=("A", "B"))
    assert values(block, "train_epoch", "A") == [TURNS * 0.125] * TURNS
    # one loading, one compilation, the turns of training, one validation epoch: however often each was repeated
    assert block.values("end_to_end", [0, 1]) == [pytest.approx(0.5 + 0.25 + TURNS * 0.125 + 0.0625)] * 2


@pytest.mark.parametrize("fails", ["prepare", "load", "train", "validate"])
def test_a_run_that_no_process_ended_has_no_end_to_end(fails):
    block = measure(Stage(lambda role, seed: {"fails": fails}), roles=("A", "B"))
    assert block.values("end_to_end", [0, 1]) == [None, None]
    assert [one.value for one in samples([block], ["end_to_end"])["end_to_end"]] == [None, None]


@pytest.mark.parametrize(("waited", "running"), [(0.025, 0.1), (None, 0.125), (0.2, None)])
def test_running_leaves_the_longest_wait_of_a_thread_out(waited, running):
    stage = Stage(lambda role, seed: {"waited": waited})
    block = measure(stage, roles=("A", "B"), measures=("train_epoch_running",))
    expected = None if running is None else pytest.approx(TURNS * running)
    assert values(block, "train_epoch_running", "A") == [expected] * TURNS
    assert block.values("train_epoch", [0, 1]) == [pytest.approx(TURNS * 0.125)] * 2


def test_what_is_not_judged_is_done_by_all_at_once_and_leaves_no_turn():
    block = measure(Stage(), measures=("train_epoch",))
    assert {turn.measure for turn in block.turns} == {"train_epoch", "train_loss"}


def test_learning_is_told_once_by_each_process_after_its_epoch():
    block = measure(Stage(lambda role, seed: {"loss": 0.25 if role == "B" else 0.5}), roles=("A", "B"))
    assert values(block, "train_loss", "B") == [0.25]
    assert set(values(block, "validation_loss", "A")) == {0.5}
    assert set(values(block, "validation_accuracy", "B")) == {0.75}


def test_only_what_is_wanted_is_measured_and_what_it_does_not_need_is_not_done():
    stage = Stage()
    block = measure(stage, measures=("load", "peak_memory"))
    assert {turn.measure for turn in block.turns} == {"load", "peak_memory"}
    assert not {"train", "validate", "steps"} & {do for _, process in stage.started for do in process.asked}


def test_cold_compilation_is_what_it_is_called_when_it_is_wanted():
    block = measure(Stage(), measures=("compile_cold",))
    assert {turn.measure for turn in block.turns} == {"compile_cold"}


def test_turns_never_overlap_and_each_round_has_all_processes():
    block = measure(Stage(), measures=("train_epoch",))
    turns = [turn for turn in block.turns if turn.measure == "train_epoch"]
    starts = [turn.t_start_seconds for turn in turns]
    assert starts == sorted(starts) and len(set(starts)) == len(starts)
    for number in range(TURNS):
        assert sorted(turn.slot for turn in turns if turn.round == number) == [0, 1, 2, 3, 4]


def test_each_second_round_goes_backwards_so_that_a_steady_drift_cancels():
    block = measure(Stage(), measures=("train_epoch",))
    turns = [turn for turn in block.turns if turn.measure == "train_epoch"]
    order = [[turn.slot for turn in turns if turn.round == number] for number in range(TURNS)]
    assert all(order[number + 1] == order[number][::-1] for number in range(0, TURNS - 1, 2))
    assert len({tuple(slots) for slots in order[::2]}) > 1


def test_the_slots_are_shuffled_and_keep_role_and_seed_together():
    orders = {tuple((slot.role, slot.seed) for slot in measure(Stage(), seed=seed).slots) for seed in range(20)}
    assert len(orders) > 5
    assert all(sorted(order) == sorted(zip(COMPARISON, range(1, 6), strict=True)) for order in orders)


def test_a_process_that_fails_is_out_with_its_reason_and_the_others_go_on():
    block = measure(Stage(lambda role, seed: {"fails": "train"} if role == "B" and seed == 2 else {}))
    (failed,) = [slot for slot in block.slots if slot.failed]
    assert (failed.role, failed.seed) == ("B", 2)
    assert failed.failed == "it failed to train: it was told to"
    comparison = samples([block], ["train_epoch"])["train_epoch"]
    assert sorted((one.side, one.value is None) for one in comparison) == [
        ("A", False),
        ("A", False),
        ("B", False),
        ("B", True),
    ]


def test_an_interruption_ends_all_processes():
    stage = Stage()
    advance, calls = stage.clock.advance, []

    def interrupt(seconds):
        calls.append(seconds)
        if len(calls) == 20:
            raise KeyboardInterrupt
        advance(seconds)

    stage.clock.advance = interrupt
    with pytest.raises(KeyboardInterrupt):
        measure(stage)
    assert len(stage.started) == 5 and all(process.ended for _, process in stage.started)


def test_the_base_again_is_the_control_and_never_part_of_the_comparison():
    block = measure(Stage(lambda role, seed: {"pace": {"A": 1.0, "B": 1.5, "C": 2.0}[role]}))
    comparison = samples([block], ["train_epoch"])["train_epoch"]
    control = samples([block], ["train_epoch"], against="C")["train_epoch"]
    assert len(comparison) == 4 and _ratio(comparison) == pytest.approx(1.5)
    assert len(control) == 3 and _ratio(control) == pytest.approx(2.0)


def _ratio(found):
    base = [one.value for one in found if one.side == "A"]
    other = [one.value for one in found if one.side == "B"]
    assert len(set(base)) == len(set(other)) == 1  # they share the scale of the block, so only the ratio is telling
    return other[0] / base[0]


def test_a_confirming_block_without_control_gives_no_control_samples():
    assert samples([measure(Stage(), roles=("A", "B"))], ["load"], against="C") == {"load": []}


def test_a_block_survives_json():
    block = measure(Stage(lambda role, seed: {"fails": "validate"} if role == "C" else {}))
    assert msgspec.json.decode(json.dumps(block.to_json()), type=Block) == block


def test_every_turn_has_the_distance_between_the_cores_of_its_rounds():
    stage, distances = Stage(), iter(range(1000))
    block = measure_block(
        0, "comparison", "AB", (1, 2), BlockPlan(("train_epoch",)), stage.start, Random(0), stage.clock,
        core_distance=lambda: float(next(distances)),
    )  # fmt: skip
    trained = [turn for turn in block.turns if turn.measure == "train_epoch"]
    assert {(turn.round // 5, turn.core_distance_ns) for turn in trained} == {(n, float(n)) for n in range(TURNS // 5)}
    assert msgspec.json.decode(json.dumps(block.to_json()), type=Block) == block
