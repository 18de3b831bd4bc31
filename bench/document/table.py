"""Columns of a table: each has a name, and a kind that gives its values their unit, text and alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from bench.units import (
    MISSING,
    format_bytes,
    format_count,
    format_interval,
    format_joules,
    format_number,
    format_number_with_range,
    format_percent,
    format_points,
    format_probability,
    format_range,
    format_seconds,
    format_seconds_with_interval,
)


@dataclass(frozen=True)
class Kind:
    """Kind of a column's values."""

    text: Callable[[Any], str]  # formats a value that is not None; None is ``MISSING``
    unit: str | None = None  # of the values; of an interval, a (low, high) pair, that of its bounds
    is_number: bool = True  # right-aligned where an output aligns


def _percent_interval(bounds: tuple[float | None, float | None], digits: int) -> str:
    if None in bounds:
        return MISSING
    return " to ".join(format_percent(bound, digits) for bound in bounds)


class Link(NamedTuple):
    """Text that leads to ``address``, relative to its page; outputs other than a page show the text."""

    text: str
    address: str


TEXT = Kind(str, is_number=False)
LINK = Kind(lambda link: link.text, is_number=False)
INTEGER = Kind("{:,}".format)
COUNT = Kind(format_count)  # also a median of counts
NUMBER = Kind(format_number)
NUMBER_INTERVAL = Kind(lambda bounds: format_range(*bounds))
SECONDS = Kind(format_seconds, "s")
SECONDS_INTERVAL = Kind(lambda bounds: format_interval(*bounds), "s")
NUMBER_WITH_INTERVAL = Kind(lambda value: format_number_with_range(*value))  # (center, low, high)
SECONDS_WITH_INTERVAL = Kind(lambda value: format_seconds_with_interval(*value), "s")
FRACTION = Kind(format_percent, "fraction")  # as percent, two digits after the point
FRACTION_INTERVAL = Kind(partial(_percent_interval, digits=2), "fraction")
SHARE = Kind(partial(format_percent, digits=1), "fraction")
SHARE_INTERVAL = Kind(partial(_percent_interval, digits=1), "fraction")
POINTS = Kind(format_points, "fraction")  # a difference of two fractions, in percentage points
PROBABILITY = Kind(format_probability)
BYTES = Kind(format_bytes, "bytes")
BYTES_PER_SECOND = Kind(lambda rate: f"{format_bytes(rate)}/s", "bytes/s")
JOULES = Kind(format_joules, "J")
NUMBER_TEXT = Kind(str)  # numbers that are text already


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind = TEXT

    def text(self, value: Any) -> str:
        return MISSING if value is None else self.kind.text(value)


Cells = Sequence[tuple[Column | str, Any]]  # of a row: each value beside its column


def table(rows: Iterable[Cells]) -> tuple[list[Column | str], list[list[Any]]]:
    """Return (columns, rows) of rows that have the same columns; no columns without rows."""
    rows = list(rows)
    return [column for column, _ in rows[0]] if rows else [], [[value for _, value in row] for row in rows]
