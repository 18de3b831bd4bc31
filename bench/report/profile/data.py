"""Where loading spends its time: reading, decompressing, converting, copying, each against what memory can do."""

from __future__ import annotations

from typing import Any

from bench.document.section import Section
from bench.records.frames import Frames
from bench.records.profile import Profile
from bench.records.select import estimate_of
from bench.records.stack_key import groups, or_none
from bench.roofline.ceilings import COPY, Ceilings
from bench.units import MISSING, format_bytes, format_percent, format_seconds

STEPS = ("read", "decompress", "convert")  # of loading the compressed files, one after the other
WHOLE = "load"


def loading_steps(frames: Frames) -> dict[str, Any] | None:
    """{measurement: its seconds and bytes} of the harness ``data``; None if it measured nothing."""
    samples = frames.samples[frames.samples["harness"] == "data"]
    found = {
        keys["measurement"]: {"seconds": estimate_of(rows).center, "bytes": or_none(rows["bytes"].max())}
        for keys, rows in groups(samples, ["measurement"])
    }
    return found or None


def data_sections(profile: Profile) -> list[Section]:
    """Bytes are those that a step reads from its files or makes; a copy reads and writes each byte."""
    if not profile.data:
        return []
    copy = Ceilings.from_json(profile.ceilings).best(COPY) if profile.ceilings else None
    ceiling = copy.bytes_per_second / 2 if copy and copy.bytes_per_second else None
    rows = [_row(name, step, ceiling) for name, step in profile.data.items()]
    headers = ["what", "time", "bytes", "rate", "of a copy's rate"]
    return [Section("Loading", _sentences(profile.data), headers, rows)]


def _row(name: str, step: dict[str, Any], ceiling: float | None) -> list[str]:
    rate = step["bytes"] / step["seconds"] if step["bytes"] else None
    return [
        name,
        format_seconds(step["seconds"]),
        format_bytes(step["bytes"]),
        MISSING if rate is None else f"{format_bytes(rate)}/s",
        MISSING if rate is None or ceiling is None else format_percent(rate / ceiling, 1),
    ]


def _sentences(data: dict[str, Any]) -> list[str]:
    """Which step takes most of the time of those that make up loading."""
    known = {name: data[name]["seconds"] for name in STEPS if name in data}
    if len(known) < len(STEPS):
        return []
    slowest = max(known, key=known.get)
    total = sum(known.values())
    return [f"Most of it goes to {slowest}: {format_percent(known[slowest] / total, 0)} of {format_seconds(total)}."]
