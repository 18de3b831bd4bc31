"""Availability of a backend on a device, and the answers of processes that are asked for it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Available:
    """The backend can run on the device; ``detail`` describes versions and hardware for display."""

    detail: str


@dataclass(frozen=True)
class Unavailable:
    """The backend cannot run on the device: the reason, and a remedy."""

    reason: str
    remedy: str


def read_answer(text: str) -> Any:
    """Return the last JSON object or array that fills a line of a process's output; ValueError if there is none."""
    lines = re.findall(r"^(?:\{.*\}|\[.*\])$", text, re.MULTILINE)  # preloaded libraries print lines of their own
    return json.loads(lines[-1] if lines else "")
