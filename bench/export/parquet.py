"""Parquet: a file for each pandas frame, everything that is on record, bad samples too.

Categories stay dictionaries, missing stays null, and each measured column says its unit in the metadata of its field.
``pandas.read_parquet`` gives the same frame back.
"""

from __future__ import annotations

import io

import pyarrow as pa
from pyarrow import parquet

from bench.export.series import Run

UNIT_OF = {  # what a column's name ends with -> its unit
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


def _to_parquet(frame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [field.with_metadata({"unit": unit}) if (unit := unit_of(field.name)) else field for field in table.schema]
    buffer = io.BytesIO()
    parquet.write_table(table.cast(pa.schema(fields, table.schema.metadata)), buffer)
    return buffer.getvalue()
