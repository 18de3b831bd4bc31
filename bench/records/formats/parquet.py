"""Parquet export: a file for each pandas frame, with all recorded samples, also invalid ones.

Categories stay dictionaries, missing values stay null, and the field metadata has unit and meaning.
``pandas.read_parquet`` returns the same frame.
"""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from bench.records.columns import FRAMES, FrameColumn
from bench.records.csv_cells import shielded, utf_8
from bench.records.formats.series import Run


def render(run: Run) -> dict[str, bytes]:
    return {f"{name}.parquet": _to_parquet(frame, FRAMES[name]) for name, frame in run.frames._asdict().items()}


def _to_parquet(frame: pd.DataFrame, columns: tuple[FrameColumn, ...]) -> bytes:
    table = _table(frame)
    fields = [_field(field, column) for field, column in zip(table.schema, columns, strict=True)]
    schema = pa.schema(fields, table.schema.metadata)
    buffer = io.BytesIO()
    parquet.write_table(table.cast(schema), buffer)
    return buffer.getvalue()


def _table(frame: pd.DataFrame) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except UnicodeEncodeError:  # a name that is not UTF-8
        return pa.Table.from_pandas(shielded(frame, utf_8), preserve_index=False)


def _field(field: pa.Field, column: FrameColumn) -> pa.Field:
    """Return ``field`` with its unit and meaning; an all-missing text column has type text, not null."""
    if pa.types.is_dictionary(field.type) and pa.types.is_null(field.type.value_type):
        field = field.with_type(pa.dictionary(field.type.index_type, pa.string()))
    unit = {} if column.unit is None else {"unit": column.unit}
    return field.with_metadata({**unit, "meaning": column.meaning})
