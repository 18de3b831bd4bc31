"""Differences between the machines and their software, from the facts recorded on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.document.section import clean
from bench.report.compare.comparable import Comparable
from bench.units import MISSING, format_bytes, format_number

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Difference:
    """Fact with differing values; ``values`` has a text for each side, in the order of the sides."""

    fact: str
    values: tuple[str, ...]


def differences(sides: Sequence[Comparable]) -> list[Difference]:
    """Return the facts in which at least two sides differ; a fact that only one side recorded is not a difference.

    Values are equal if their texts are equal: memory that a kernel reports a few pages smaller is the same.
    """
    recorded = [flat(side.facts) for side in sides]
    found = []
    for fact in dict.fromkeys(name for facts in recorded for name in facts):
        texts = [facts.get(fact, NOT_RECORDED) for facts in recorded]
        if len(set(texts) - {NOT_RECORDED}) > 1:
            found.append(Difference(fact.replace("_", " "), tuple(clean(text) for text in texts)))
    return found


def flat(facts: Any, name: str = "") -> dict[str, str]:
    """Flatten nested facts to {name: text}, e.g. ``packages numpy``; a known absence is a dash."""
    if isinstance(facts, dict):
        entries = facts.items()
    elif isinstance(facts, list) and any(isinstance(item, dict) for item in facts):
        entries = ((str(number), item) for number, item in enumerate(facts))
    else:
        return {name: _text(name, facts)}
    return {inner: text for key, value in entries for inner, text in flat(value, f"{name} {key}".strip()).items()}


def _text(name: str, value: Any) -> str:
    if value is None or value == []:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)) and name.endswith("_bytes"):
        return format_bytes(value)
    if isinstance(value, list):
        return ", ".join(_text(name, item) for item in value)
    return format_number(value) if isinstance(value, float) else str(value)
