import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_samples import blocks_of, noisy, swapped

from bench.gate.verdict import DESIGN, Metric, ProcessSample, Verdict, decide
from bench.gate.verdict.wording import no_change_that_matters

STEP = Metric("step")
ACCURACY = Metric("accuracy", "accuracy", 0.002)
SEEDS = st.integers(0, 2**32 - 1)
FACTORS = st.sampled_from([0.8, 0.95, 0.98, 1.0, 1.02, 1.05, 1.25])
GREEN_OR_RED = {Verdict.IMPROVED, Verdict.UNCHANGED, Verdict.REGRESSED}


def control_of(random, **more):
    return noisy(random, num_b=1, **more)


def judge(comparison, control, metric=STEP):
    decision = decide({metric.name: comparison}, {metric.name: control}, [metric])
    return decision, decision.judgements[0]


WHOLE, PART = Metric("train_epoch"), Metric("train_epoch_running")


@pytest.mark.parametrize(
    ("whole_factor", "whole_sigma", "part_factor", "suspected", "verdicts"),
    [
        (1.10, 0.05, 1.10, [PART], [Verdict.UNDECIDED, Verdict.UNDECIDED]),  # waiting hides it in the whole
        (1.00, 0.05, 1.10, [], [Verdict.UNDECIDED, Verdict.UNDECIDED]),  # more running, less waiting: not slower
        (0.80, 0.01, 1.10, [], [Verdict.IMPROVED, Verdict.IMPROVED]),
        (1.00, 0.01, 1.10, [], [Verdict.UNCHANGED, Verdict.UNCHANGED]),
        (1.30, 0.01, 1.00, [WHOLE], [Verdict.UNDECIDED, Verdict.UNCHANGED]),  # more waiting alone
    ],
)
def test_a_part_counts_only_while_the_whole_is_undecided_and_leans_its_way(
    whole_factor, whole_sigma, part_factor, suspected, verdicts
):
    random = np.random.default_rng(7)
    samples = {
        "train_epoch": noisy(random, factor=whole_factor, sigma=whole_sigma),
        "train_epoch_running": noisy(random, factor=part_factor),
    }
    control = {"train_epoch": control_of(random, sigma=whole_sigma), "train_epoch_running": control_of(random)}
    decision = decide(samples, control, [WHOLE, PART])
    assert decision.to_confirm == tuple(metric.name for metric in suspected)
    assert [one.verdict for one in decision.judgements] == verdicts


# --- what the gate says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "verdict", "suspected"),
    [
        (1.0, Verdict.UNCHANGED, False),
        (1.01, Verdict.UNCHANGED, False),
        (1.10, Verdict.UNDECIDED, True),
        (0.90, Verdict.IMPROVED, False),
    ],
)
def test_a_clear_case_is_decided_and_a_regression_waits_for_its_confirmation(factor, verdict, suspected):
    random = np.random.default_rng(3)
    decision, judgement = judge(noisy(random, factor=factor), control_of(random))
    assert judgement.verdict is verdict
    assert decision.to_confirm == (("step",) if suspected else ())
    assert not decision.more_blocks_may_help
    assert judgement.low < factor < judgement.high
    assert judgement.control_low < 1 < judgement.control_high


def test_a_change_that_is_real_but_too_small_to_matter_is_unchanged():
    exact = blocks_of([[1.0, 1.001]] * 8, [[1.012, 1.013]] * 8)
    _, judgement = judge(exact, blocks_of([[1.0, 1.001]] * 8, [[1.0005]] * 8))
    assert judgement.low > 1
    assert judgement.verdict is Verdict.UNCHANGED


def test_noise_as_large_as_the_effect_is_undecided_and_asks_for_more_blocks():
    random = np.random.default_rng(4)
    decision, judgement = judge(noisy(random, sigma=0.08), control_of(random, num_blocks=6))
    assert judgement.verdict is Verdict.UNDECIDED
    assert decision.more_blocks_may_help
    assert judgement.detectable_effect > 0.05


def test_after_the_last_look_no_more_blocks_are_asked_for():
    random = np.random.default_rng(4)
    count = DESIGN.looks.last
    decision, judgement = judge(
        noisy(random, num_blocks=count, sigma=0.2), control_of(random, num_blocks=count, sigma=0.01)
    )
    assert judgement.verdict is Verdict.UNDECIDED
    assert not decision.more_blocks_may_help
    assert "last look" in judgement.reason


def test_identical_deterministic_values_are_unchanged():
    same = blocks_of([[512.0, 512.0]] * 4, [[512.0, 512.0]] * 4)
    _, judgement = judge(same, same, Metric("peak", "bytes"))
    assert judgement.verdict is Verdict.UNCHANGED
    assert (judgement.ratio, judgement.low, judgement.high) == (1.0, 1.0, 1.0)


def test_less_accuracy_is_worse_and_more_is_better_in_points():
    base = [[0.980, 0.981]] * 5
    for shift, suspected in ((-0.01, True), (+0.01, False)):
        other = [[value + shift for value in row] for row in base]
        decision, judgement = judge(blocks_of(base, other), blocks_of(base, base), ACCURACY)
        assert judgement.ratio == pytest.approx(shift)
        assert (decision.to_confirm == ("accuracy",)) is suspected
        assert (judgement.verdict is Verdict.IMPROVED) is not suspected


