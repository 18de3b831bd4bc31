"""Export of a run to the formats of other tools; each module documents, writes and reads one format.

``render(run)`` of a module returns the document of a one-file format or its text, or {path: bytes} of a format with
several files.  Formats differ in what they can hold; each module says what it leaves out.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.records import files
from bench.records.formats import asv
from bench.records.formats.series import Run, open_run

__all__ = ["FOLDERS", "FORMATS", "Run", "open_run", "render", "write_files"]


FORMATS = {  # name -> module
    "pytest-benchmark": "pytest_benchmark",  # JSON that pytest-benchmark compare reads
    "pyperf": "pyperf",  # JSON that pyperf compare_to reads
    "hyperfine": "hyperfine",  # JSON that hyperfine's scripts read
    "github-action-benchmark": "github_action",  # JSON for its tool customSmallerIsBetter
    "bencher": "bencher",  # Bencher Metric Format (BMF), JSON
    "chrome-trace": "chrome_trace",  # JSON that Perfetto and chrome://tracing show
    "asv": "asv",  # a results folder of airspeed velocity
    "mlperf": "mlperf",  # a result_N.txt of :::MLLOG lines for each reference run
    "parquet": "parquet",  # a Parquet file for each pandas frame
}
FOLDERS = ("asv", "mlperf", "parquet")  # formats with several files


def render(name: str, run: Run) -> str | dict[str, bytes]:
    """Return ``run`` in the format ``name``; raises BenchError if the format can hold nothing of this run."""
    if name not in FORMATS:
        raise BenchError(f"unknown format {name!r}: choose one of {', '.join(FORMATS)}.")
    content: Any = importlib.import_module(f"bench.records.formats.{FORMATS[name]}").render(run)
    if name in FOLDERS or isinstance(content, str):
        return content
    return json.dumps(content, indent=1, allow_nan=False)


def write_files(content: str | dict[str, bytes], output: Path) -> list[Path]:
    """Write the result of ``render`` to the file or folder ``output``; return the paths.

    Raises BenchError if it cannot be written.
    """
    if isinstance(content, str):
        files.write(output, content)
        return [output]
    if asv.BENCHMARKS in content:
        content = asv.beside(content, output)
    for path, data in content.items():
        files.write_with_folders(output / path, data)
    return [output / path for path in content]
