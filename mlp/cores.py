"""How many cores this process may run on."""

from __future__ import annotations

import os


def allowed_cores() -> int:
    """By the scheduler's affinity mask where there is one (Linux), else all; a cgroup's CPU quota is not counted."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
