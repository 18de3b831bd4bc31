"""Text in CSV as text: no spreadsheet takes a name for a formula, and no name stops a file from being written."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"); numbers are no text.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Any) -> Any:
    """``value`` as it may stand in a file: an apostrophe comes before a text that looks like a formula."""
    if not isinstance(value, str):
        return value
    text = utf_8(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def utf_8(value: Any) -> Any:
    """A text as UTF-8 can hold it: bytes of another encoding are shown as what they are."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A header and the rows; what is None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def shielded(frame: pd.DataFrame, by: Callable[[Any], Any] = cell) -> pd.DataFrame:
    """``frame`` with the texts of its columns as ``cell`` makes them, ready for ``DataFrame.to_csv``."""
    texts = {
        name: column.map(by, na_action="ignore")
        for name, column in frame.items()
        if not is_numeric_dtype(column) and not is_bool_dtype(column)
    }
    return frame.assign(**texts)
