"""Timestamps of records: ISO 8601 with any offset; without one, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def moment(text: Any) -> datetime | None:
    """Parse ``text`` as a timestamp in UTC; None if invalid."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def order(text: Any) -> datetime:
    """Return a sort key, the oldest first; invalid timestamps precede all."""
    return moment(text) or datetime.min.replace(tzinfo=UTC)


def day(text: Any) -> str | None:
    """Format ``2026-11-20``, in UTC."""
    found = moment(text)
    return None if found is None else found.strftime("%Y-%m-%d")


def minute(text: Any) -> str | None:
    """Format ``2026-11-20 03:00``, in UTC."""
    found = moment(text)
    return None if found is None else found.strftime("%Y-%m-%d %H:%M")
