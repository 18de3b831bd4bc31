"""Profiles in their folders -> the frame ``operations``: one row for each operation of each profiled stack."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from bench.errors import RecordError, RecordWarning
from bench.records.profile_file import FILE_NAME, frame, load

CATEGORIES = ["profile_id", "backend", "variant", "device", "function", "kind"]


def load_operations(path: str | Path = "results/profiles") -> pd.DataFrame:
    """The operations of one profile, or of every profile below a folder; every column is in results/README.md.

    A profile that cannot be read costs its own operations; a warning (``RecordWarning``) names it.

    Raises
    ------
    RecordError
        If there is no profile, or none can be read.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.rglob(FILE_NAME))
    if not files:
        raise RecordError(f"{path} holds no profiles: make one with python -m bench profile.")
    frames, errors = [], []
    for file in files:
        try:
            frames.append(frame(load(file)))
        except RecordError as error:
            errors.append(error)
    if not frames:
        raise errors[0]
    for error in errors:
        warnings.warn(f"left out: {error}", RecordWarning, stacklevel=2)
    whole = pd.concat([one.astype(dict.fromkeys(CATEGORIES, "object")) for one in frames], ignore_index=True)
    return whole.astype(dict.fromkeys(CATEGORIES, "category"))
