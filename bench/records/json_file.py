"""JSON as tools write it: UTF-8 with or without a byte-order mark, UTF-16, or compressed with gzip, by its content."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from pathlib import Path
from typing import Any

GZIP_MAGIC = b"\x1f\x8b"


def read_text(path: Path) -> str:
    """The text of a file; bytes that are no text stay what they are, as surrogates.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is gzip, and damaged.
    """
    raw = path.read_bytes()
    if raw.startswith(GZIP_MAGIC):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"a gzip file that is damaged: {error}") from error
    encoding = json.detect_encoding(raw)
    return raw.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict")


def read_json(path: Path) -> Any:
    """The value in a file; raises OSError and ValueError as ``read_text`` does, and for what is no JSON."""
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def finite(value: Any) -> Any:
    """Replace NaN and infinity by None, as JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value
