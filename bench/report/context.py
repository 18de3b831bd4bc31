"""What stands around the numbers: the machine, what failed, what was skipped, how to reproduce it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.frames import Frames
from bench.render import Section
from bench.units import MISSING, format_bytes, format_number

FAILED = "What failed"  # the title, by which one knows that something did


def machine_section(header: dict[str, Any]) -> Section:
    machine = header.get("machine") or {}
    rows = [[_property(name), _describe(name, value)] for name, value in machine.items()]
    commit = header.get("commit") or {}
    state = " with uncommitted changes" if commit.get("dirty") else ""
    rows.append(["mlp-bench commit", f"{commit.get('id') or MISSING}{state}"])
    return Section("The machine", [], ["property", "value"], rows)


def _property(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ")


def _describe(name: str, value: Any) -> str:
    """A property of the machine in words; the unit is in its name."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        known = {key: item for key, item in value.items() if item is not None}
        return ", ".join(f"{_property(key)} {_describe(key, item)}" for key, item in known.items())
    if isinstance(value, list):
        return "; ".join(_describe(name, item) for item in value) or "none"
    if isinstance(value, (int, float)) and name.endswith("_bytes"):
        return format_bytes(value)
    return format_number(value) if isinstance(value, float) else str(value)


def _reason(failure: Any) -> str:
    return "no reason was recorded" if pd.isna(failure.reason) else str(failure.reason)


def failures_sections(frames: Frames, problems: list[str]) -> list[Section]:
    rows = [[str(row.harness), _failed_stack(row), _reason(row)] for row in frames.failures.itertuples()]
    if not rows and not problems:
        return []
    headers = ["harness", "stack", "reason"] if rows else []
    return [Section(FAILED, headers=headers, rows=rows, notices=problems)]


def _failed_stack(failure: Any) -> str:
    """Blank for what no stack does: loading, and the eight products of the ablation."""
    names = [str(part) for part in (failure.backend, failure.variant) if pd.notna(part)]
    without = "" if pd.isna(failure.without) else f" without {failure.without}"
    return f"{'/'.join(names)} on {failure.device}{without}" if names else ""


def skipped_sections(header: dict[str, Any]) -> list[Section]:
    rows = [[entry["what"], entry["reason"], entry["remedy"]] for entry in header.get("skipped") or []]
    return [Section("What was skipped", [], ["what", "why", "what would add it"], rows)] if rows else []


def reproduce_section(header: dict[str, Any]) -> Section:
    options = "".join(f" {option}" for option in _make_options(header))
    commit = (header.get("commit") or {}).get("id") or "the same commit"
    return Section(
        "How to reproduce",
        [
            f"Check out {commit} and run make bench{options}. Intervals are 95 %, over processes; call two machines "
            "different only where they do not overlap."
        ],
    )


def _make_options(header: dict[str, Any]) -> list[str]:
    """What was said to ``make bench``; a record older than schema version 2 does not tell what was chosen."""
    options = ["QUICK=1"] if header["mode"] == "quick" else []
    for name, values in (header.get("chosen") or {}).items():
        if values:
            text = str(values) if isinstance(values, int) else " ".join(values)
            options.append(f'{name.upper()}="{text}"' if " " in text else f"{name.upper()}={text}")
    return options
