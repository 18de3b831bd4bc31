"""Files that a user asked for: written, or one sentence that says why not."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8; raises BenchError if the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path} cannot be written ({error.strerror}): name another file.") from error
