"""Outliers among equal machines: found when they are there, rarely when they are not."""

import math

import numpy as np
import pytest

from bench.stats.outliers import Healthy, against, healthy_of, outliers


def fleet(num_machines, num_metrics=1, seed=0, **sick):
    """Healthy machines that differ by 1 %; ``sick`` maps a number, as m3, to a factor on the first metric."""
    logs = 0.01 * np.random.default_rng(seed).standard_normal((num_metrics, num_machines))
    values = {metric: {f"m{name}": log for name, log in enumerate(row)} for metric, row in enumerate(logs)}
    for name, factor in sick.items():
        values[0][name] += math.log(factor)
    return values


def found(judged):
    return {(metric, name) for metric, by_name in judged.items() for name, one in by_name.items() if one.is_outlier}


def test_a_slow_machine_is_found_with_its_ratio():
    judged = outliers(fleet(20, 5, m3=1.2))
    assert found(judged) == {(0, "m3")}
    one = judged[0]["m3"]
    assert one.low < 1.2 < one.high and one.low > 1.1


def test_several_outliers_do_not_hide_each_other():
    assert found(outliers(fleet(20, 10, m3=1.2, m4=1.21, m5=1.19))) == {(0, "m3"), (0, "m4"), (0, "m5")}


@pytest.mark.parametrize(("num_machines", "num_metrics"), [(4, 3), (8, 5), (16, 3)])
def test_false_alarms_are_within_the_family_wise_error(num_machines, num_metrics):
    """Of 150 healthy fleets at most 10 % have an alarm: 5 % and three standard errors."""
    alarms = sum(bool(found(outliers(fleet(num_machines, num_metrics, seed)))) for seed in range(150))
    assert alarms <= 15


def test_few_machines_are_not_judged():
    assert outliers(fleet(3, m1=2.0)) == {}


def test_equal_values_have_no_outlier_and_an_exact_ratio():
    judged = outliers({"x": dict.fromkeys("abcd", 0.5)})
    assert found(judged) == set() and judged["x"]["a"].ratio == 1


def test_one_machine_is_judged_against_a_known_distribution():
    healthy = {0: healthy_of(fleet(20)[0])}
    assert found(against(healthy, {0: {"new": math.log(1.1)}})) == {(0, "new")}
    assert found(against(healthy, {0: {"new": math.log(1.01)}})) == set()
    assert against(healthy, {"unknown": {"new": 0.0}}) == {}


def test_the_interval_is_that_of_a_prediction():
    """scipy's t with 3 degrees of freedom, by hand: 3.1824 * 0.1 * sqrt(1.25)."""
    one = against({0: Healthy(0.0, 0.1, 4)}, {0: {"new": 0.0}})[0]["new"]
    assert math.log(one.high) == pytest.approx(0.35580, rel=1e-4)
