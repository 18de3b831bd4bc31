"""Linux's own small text files under /proc and /sys: one fact each, or not there."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")  # another folder in tests


def read(path: Path) -> str | None:
    """The content without surrounding white space; None if it is empty, not there, or not to be read."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """A whole number from 0 up; None for anything else, such as ``max`` or ``-1``."""
    return number(read(path))


def number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
