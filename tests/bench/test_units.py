"""Numbers become text with their unit, and what is missing becomes a dash and never 0."""

import pytest

from bench.units import (
    MISSING,
    format_count,
    format_joules,
    format_number,
    format_points,
    format_probability,
    format_range,
    format_seconds,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_points(-0.00524), "-0.52 points"),
        (format_points(0.002), "+0.20 points"),
        (format_range(0.9781, 31.24), "0.978 to 31.2"),
        (format_probability(0.0312), "0.031"),
        (format_probability(0.0), "< 0.0001"),
        (format_joules(12.34), "12.3 J"),
        (format_joules(4560.0), "4.56 kJ"),
        (format_count(7.0), "7"),
        (format_count(6.5), "6.5"),
        (format_seconds(5e-324), "4.94e-315 ns"),
        (format_number(-2e300), "-2e+300"),
        (format_number(3e-308), "3e-308"),
    ],
)
def test_a_number_has_its_unit_and_its_digits(text, expected):
    assert text == expected


@pytest.mark.parametrize("format_one", [format_count, format_joules, format_points, format_probability])
@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf")])
def test_nothing_is_a_dash(format_one, nothing):
    assert format_one(nothing) == MISSING


def test_half_a_range_is_none():
    assert format_range(1.0, None) == format_range(None, 1.0) == MISSING
