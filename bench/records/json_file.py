"""Reading of JSON in UTF-8 with or without a byte-order mark, UTF-16, or gzip, detected by content."""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

# Types of numbers in files, for msgspec: an integer of JSON may have any number of digits.
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0)]
Decoded = TypeVar("Decoded")
GZIP_MAGIC = b"\x1f\x8b"
_ESCAPE = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.")


def read_text(path: Path) -> str:
    """Read the text of a file; undecodable bytes and lone surrogates, which no output can hold, become U+FFFD.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is a damaged gzip file.
    """
    raw = path.read_bytes()
    if raw.startswith(GZIP_MAGIC):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"a gzip file that is damaged: {error}") from error
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding, "replace" if encoding.startswith("utf-8") else "strict")
    if "\\ud" in text or "\\uD" in text:
        text = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    return text


def read_json(path: Path) -> Any:
    """Read the JSON value of a file; raise OSError and ValueError as ``read_text``, and ValueError for invalid JSON."""
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def decode(fields: Any, kind: type[Decoded]) -> Decoded:
    """Decode a JSON object as the dataclass ``kind``; a null field has its default, unknown fields are ignored.

    Raises ValueError with the place of a missing or invalid field, or if ``fields`` is not an object.
    """
    if not isinstance(fields, dict):
        raise ValueError("it is not a JSON object")
    return msgspec.convert({name: value for name, value in fields.items() if value is not None}, kind)


def read_format(path: Path, form: str, kind: type[Decoded]) -> Decoded:
    """Read the JSON object of a file whose field ``format`` is ``form``, as ``decode`` does.

    Raises OSError and ValueError as ``read_json`` and ``decode``, and ValueError for another format.
    """
    content = read_json(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found != form:
        raise ValueError(f"its format is {found!r}, and this version reads {form!r}")
    return decode(content, kind)


def finite(value: Any) -> Any:
    """Return ``value`` as JSON has it: a list for a tuple, and None for NaN and infinity, as a number is missing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value
