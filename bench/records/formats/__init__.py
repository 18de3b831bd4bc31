"""Export of a run to the formats of other tools; each module documents, writes and reads one format.

``render(run)`` returns the text of a one-file format, or {path: bytes} of a format with several files.  Formats differ
in what they can hold; each module says what it leaves out.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.records import files
from bench.records.formats import asv
from bench.records.formats.series import Run, open_run

__all__ = ["FORMATS", "Format", "Run", "open_run", "render", "write_files"]


@dataclass(frozen=True)
class Format:
    """Format by the name of its module; ``is_folder`` if it has several files."""

    module: str
    is_folder: bool = False


FORMATS = {
    "pytest-benchmark": Format("pytest_benchmark"),  # JSON that pytest-benchmark compare reads
    "pyperf": Format("pyperf"),  # JSON that pyperf compare_to reads
    "hyperfine": Format("hyperfine"),  # JSON that hyperfine's scripts read
    "github-action-benchmark": Format("github_action"),  # JSON for its tool customSmallerIsBetter
    "bencher": Format("bencher"),  # Bencher Metric Format (BMF), JSON
    "chrome-trace": Format("chrome_trace"),  # JSON that Perfetto and chrome://tracing show
    "asv": Format("asv", is_folder=True),  # a results folder of airspeed velocity
    "mlperf": Format("mlperf", is_folder=True),  # a result_N.txt of :::MLLOG lines for each reference run
    "parquet": Format("parquet", is_folder=True),  # a Parquet file for each pandas frame
}


def render(name: str, run: Run) -> str | dict[str, bytes]:
    """Return ``run`` in the format ``name``; raises BenchError if the format can hold nothing of this run."""
    if name not in FORMATS:
        raise BenchError(f"unknown format {name!r}: choose one of {', '.join(FORMATS)}.")
    content: Any = importlib.import_module(f"bench.records.formats.{FORMATS[name].module}").render(run)
    return content


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
        try:
            (output / path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(f"cannot make {output} ({error.strerror}): name another place.") from error
        files.write(output / path, data)
    return [output / path for path in content]