def test_more_metrics_need_more_evidence():
    random = np.random.default_rng(1)
    samples = {"step": blocks_of([[1.0, 1.001]] * 4, [[1.06, 1.061]] * 4)}
    control = {"step": control_of(random)}
    alone = decide(samples, control, [STEP])
    among_many = decide(samples, control, [STEP, *(Metric(f"other {number}") for number in range(40))])
    assert alone.to_confirm == ("step",)
    assert among_many.to_confirm == ()


def test_several_regressions_are_confirmed_clearest_first():
    random = np.random.default_rng(1)
    metrics = [Metric("a"), Metric("b"), Metric("c")]
    factors = {"a": 1.08, "b": 1.30, "c": 1.0}
    samples = {name: noisy(random, factor=factor) for name, factor in factors.items()}
    decision = decide(samples, {name: control_of(random) for name in factors}, metrics)
    assert decision.to_confirm == ("b", "a")


# --- the null control --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control_factor", [1.06, 0.94])
def test_a_base_that_differs_from_itself_makes_the_runner_unfit_and_nothing_red(control_factor):
    random = np.random.default_rng(3)
    decision, judgement = judge(noisy(random, factor=1.2), control_of(random, factor=control_factor))
    assert judgement.verdict is Verdict.UNDECIDED
    assert decision.to_confirm == ()
    assert decision.control_failure
    assert "this runner is unfit: base against base is" in judgement.reason
    assert f"{judgement.control_ratio:.3f}" in judgement.reason


def test_a_small_difference_of_base_and_base_counts_once_it_is_certain():
    comparison = blocks_of([[1.0, 1.001]] * 10, [[1.1, 1.101]] * 10)
    decision, _ = judge(comparison, blocks_of([[1.0, 1.001]] * 10, [[1.01, 1.011]] * 10))
    assert decision.control_failure


def test_without_a_control_nothing_is_decided():
    decision, judgement = judge(noisy(np.random.default_rng(3), factor=1.2), [])
    assert judgement.verdict is Verdict.UNDECIDED
    assert "base was not measured against base" in judgement.reason
    assert decision.to_confirm == ()


# --- bad samples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metric", "level"), [(STEP, 0.01), (ACCURACY, 0.9)])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1.0, 0.0])
@pytest.mark.parametrize("where", ["comparison", "control"])
@given(seed=SEEDS, factor=FACTORS, place=st.integers(0, 11))
@settings(max_examples=8)
def test_one_impossible_value_gives_neither_red_nor_green(metric, level, bad, where, seed, factor, place):
    if metric is ACCURACY and bad == 0.0:
        return  # a network that learnt nothing has that accuracy
    random = np.random.default_rng(seed)
    samples = {"comparison": noisy(random, factor=factor, level=level, sigma=0.001), "control": control_of(random)}
    if metric is ACCURACY:
        samples = {
            "comparison": blocks_of([[level] * 2] * 6, [[level] * 2] * 6),
            "control": blocks_of([[level]] * 6, [[level]] * 6),
        }
    samples[where][place] = replace(samples[where][place], value=bad)
    decision, judgement = judge(samples["comparison"], samples["control"], metric)
    assert judgement.verdict not in GREEN_OR_RED
    assert decision.to_confirm == ()
    assert "samples are not" in judgement.reason


def test_a_block_with_a_missing_value_is_left_out_for_both_sides():
    random = np.random.default_rng(3)
    samples = noisy(random, num_blocks=7)
    whole = [sample for sample in samples if sample.block != 2]
    samples[9] = replace(samples[9], value=None)
    control = control_of(random, num_blocks=7)
    _, judgement = judge(samples, control)
    _, without = judge(whole, control)
    assert (judgement.ratio, judgement.low, judgement.num_blocks) == (without.ratio, without.low, 6)
    assert judgement.reason.endswith("; left out: 1 block in which a process has no value")


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_side_without_any_value_is_not_measured(side):
    random = np.random.default_rng(3)
    samples = [replace(one, value=None if one.side == side else one.value) for one in noisy(random)]
    _, judgement = judge(samples, control_of(random))
    assert judgement.verdict is Verdict.NOT_MEASURED
    assert f"none of the 12 processes of the {'base' if side == 'A' else 'candidate'} measured it" in judgement.reason


@pytest.mark.parametrize("samples", [[], [ProcessSample(0, "A", 1.0)], [ProcessSample(0, "B", 1.0)]])
def test_a_side_that_was_never_started_is_not_measured(samples):
    _, judgement = judge(samples, [])
    assert judgement.verdict is Verdict.NOT_MEASURED


def test_one_process_a_side_is_undecided_however_different():
    decision, judgement = judge(blocks_of([[1.0]], [[9.0]]), blocks_of([[1.0]], [[1.0]]))
    assert judgement.verdict is Verdict.UNDECIDED
    assert "1 of the 4 blocks that the first look needs" in judgement.reason
    assert decision.more_blocks_may_help
    assert (judgement.low, judgement.high) == (None, None)


