"""CSV cells: escaping of texts that spreadsheets would evaluate as formulas, and of invalid UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

# Beginnings that spreadsheets evaluate as a formula (OWASP, "CSV Injection"); numbers are exempt.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Any) -> Any:
    """Return ``value``, with an apostrophe before a text that looks like a formula."""
    if not isinstance(value, str):
        return value
    text = utf_8(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def utf_8(value: Any) -> Any:
    """Return a text as valid UTF-8, with undecodable bytes escaped."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Format a header and rows; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def shielded(frame: pd.DataFrame, by: Callable[[Any], Any] = cell) -> pd.DataFrame:
    """Return ``frame`` with ``cell`` applied to all texts, ready for ``DataFrame.to_csv``."""
    texts = {
        name: column.map(by, na_action="ignore")
        for name, column in frame.items()
        if not is_numeric_dtype(column) and not is_bool_dtype(column) and not _is_plain(column, by)
    }
    return frame.assign(**texts)


def _is_plain(column: pd.Series, by: Callable[[Any], Any]) -> bool:
    """Return whether no name of a categorical column changes, which is sooner known than applied."""
    return isinstance(column.dtype, pd.CategoricalDtype) and all(by(one) == one for one in column.cat.categories)
