"""Frame ``operations`` of profile folders: one row for each operation of each profiled stack."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from bench.advice import bench_command
from bench.errors import RecordError
from bench.records.columns import OPERATIONS
from bench.records.frames import read_each, typed_frame
from bench.records.profile import Profile
from bench.records.profile_file import FILE_NAME, load
from bench.report.profile.attainable import share_of_ceiling


def load_operations(path: str | Path = "results/profiles") -> pd.DataFrame:
    """Load the operations of one profile, or of every profile below a folder; columns: see results/README.md.

    An unreadable profile is skipped with a warning (``RecordWarning``).

    Raises
    ------
    RecordError
        If no profile is found, or none can be read.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.rglob(FILE_NAME))
    if not files:
        raise RecordError(f"{path} holds no profiles: make one with {bench_command('profile')}.")
    rows = read_each(files, lambda file: _rows(load(file)), stacklevel=3)
    return typed_frame([row for of_profile in rows for row in of_profile], OPERATIONS)


def frame(profile: Profile) -> pd.DataFrame:
    """Return one row for each operation, the most expensive of each function first.

    ``seconds``, ``flop`` and ``bytes`` are per call of the function; ``share`` is the fraction of its profiled time;
    rates are per second of the operation.  Unknown values are NA.
    """
    return typed_frame(_rows(profile), OPERATIONS)


def _rows(profile: Profile) -> list[dict[str, Any]]:
    rows = []
    for function in dict.fromkeys(operation.function for operation in profile.operations):
        for operation in profile.of(function):
            row = {"profile_id": profile.profile_id, **profile.stack, **asdict(operation)}
            row["share"] = profile.share(operation)
            row["share_of_ceiling"] = share_of_ceiling(operation, profile)
            for quantity in ("flop", "bytes"):
                amount = row[quantity]
                known = amount is not None and operation.seconds > 0
                row[f"{quantity}_per_second"] = amount / operation.seconds if known else None
            for side in ("input_shapes", "output_shapes"):
                row[side] = "; ".join("x".join(map(str, shape)) for shape in row[side] if shape) or None
            rows.append(row)
    return rows
