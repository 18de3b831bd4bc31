"""A profile and its file, ``profile.json``; and its operations as a pandas frame."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from bench.errors import RecordError
from bench.records.profile import SCHEMA_VERSION, Profile
from bench.records.run_folder import write_json
from bench.records.shape import build
from bench.report.profile.attainable import share_of_ceiling

FILE_NAME = "profile.json"
COLUMNS = ("profile_id", "backend", "variant", "device", "function", "name", "kind", "calls", "seconds", "share")
COLUMNS += ("flop", "bytes", "flop_per_second", "bytes_per_second", "share_of_ceiling")
COLUMNS += ("input_shapes", "output_shapes", "source")


def save(profile: Profile, path: Path) -> None:
    """Write ``profile`` to ``path``, complete or not at all; raises RecordError if that fails."""
    write_json(path, asdict(profile), "free space, or name another directory with --output")


def load(path: str | Path) -> Profile:
    """The profile in ``path``: a file, or the folder of one.

    Raises
    ------
    RecordError
        If there is none, or it is empty, damaged, something else, or of a newer schema.
    """
    path = Path(path)
    file = path / FILE_NAME if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        reason = "it has no profile.json" if path.is_dir() else error.strerror
        raise RecordError(
            f"{path} is no profile ({reason}): name a folder that python -m bench profile wrote."
        ) from None
    except UnicodeDecodeError:
        raise RecordError(f"{file} is no profile: it is not text.") from None
    if not text.strip():
        raise RecordError(f"{file} is empty: measure again with python -m bench profile.")
    try:
        content = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{file} is damaged or no profile ({error}): measure again.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or "operations" not in content:
        raise RecordError(f"{file} is no profile of mlp-bench: it has no schema_version, or no operations.")
    if version > SCHEMA_VERSION:
        raise RecordError(
            f"{file} has schema version {version}, this version of mlp-bench reads up to {SCHEMA_VERSION}: update "
            "mlp-bench to read it."
        )
    try:
        return build(Profile, content, "profile")
    except ValueError as error:
        raise RecordError(f"{file} is damaged ({error}): restore it from a copy, or measure again.") from error


def _finite(text: str) -> float:
    """Return a number of JSON, which has no NaN and no infinity; Python reads and writes both."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def frame(profile: Profile) -> pd.DataFrame:
    """One row for each operation, the most expensive of each function first.

    ``seconds``, ``flop`` and ``bytes`` are per call of the function; ``share`` is the fraction of its profiled time;
    rates are per second of the operation.  What is not known is NA.
    """
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
            rows.append({name: row.get(name) for name in COLUMNS})
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["calls", "seconds", "share", "flop", "bytes", "flop_per_second", "bytes_per_second"]
    numbers.append("share_of_ceiling")
    return made.astype({**dict.fromkeys(numbers, "float64"), "kind": "category", "function": "category"})
