"""Blocks of rows with common keys: memory-efficient construction of a frame of a million samples.

One process replicate yields thousands of samples of one case.  The case is stored once per block; its columns are
typed with one row for each block, and only then repeated, by array operations.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from bench.records.columns import FrameColumn


class RowBlocks:
    """Rows with ``columns``: keys are constant in a block, ``own`` columns vary by row.

    ``types`` are the type codes of purely numeric own columns, which are stored in arrays of eight bytes per number
    that the frame shares.
    """

    def __init__(self, columns: Sequence[FrameColumn], own: tuple[str, ...], types: Mapping[str, str]) -> None:
        self._columns = columns
        self._keys: dict[str, list[Any]] = {column.name: [] for column in columns if column.name not in own}
        self._counts: list[int] = []
        self._own: dict[str, list[Any] | array] = {name: array(types[name]) if name in types else [] for name in own}

    def add(self, keys: dict[str, Any], **own: Sequence[Any]) -> None:
        """Add a block: ``own`` has one list for each own column, all of equal length; an empty block is ignored."""
        (count,) = {len(own[column]) for column in self._own}
        if not count:
            return
        for column, values in self._keys.items():
            values.append(keys[column])
        self._counts.append(count)
        for column, values in self._own.items():
            is_float = isinstance(values, array) and values.typecode == "d"
            values.extend([math.nan if value is None else value for value in own[column]] if is_float else own[column])

    def frame(self) -> pd.DataFrame:
        """Return all rows in insertion order.

        Conversion is column by column, which avoids a second copy of all data.
        """
        rows = np.repeat(np.arange(len(self._counts)), self._counts)
        columns = {}
        for column in self._columns:
            values = self._own.get(column.name)
            if values is None:
                columns[column.name] = typed(column, self._keys.pop(column.name)).take(rows)
            elif isinstance(values, array) and values:
                columns[column.name] = typed(column, np.frombuffer(values, values.typecode))
            else:
                columns[column.name] = typed(column, list(values))
        return pd.DataFrame(columns, copy=False)


def typed_frame(rows: list[dict[str, Any]], columns: Sequence[FrameColumn]) -> pd.DataFrame:
    """Return a frame of ``rows`` with these columns, and NA for a missing value."""
    return pd.DataFrame({one.name: typed(one, [row.get(one.name) for row in rows]) for one in columns}, copy=False)


def typed(column: FrameColumn, values: Any) -> Any:
    """Return a column with names as categories, counts as nullable integers, and measured numbers as float64."""
    dtype = column.kind.dtype
    if dtype == "category":
        return _categories([_joined(value) for value in values] if column.name == "throttle_reasons" else values)
    if dtype is None:
        return pd.Series(values, dtype=None if len(values) else object).array
    return pd.array(values, dtype=dtype)


def _categories(values: Sequence[str | None]) -> pd.Categorical:
    """Return names as a categorical with sorted categories: what ``astype`` does, in half the time."""
    names = sorted({value for value in values if value is not None})
    codes = {name: code for code, name in enumerate(names)}
    return pd.Categorical.from_codes([codes.get(value, -1) for value in values], dtype=_category_dtype(tuple(names)))


@lru_cache(maxsize=512)
def _category_dtype(names: tuple[str, ...]) -> pd.CategoricalDtype:
    """Return the dtype of these categories, kept because checking them takes as long as a column of a small run."""
    return pd.CategoricalDtype(pd.Index(names, dtype="str") if names else pd.Index([], dtype=object))


def _joined(reasons: Any) -> str | None:
    """Join reasons to one text; None for none or unknown."""
    return "; ".join(reasons) if isinstance(reasons, list) and reasons else None
