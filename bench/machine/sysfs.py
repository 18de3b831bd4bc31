"""Small text files under /proc and /sys of Linux."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")  # another folder in tests


def read(path: Path) -> str | None:
    """Return the content without surrounding white space; None if empty, missing or unreadable."""
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """Return an integer of at least 0; None for anything else, such as ``max`` or ``-1``."""
    return number(read(path))


def fields(path: Path, name: str) -> list[str]:
    """Return the fields after ``name`` in the line of a file that begins with it; empty without one."""
    lines = (line.split() for line in (read(path) or "").splitlines())
    return next((line[1:] for line in lines if line and line[0] == name), [])


def cores_of(text: str) -> list[int]:
    """Parse the kernel's list of cores: ``0-2,8`` is 0, 1, 2, 8; an empty text is none."""
    ends = [part.partition("-") for part in text.split(",") if part.strip()]
    return [core for first, _, last in ends for core in range(int(first), int(last or first) + 1)]


def number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
