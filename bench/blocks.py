"""Blocks of rows that share their keys: how a frame of a million samples is built without a million dicts.

One process replicate yields thousands of samples of one case.  The case is kept once for the block; its columns are
typed with one row for each block, and only then repeated, by array operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

Typed = Callable[[pd.DataFrame], pd.DataFrame]


class Blocks:
    """Rows under ``columns``: some are keys, the same in a whole block; the ``own`` ones differ from row to row."""

    def __init__(self, columns: list[str], own: tuple[str, ...]) -> None:
        self._columns = columns
        self._shared = [column for column in columns if column not in own]
        self._keys: list[dict[str, Any]] = []
        self._counts: list[int] = []
        self._own: dict[str, list[Any]] = {column: [] for column in own}

    def add(self, keys: dict[str, Any], **own: list[Any]) -> None:
        """A block: ``own`` has one list for each own column, all of one length; without rows it leaves no trace."""
        (count,) = {len(own[column]) for column in self._own}
        if not count:
            return
        self._keys.append(keys)
        self._counts.append(count)
        for column, values in self._own.items():
            values.extend(own[column])

    def frame(self, typed: Typed) -> pd.DataFrame:
        """All rows in the order they came; ``typed`` gives the columns of a frame their types."""
        keys = typed(pd.DataFrame(self._keys, columns=self._shared))
        repeated = keys.take(np.repeat(np.arange(len(keys)), self._counts)).reset_index(drop=True)
        own = typed(pd.DataFrame(self._own))
        return pd.concat([repeated, own], axis="columns")[self._columns]
