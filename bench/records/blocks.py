"""Blocks of rows with common keys: memory-efficient construction of a frame of a million samples.

One process replicate yields thousands of samples of one case.  The case is stored once per block; its columns are
typed with one row for each block, and only then repeated, by array operations.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

Typed = Callable[[str, Sequence[Any]], Any]


class RowBlocks:
    """Rows with ``columns``: keys are constant in a block, ``own`` columns vary by row.

    ``types`` are the type codes of purely numeric own columns, which are stored in arrays of eight bytes per number
    that the frame shares.
    """

    def __init__(self, columns: list[str], own: tuple[str, ...], types: Mapping[str, str]) -> None:
        self._columns = columns
        self._keys: dict[str, list[Any]] = {column: [] for column in columns if column not in own}
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

    def frame(self, typed: Typed) -> pd.DataFrame:
        """Return all rows in insertion order; ``typed`` makes an array of the values of a column.

        Conversion is column by column, which avoids a second copy of all data.
        """
        rows = np.repeat(np.arange(len(self._counts)), self._counts)
        columns = {}
        for name in self._columns:
            if name in self._keys:
                columns[name] = typed(name, self._keys.pop(name)).take(rows)
            else:
                columns[name] = typed(name, _column(self._own[name]))
        return pd.DataFrame(columns, copy=False)


def _column(values: list[Any] | array) -> Any:
    return np.frombuffer(values, values.typecode) if isinstance(values, array) and len(values) else list(values)
