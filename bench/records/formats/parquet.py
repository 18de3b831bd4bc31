"""Parquet export: a file for each pandas frame, with all recorded samples, also invalid ones.

Categories stay dictionaries, missing values stay null, and the field metadata of a measured column has its unit.
``pandas.read_parquet`` returns the same frame.
"""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from bench.records.csv_cells import shielded, utf_8
from bench.records.formats.series import Run

UNIT_OF = {  # suffix of a column's name -> its unit
    "seconds": "s",
    "bytes": "B",
    "flop": "FLOP",
    "joules": "J",
    "mhz": "MHz",
    "watts": "W",
    "celsius": "°C",
    "percent": "%",
    "loss": "nat",
    "accuracy": "1",
}


def render(run: Run) -> dict[str, bytes]:
    return {f"{name}.parquet": _to_parquet(frame) for name, frame in run.frames._asdict().items()}


def unit_of(column: str) -> str | None:
    return next((unit for ending, unit in UNIT_OF.items() if column.endswith(ending)), None)


def _to_parquet(frame: pd.DataFrame) -> bytes:
    table = _table(frame)
    schema = pa.schema([_field(field) for field in table.schema], table.schema.metadata)
    buffer = io.BytesIO()
    parquet.write_table(table.cast(schema), buffer)
    return buffer.getvalue()


def _table(frame: pd.DataFrame) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except UnicodeEncodeError:  # a name that is not UTF-8
        return pa.Table.from_pandas(shielded(frame, utf_8), preserve_index=False)


def _field(field: pa.Field) -> pa.Field:
    """Return ``field`` with its unit; an all-missing text column is typed as text instead of Arrow's null."""
    if pa.types.is_dictionary(field.type) and pa.types.is_null(field.type.value_type):
        field = field.with_type(pa.dictionary(field.type.index_type, pa.string()))
    unit = unit_of(field.name)
    return field if unit is None else field.with_metadata({"unit": unit})
