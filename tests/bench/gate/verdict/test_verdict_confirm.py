import numpy as np
import pytest
from verdict_samples import blocks_of, noisy

from bench.gate.verdict import DESIGN, Metric, ProcessSample, Verdict, confirm, decide

METRICS = [Metric("epoch"), Metric("step")]


@pytest.fixture
def random():
    return np.random.default_rng(6)


@pytest.fixture
def suspicion(random):
    """Both metrics look regressed, the step more clearly."""
    samples = {"epoch": noisy(random, factor=1.08), "step": noisy(random, factor=1.20)}
    control = {name: noisy(random, num_b=1) for name in samples}
    decision = decide(samples, control, METRICS)
    assert decision.to_confirm == ("step", "epoch")
    assert decision.verdicts() == {Verdict.UNDECIDED}
    return decision


def verdicts(decision):
    return {judgement.metric.name: judgement.verdict for judgement in decision.judgements}


def test_what_is_seen_again_in_fresh_blocks_is_red(suspicion, random):
    fresh = {"epoch": noisy(random, 3, 1.08), "step": noisy(random, 3, 1.20)}
    confirmed = confirm(suspicion, fresh)
    assert verdicts(confirmed) == {"epoch": Verdict.REGRESSED, "step": Verdict.REGRESSED}
    assert confirmed.to_confirm == ()
    step = confirmed.judgements[1]
    assert step.fresh_ratio == pytest.approx(1.2, rel=0.02)
    assert "and again 1.2" in step.reason and "in 3 fresh blocks" in step.reason


def test_what_is_not_seen_again_is_undecided_with_both_numbers(suspicion, random):
    fresh = {"epoch": noisy(random, 6, 1.0), "step": noisy(random, 6, 1.0)}
    refuted = confirm(suspicion, fresh)
    assert verdicts(refuted) == {"epoch": Verdict.UNDECIDED, "step": Verdict.UNDECIDED}
    assert refuted.to_confirm == ()
    step = refuted.judgements[1]
    assert f"{step.ratio:.3f} times the base" in step.reason
    assert f"looked regressed, but {step.fresh_ratio:.3f} times the base" in step.reason


def test_after_the_first_that_fails_no_other_is_confirmed_however_clear(suspicion, random):
    fresh = {"epoch": noisy(random, 6, 1.5), "step": noisy(random, 6, 1.0)}
    assert verdicts(confirm(suspicion, fresh))["epoch"] is Verdict.UNDECIDED


def test_a_less_clear_one_may_fail_without_harm_to_the_clearest(suspicion, random):
    fresh = {"epoch": noisy(random, 6, 1.0), "step": noisy(random, 6, 1.2)}
    assert verdicts(confirm(suspicion, fresh)) == {"epoch": Verdict.UNDECIDED, "step": Verdict.REGRESSED}


def test_too_few_fresh_blocks_confirm_nothing_and_ask_for_more(suspicion, random):
    for fresh in ({}, {"epoch": noisy(random, 1, 9.0), "step": noisy(random, 1, 9.0)}):
        waiting = confirm(suspicion, fresh)
        assert waiting.to_confirm == ("step", "epoch")
        assert waiting.verdicts() == {Verdict.UNDECIDED}


def test_after_the_last_look_an_open_confirmation_fails(suspicion):
    torn = blocks_of([[1.0, 1.3]] * 6, [[1.05, 1.2]] * 6)
    assert len({sample.block for sample in torn}) == DESIGN.confirming_looks.last
    ended = confirm(suspicion, {"epoch": torn, "step": torn})
    assert ended.to_confirm == ()
    assert ended.verdicts() == {Verdict.UNDECIDED}


@pytest.mark.parametrize("bad", [float("nan"), 0.0, float("inf")])
def test_an_impossible_fresh_value_confirms_nothing(suspicion, random, bad):
    fresh = noisy(random, 3, 1.2)
    broken = confirm(suspicion, {"step": [*fresh, ProcessSample(9, "B", bad)], "epoch": fresh})
    assert broken.verdicts() == {Verdict.UNDECIDED}
    assert "was not confirmed" in broken.judgements[1].reason


def test_where_nothing_is_suspected_confirming_changes_nothing(random):
    decision = decide({"step": noisy(random)}, {"step": noisy(random, num_b=1)}, [Metric("step")])
    assert confirm(decision, {}) == decision
