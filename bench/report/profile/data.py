"""Loading times by step (read, decompress, convert), compared with the rate of a copy."""

from __future__ import annotations

from typing import Any

from bench.document.section import Section
from bench.document.table import BYTES, BYTES_PER_SECOND, SECONDS, SHARE, Column
from bench.records.profile import Profile
from bench.roofline.ceilings import COPY
from bench.units import format_percent, format_seconds

STEPS = ("read", "decompress", "convert")  # of loading the compressed files, in order


def data_sections(profile: Profile) -> list[Section]:
    """Return the table of loading; bytes are those read from files or written, and a copy counts both."""
    if not profile.data:
        return []
    copy = profile.ceilings.best(COPY) if profile.ceilings else None
    ceiling = copy.bytes_per_second / 2 if copy and copy.bytes_per_second else None
    rows = [_row(name, step, ceiling) for name, step in profile.data.items()]
    columns = ["what", Column("time", SECONDS), Column("bytes", BYTES), Column("rate", BYTES_PER_SECOND)]
    columns.append(Column("of a copy's rate", SHARE))
    return [Section("Loading", _sentences(profile.data), columns, rows)]


def _row(name: str, step: dict[str, Any], ceiling: float | None) -> list[Any]:
    rate = step["bytes"] / step["seconds"] if step["bytes"] else None
    return [name, step["seconds"], step["bytes"], rate, None if rate is None or ceiling is None else rate / ceiling]


def _sentences(data: dict[str, Any]) -> list[str]:
    """Return a sentence that names the slowest step of loading."""
    known = {name: data[name]["seconds"] for name in STEPS if name in data}
    if len(known) < len(STEPS):
        return []
    slowest = max(known, key=known.get)
    total = sum(known.values())
    return [f"Most of it goes to {slowest}: {format_percent(known[slowest] / total, 0)} of {format_seconds(total)}."]
