"""Formatting of numbers with units.  Missing is a dash, never 0."""

from __future__ import annotations

import math

MISSING = "\N{EN DASH}"
MOST_DIGITS = 15  # of a number without an exponent


def format_seconds(seconds: float | None) -> str:
    """Format three significant digits in a fitting unit: ``12.3 s``, ``4.56 ms``, ``789 µs``; minutes from 120 s."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds >= 120:
        return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(seconds) >= scale:
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns" if seconds else "0 s"


def format_minutes(seconds: float) -> str:
    """Format an estimated time: ``about 17 minutes``, ``about 1 minute``, ``less than a minute``."""
    minutes = round(seconds / 60)
    if seconds < 45:
        return "less than a minute"
    return "about 1 minute" if minutes <= 1 else f"about {minutes} minutes"


def format_interval(low: float | None, high: float | None) -> str:
    """Format two durations in seconds: ``1.20 s to 1.31 s``."""
    if low is None or high is None:
        return MISSING
    return f"{format_seconds(low)} to {format_seconds(high)}"


def format_bytes(num_bytes: float | None) -> str:
    if num_bytes is None or not math.isfinite(num_bytes):
        return MISSING
    for scale, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if num_bytes >= scale:
            return f"{_three_digits(num_bytes / scale)} {unit}"
    return f"{num_bytes:.0f} B"


def format_percent(fraction: float | None, digits: int = 2) -> str:
    return MISSING if fraction is None or not math.isfinite(fraction) else f"{fraction * 100:.{digits}f} %"


def format_points(difference: float | None) -> str:
    """Format a difference of two fractions in percentage points: ``-0.12 points``."""
    return MISSING if difference is None or not math.isfinite(difference) else f"{difference * 100:+.2f} points"


def format_count(count: float | None) -> str:
    """Format a count, or a median of counts, which may end in one half: ``7``, ``6.5``."""
    return MISSING if count is None or not math.isfinite(count) else f"{count:g}"


def number_of(count: int, noun: str) -> str:
    """Format a number of things whose plural ends in s: ``1 stack``, ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_expectation(count: float) -> str:
    """Format a count expected by chance, to the digits that matter: ``3``, ``0.1``."""
    return f"{count:.0f}" if count >= 1 else f"{count:.1g}"


def format_range(low: float | None, high: float | None) -> str:
    """Format two plain numbers, e.g. the bounds of a ratio: ``1.20 to 1.31``."""
    return MISSING if low is None or high is None else f"{format_number(low)} to {format_number(high)}"


def format_number_with_range(center: float | None, low: float | None, high: float | None) -> str:
    """Format e.g. ``1.25 (1.20 to 1.31)``, without the parentheses if a bound is missing."""
    return _beside(format_number(center), format_range(low, high))


def format_seconds_with_interval(center: float | None, low: float | None, high: float | None) -> str:
    """Format e.g. ``438 ms (383 ms to 485 ms)``, without the parentheses if a bound is missing."""
    return _beside(format_seconds(center), format_interval(low, high))


def _beside(center: str, bounds: str) -> str:
    return center if bounds == MISSING else f"{center} ({bounds})"


def format_probability(probability: float | None) -> str:
    """Format two significant digits, or ``< 0.0001``: smaller values depend on the test's assumptions."""
    if probability is None or not math.isfinite(probability):
        return MISSING
    return "< 0.0001" if probability < 0.0001 else f"{probability:.2g}"


def format_joules(joules: float | None) -> str:
    """Format three significant digits: ``12.3 J``, ``4.56 kJ``."""
    if joules is None or not math.isfinite(joules):
        return MISSING
    return f"{_three_digits(joules / 1000)} kJ" if abs(joules) >= 1000 else f"{_three_digits(joules)} J"


def format_number(value: float | None) -> str:
    """Format three significant digits, thousands separated."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}" if 1000 <= abs(value) < 10**MOST_DIGITS else _three_digits(value)


def short_commit(commit: str | None, missing: str = MISSING) -> str:
    """Return the first seven digits, or ``missing`` uncut without a commit."""
    return commit[:7] if commit else missing


def _three_digits(value: float) -> str:
    digits = 2 - math.floor(math.log10(abs(value))) if value else 2
    if abs(digits) > MOST_DIGITS:
        return f"{value:.3g}"
    if 10 ** (-digits) * round(abs(value) * 10**digits) >= 10 ** (3 - digits):  # 9.995 rounds to 10.0, not 10.00
        digits -= 1
    return f"{value:.{max(digits, 0)}f}"