@pytest.mark.parametrize(
    ("metrics", "samples", "message"),
    [
        ([], {}, "metrics with names of their own"),
        ([STEP, STEP], {}, "metrics with names of their own"),
        ([STEP], {"stepp": []}, "not judged: stepp"),
    ],
)
def test_what_no_measurement_can_cause_is_an_error(metrics, samples, message):
    with pytest.raises(ValueError, match=message):
        decide(samples, {}, metrics)


@pytest.mark.parametrize(
    "arguments", [("x", "furlongs"), ("x", "seconds", 0.0), ("x", "seconds", math.nan), ("x", "accuracy", 1.0)]
)
def test_a_metric_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match="metric 'x' has the"):
        Metric(*arguments)


# --- properties --------------------------------------------------------------------------------------------------


@given(SEEDS, FACTORS, st.sampled_from([0.003, 0.01, 0.03]))
@settings(max_examples=60)
def test_swapping_the_sides_inverts_the_judgement(seed, factor, sigma):
    random = np.random.default_rng(seed)
    samples, control = noisy(random, factor=factor, sigma=sigma), control_of(random)
    decision, one = judge(samples, control)
    mirrored, other = judge(swapped(samples), control)
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert other.low == pytest.approx(1 / one.high)
    assert other.high == pytest.approx(1 / one.low)
    assert (one.verdict is Verdict.UNCHANGED) == (other.verdict is Verdict.UNCHANGED)
    assert (one.verdict is Verdict.IMPROVED) == (mirrored.to_confirm == ("step",))
    assert (other.verdict is Verdict.IMPROVED) == (decision.to_confirm == ("step",))


@given(SEEDS, FACTORS, st.floats(1e-6, 1e6))
@settings(max_examples=40)
def test_scaling_both_sides_changes_nothing(seed, factor, scale):
    random = np.random.default_rng(seed)
    samples, control = noisy(random, factor=factor), control_of(random)
    decision, one = judge(samples, control)
    scaled, other = judge([replace(sample, value=sample.value * scale) for sample in samples], control)
    assert (other.verdict, scaled.to_confirm) == (one.verdict, decision.to_confirm)
    assert (other.ratio, other.low, other.high) == pytest.approx((one.ratio, one.low, one.high))


@given(SEEDS, FACTORS, st.randoms())
@settings(max_examples=40)
def test_neither_the_order_of_blocks_nor_that_of_samples_matters(seed, factor, shuffler):
    random = np.random.default_rng(seed)
    samples, control = noisy(random, factor=factor), control_of(random)
    numbers = list(range(6))
    shuffler.shuffle(numbers)
    renumbered = [replace(sample, block=numbers[sample.block]) for sample in samples]
    shuffler.shuffle(renumbered)
    assert judge(renumbered, control) == judge(samples, control)


@given(SEEDS)
@settings(max_examples=30)
def test_what_a_whole_block_has_in_common_changes_nothing(seed):
    random = np.random.default_rng(seed)
    samples, control = noisy(random, factor=1.03), control_of(random)
    levels = np.exp(random.normal(0, 1, 6))
    drifting = [replace(sample, value=sample.value * levels[sample.block]) for sample in samples]
    assert judge(drifting, control)[1].ratio == pytest.approx(judge(samples, control)[1].ratio)


# --- the smallest effect it could have seen ----------------------------------------------------------------------


def test_an_effect_of_the_detectable_size_is_seen_as_often_as_promised():
    random = np.random.default_rng(8)
    sigma, count = 0.02, 6
    typical = np.median(
        [
            judge(noisy(random, num_blocks=count, sigma=sigma), control_of(random))[1].detectable_effect
            for _ in range(100)
        ]
    )
    seen = [
        judge(noisy(random, num_blocks=count, sigma=sigma, factor=1 + typical), control_of(random))[0].to_confirm != ()
        for _ in range(200)
    ]
    assert 0.88 <= np.mean(seen) <= 1.0


@pytest.mark.parametrize(
    ("metric", "interval", "reason"),
    [
        (Metric("train_epoch"), (0.97, 1.02), "a change of 5.0 % is excluded in both directions"),
        (Metric("train_epoch"), (1.025, 1.043), "slower by 2.5 to 4.3 %, less than the 5.0 % that matters"),
        (Metric("train_epoch"), (0.96, 0.99), "faster by 1.0 to 4.0 %, less than the 5.0 % that matters"),
        (Metric("peak", "bytes", 0.1), (1.02, 1.05), "larger by 2.0 to 5.0 %, less than the 10.0 % that matters"),
        (
            Metric("test", "accuracy", 0.002),
            (-0.0015, -0.0005),
            "worse by 0.05 to 0.15 points, less than the 0.20 points that matters",
        ),
    ],
)
def test_a_small_change_that_is_shown_is_said(metric, interval, reason):
    assert no_change_that_matters(metric, *interval) == reason
