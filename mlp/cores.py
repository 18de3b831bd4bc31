"""Number of cores available to this process."""

from __future__ import annotations

import os


def allowed_cores() -> int:
    """Return the cores of the affinity mask if supported (Linux), else all; ignores CPU quotas of cgroups."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
