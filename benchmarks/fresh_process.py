"""Time and memory of work in a fresh process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from mlp.availability import read_answer

PROCESS = """
import json, resource, sys, time
found, start, cpu_start = {{}}, time.perf_counter(), time.process_time()
{work}
seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
unit = 1 if sys.platform == "darwin" else 1024  # bytes in ru_maxrss, see getrusage(2)
peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps({{"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_rss_bytes": peak_rss_bytes, **found}}))
"""


def measure(work: str, *arguments: Any) -> dict[str, Any]:
    """Return seconds, CPU seconds and peak resident bytes of a fresh process that does ``work``, and its ``found``.

    ``work`` are statements of Python: ``arguments`` are in ``sys.argv``, and the dict ``found`` takes more results.
    """
    command = [sys.executable, "-c", PROCESS.format(work=work), *map(str, arguments)]
    return read_answer(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
