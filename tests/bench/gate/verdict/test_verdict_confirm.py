import numpy as np
import pytest
from verdict_samples import blocks_of, noisy

from bench.gate.verdict import DESIGN, Metric, ProcessSample, Verdict, confirm, decide

METRICS = [Metric("epoch"), Metric("step")]
WHOLE, PART = Metric("train_epoch"), Metric("train_epoch_running")


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
    last = DESIGN.confirming_looks.last
    torn = blocks_of([[1.0, 1.3]] * last, [[1.05, 1.2]] * last)
    ended = confirm(suspicion, {"epoch": torn, "step": torn})
    assert ended.to_confirm == ()
    assert ended.verdicts() == {Verdict.UNDECIDED}


def suspected_part(random, metrics=(WHOLE, PART)):
    """The part looks regressed; the whole, if judged, is too noisy to, and leans that way."""
    samples = {"train_epoch": noisy(random, factor=1.10, sigma=0.05), "train_epoch_running": noisy(random, factor=1.10)}
    samples = {metric.name: samples[metric.name] for metric in metrics}
    decision = decide(samples, {name: noisy(random, num_b=1) for name in samples}, metrics)
    assert decision.to_confirm == ("train_epoch_running",)
    return decision


@pytest.mark.parametrize(
    ("whole_factor", "verdict"), [(1.10, Verdict.REGRESSED), (1.01, Verdict.UNDECIDED), (None, Verdict.UNDECIDED)]
)
def test_a_part_is_confirmed_only_if_its_whole_leans_that_way_in_the_fresh_blocks(whole_factor, verdict):
    random, last = np.random.default_rng(7), DESIGN.confirming_looks.last
    decision = suspected_part(random)
    fresh = {"train_epoch_running": noisy(random, last, 1.10)}
    if whole_factor:
        fresh["train_epoch"] = noisy(random, last, whole_factor)
    found = confirm(decision, fresh)
    assert verdicts(found)["train_epoch_running"] is verdict
    reason = found.judgements[1].reason
    assert ("train_epoch does not lean that way" in reason) is (verdict is Verdict.UNDECIDED)
    assert found.to_confirm == ()


def test_a_part_whose_whole_does_not_lean_yet_asks_for_more_blocks():
    random = np.random.default_rng(7)
    decision = suspected_part(random)
    waiting = confirm(decision, {"train_epoch_running": noisy(random, 3, 1.10), "train_epoch": noisy(random, 3)})
    assert waiting.to_confirm == ("train_epoch_running",)


def test_a_part_whose_whole_is_not_judged_is_confirmed_alone():
    random = np.random.default_rng(7)
    found = confirm(suspected_part(random, [PART]), {"train_epoch_running": noisy(random, 3, 1.10)})
    assert verdicts(found) == {"train_epoch_running": Verdict.REGRESSED}


@pytest.mark.parametrize("metrics", [[WHOLE, PART], [PART, WHOLE]])
def test_a_whole_is_confirmed_before_its_part_however_clear_that_is(random, metrics):
    samples = {"train_epoch": noisy(random, factor=1.10), "train_epoch_running": noisy(random, factor=1.30)}
    decision = decide(samples, {name: noisy(random, num_b=1) for name in samples}, metrics)
    assert decision.to_confirm == ("train_epoch", "train_epoch_running")


@pytest.mark.parametrize("bad", [float("nan"), 0.0, float("inf")])
def test_an_impossible_fresh_value_confirms_nothing(suspicion, random, bad):
    fresh = noisy(random, 3, 1.2)
    broken = confirm(suspicion, {"step": [*fresh, ProcessSample(9, "B", bad)], "epoch": fresh})
    assert broken.verdicts() == {Verdict.UNDECIDED}
    assert "was not confirmed" in broken.judgements[1].reason


def test_where_nothing_is_suspected_confirming_changes_nothing(random):
    decision = decide({"step": noisy(random)}, {"step": noisy(random, num_b=1)}, [Metric("step")])
    assert confirm(decision, {}) == decision
