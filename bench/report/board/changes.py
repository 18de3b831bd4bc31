"""Changes between the runs of one machine: facts of the software and the system that two runs in a row do not share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.document.section import clean
from bench.report.compare.facts import flat
from bench.units import short_commit

COMMIT = "mlp-bench commit"
VOLATILE = ("load_average_1min",)  # differs between any two runs, and is a notice of its own
FACT_CHARACTERS = 80


def changes_of(facts: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return for each run the changes since the run before, e.g. ``kernel 6.1 to 6.8``; the first has none.

    A fact is compared with the last run that recorded it: one that a run lacks has not changed.  A known absence is a
    dash.
    """
    known: dict[str, str] = {}
    found = []
    for own in facts:
        texts = {name: _text(name, text) for name, text in flat(dict(own)).items() if name not in VOLATILE}
        changed = [name for name, text in texts.items() if known.get(name, text) != text]
        found.append([f"{name.replace('_', ' ')} {known[name]} to {texts[name]}" for name in changed])
        known |= texts
    return found


def _text(name: str, text: str) -> str:
    return short_commit(text) if name == COMMIT else clean(text, FACT_CHARACTERS)
