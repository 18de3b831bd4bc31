"""The loop: when it goes on, when it stops, when it confirms; decided by the real verdict on blocks from literals."""

from random import Random
from types import SimpleNamespace

import pytest
from fakes import FakeClock

from bench.gate import run as live_run
from bench.gate import run_file
from bench.gate.block import Block, Slot, Turn
from bench.gate.config import GateConfig
from bench.gate.live import GIVE_UP_AFTER, rejudge, run
from bench.gate.report import Exit, exit_code
from bench.gate.verdict import DESIGN, Metric, Verdict

STEP, MEMORY = Metric("train_epoch"), Metric("peak_memory", "bytes")
BLOCK_SECONDS = 8.0


class Machine:
    """Measures blocks whose processes differ by ``noise``, B by ``factor`` and the base's control by ``unlike``."""

    def __init__(self, factor=lambda kind, number: 1.0, noise=0.004, unlike=1.0, silent=(), seconds=BLOCK_SECONDS):
        self.clock, self.random = FakeClock(), Random(1)
        self.factor, self.noise, self.unlike, self.silent, self.seconds = factor, noise, unlike, silent, seconds
        self.kinds, self.measures = [], []

    def measure(self, number, kind, roles, measures):
        self.clock.advance(self.seconds)
        self.kinds.append(kind)
        self.measures.append(measures)
        slots = self.random.sample(roles, len(roles))
        factors = {"A": 1.0, "B": self.factor(kind, number), "C": self.unlike}
        turns = [
            Turn(name, 0, slot, 0.0, factors[role] * self.random.uniform(1 - self.noise, 1 + self.noise))
            for slot, role in enumerate(slots)
            for name in measures
            if role not in self.silent
        ]
        return Block(number, kind, tuple(Slot(role, 1) for role in slots), tuple(turns), self.seconds)


def gate(machine, metrics=(STEP,), budget_seconds=60.0):
    return run(machine.measure, metrics, budget_seconds, machine.clock)


def verdicts(outcome):
    return {one.metric.name: one.verdict for one in outcome.decision.judgements}


def test_nothing_changed_ends_as_soon_as_it_is_decided():
    machine = Machine()
    outcome = gate(machine)
    assert verdicts(outcome) == {"train_epoch": Verdict.UNCHANGED}
    assert machine.kinds == ["comparison"] * DESIGN.looks.first
    assert outcome.measuring_seconds == DESIGN.looks.first * BLOCK_SECONDS


def test_a_slowdown_is_red_only_after_fresh_blocks_have_shown_it_again():
    machine = Machine(lambda kind, number: 1.10)
    outcome = gate(machine)
    assert verdicts(outcome) == {"train_epoch": Verdict.REGRESSED}
    assert machine.kinds.count("confirmation") >= DESIGN.confirming_looks.first
    assert machine.kinds == sorted(machine.kinds)  # comparison first, never mixed: fresh blocks decide nothing twice


def test_what_fresh_blocks_do_not_show_again_is_not_red():
    outcome = gate(Machine(lambda kind, number: 1.10 if kind == "comparison" else 1.0))
    assert verdicts(outcome) == {"train_epoch": Verdict.UNDECIDED}
    assert exit_code(outcome.decision, undecided_passes=False) is Exit.UNDECIDED


def test_only_what_looks_regressed_is_measured_again():
    machine = Machine()
    slow = machine.measure

    def measure(number, kind, roles, measures):
        block = slow(number, kind, roles, measures)
        turns = [
            Turn(t.measure, 0, t.slot, 0.0, t.value * 1.1)
            if t.measure == "train_epoch" and block.slots[t.slot].role == "B"
            else t
            for t in block.turns
        ]
        return Block(number, kind, block.slots, tuple(turns), block.seconds)

    outcome = run(measure, (STEP, MEMORY), 60.0, machine.clock)
    assert verdicts(outcome)["train_epoch"] is Verdict.REGRESSED
    again = [measures for kind, measures in zip(machine.kinds, machine.measures, strict=True) if kind != "comparison"]
    assert again and set(again) == {("train_epoch",)}


def test_noise_buys_more_blocks_until_the_budget_is_spent_and_is_undecided_then():
    machine = Machine(noise=0.2)
    outcome = gate(machine)
    assert verdicts(outcome) == {"train_epoch": Verdict.UNDECIDED}
    assert len(machine.kinds) > DESIGN.looks.first
    assert outcome.measuring_seconds <= 60


