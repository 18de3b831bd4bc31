"""Intervals cover the median as often as they say, on every noise model; docs/statistics.md says what was found."""

import re
from pathlib import Path

import pytest

from benchmarks.coverage import DEPENDENT, NOISE, SIZES, coverage, recorded

TABLE = (Path(__file__).resolve().parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")


def written(name):
    """The numbers of a row of the first table that has it, as fractions."""
    (row, *_) = re.findall(rf"^\| {re.escape(name)} +\|(.*)\|$", TABLE, re.M)
    return [float(cell.strip().rstrip(" %")) / 100 for cell in row.split("|")]


@pytest.fixture(scope="module")
def draws():
    return {**NOISE, **recorded()}


@pytest.mark.slow
@pytest.mark.parametrize("num_values", [6, 15, 30])
def test_the_interval_of_a_median_covers_it_as_often_as_it_says(num_values, draws):
    for name, draw in draws.items():
        assert 0.93 < coverage(draw, num_values) < 0.98, name


@pytest.mark.slow
def test_the_documented_coverage_is_what_the_simulation_finds():
    for name, draw in {**NOISE, **DEPENDENT}.items():
        found = [coverage(draw, size, 4000) for size in SIZES]
        assert found == pytest.approx(written(name), abs=0.02), name