def test_slow_blocks_may_overrun_the_budget_for_the_first_look_but_only_so_far():
    seconds = 60 * (1 + DESIGN.confirming_overrun) / DESIGN.looks.first
    assert verdicts(gate(Machine(seconds=seconds))) == {"train_epoch": Verdict.UNCHANGED}
    slower = gate(Machine(seconds=seconds * 1.1))
    assert verdicts(slower) == {"train_epoch": Verdict.UNDECIDED}
    assert slower.measuring_seconds <= 60 * (1 + DESIGN.confirming_overrun)


def test_a_red_that_there_is_no_time_to_confirm_is_undecided_and_says_so():
    outcome = gate(
        Machine(lambda kind, number: 1.10, seconds=60 * (1 + DESIGN.confirming_overrun) / DESIGN.looks.first)
    )
    (judgement,) = outcome.decision.judgements
    assert judgement.verdict is Verdict.UNDECIDED
    assert "no time was left to confirm it" in judgement.reason


def test_a_base_that_differs_from_itself_makes_the_runner_unfit_and_never_red():
    outcome = gate(Machine(lambda kind, number: 1.10, unlike=1.10))
    assert verdicts(outcome) == {"train_epoch": Verdict.UNDECIDED}
    assert "train_epoch" in outcome.decision.control_failure


@pytest.mark.parametrize("silent", ["A", "B"])
def test_a_side_that_measures_nothing_is_given_up_soon(silent):
    machine = Machine(silent=silent)
    outcome = gate(machine)
    assert verdicts(outcome) == {"train_epoch": Verdict.NOT_MEASURED}
    assert len(machine.kinds) <= GIVE_UP_AFTER
    assert exit_code(outcome.decision, undecided_passes=True) is Exit.NOTHING_MEASURED


@pytest.mark.parametrize("value", [float("nan"), 0.0, -1.0, float("inf"), None])
def test_values_that_are_none_are_never_red_and_never_green(value):
    machine = Machine()
    measure = machine.measure

    def spoilt(number, kind, roles, measures):
        block = measure(number, kind, roles, measures)
        turns = [Turn(t.measure, 0, t.slot, 0.0, value) if block.slots[t.slot].role == "B" else t for t in block.turns]
        return Block(number, kind, block.slots, tuple(turns), block.seconds)

    outcome = run(spoilt, (STEP,), 60.0, machine.clock)
    assert set(verdicts(outcome).values()) <= {Verdict.UNDECIDED, Verdict.NOT_MEASURED}
    assert exit_code(outcome.decision, undecided_passes=False) in (Exit.UNDECIDED, Exit.NOTHING_MEASURED)


@pytest.mark.parametrize("factor", [1.0, 1.1, 0.9])
def test_the_decision_can_be_made_again_from_the_blocks(factor):
    outcome = gate(Machine(lambda kind, number: factor))
    assert rejudge(outcome.blocks, (STEP,)).judgements == outcome.decision.judgements


def test_undecided_passes_only_if_configured_and_red_never_does():
    undecided = gate(Machine(noise=0.2)).decision
    assert exit_code(undecided, undecided_passes=False) is Exit.UNDECIDED
    assert exit_code(undecided, undecided_passes=True) is Exit.PASS
    assert exit_code(gate(Machine(lambda kind, number: 1.1)).decision, undecided_passes=True) is Exit.REGRESSED


def test_one_red_metric_outweighs_all_others():
    machine = Machine(lambda kind, number: 1.10)
    assert exit_code(gate(machine, (STEP, MEMORY)).decision, undecided_passes=False) is Exit.REGRESSED


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_cuts_a_run_short_loses_no_block_before_it(monkeypatch, tmp_path, error):
    machine = Machine()

    def measure(number, *more):
        if number == 1:
            raise error
        return machine.measure(number, *more)

    monkeypatch.setattr(live_run, "context_of", lambda session, config: {})
    session = SimpleNamespace(measure=measure, clock=machine.clock)
    with pytest.raises(type(error)):
        live_run.measured_and_kept(session, GateConfig(measures=("train_epoch",)), tmp_path / "gate.json", print)
    _, _, (block,) = run_file.read_run(tmp_path / "gate.json")
    assert block.number == 0 and len(block.turns) == 5
