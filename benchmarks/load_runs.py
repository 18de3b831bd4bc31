"""``python -m benchmarks.load_runs``: time and memory of ``bench.load_runs()`` for a million samples.

A committed record is copied, under new run ids, until the copies hold that many samples: files, sizes and the mix of
harnesses are those of real runs.  Each measurement is a fresh process that imports pandas too, as a user's would.  How
long that takes depends on the machine; what is judged is its CPU time over that of a process beside it that only
imports pandas and parses the same files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.errors import BenchError
from bench.records.run_folder import RunFolder
from bench.units import format_bytes, format_seconds

LIMIT_FACTOR, LIMIT_BYTES = 1.5, 5 * 10**8
RECORD = Path("results/records/amd-epyc-2-cores/2026-11-24-7b3b1d4")
LOAD = "import bench; num_samples = len(bench.load_runs(sys.argv[1]).samples)"
PARSE = (
    "import pandas; num_samples = None; [json.loads(path.read_bytes()) for path in Path(sys.argv[1]).rglob('*.json')]"
)
PROCESS = """
import json, resource, sys, time
from pathlib import Path
start, cpu_start = time.perf_counter(), time.process_time()
{work}
seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
unit = 1 if sys.platform == "darwin" else 1024  # bytes in ru_maxrss, see getrusage(2)
peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
measured = {{"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_rss_bytes": peak_rss_bytes}}
print(json.dumps(measured | {{"num_samples": num_samples}}))
"""


def copy_until(num_samples: int, record: Path, target: Path) -> int:
    """Copy ``record`` into ``target`` until there are at least ``num_samples`` samples; return the number of copies."""
    folder = RunFolder.open(record)
    replicates = folder.replicates()
    in_each = sum(len(measurement["seconds"]) for entry in replicates for measurement in entry["measurements"])
    if not in_each:
        raise BenchError(f"{record} holds no samples: name another with --record.")
    num_copies = -(-num_samples // in_each)
    for number in range(num_copies):
        copy = target / f"copy-{number:04d}"
        copy.mkdir()
        shutil.copytree(record / "replicates", copy / "replicates")
        (copy / "run.json").write_text(json.dumps(replace(folder.header, run_id=copy.name).to_json()))
    return num_copies


def measure(work: str, runs: Path) -> dict[str, Any]:
    """Return seconds, CPU seconds, peak resident bytes and number of samples of a fresh process that does ``work``."""
    command = [sys.executable, "-c", PROCESS.format(work=work), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@click.command()
@click.option("--samples", "num_samples", default=1_000_000, show_default=True, help="Samples to load, at least.")
@click.option("--processes", "num_processes", default=5, show_default=True, help="Fresh processes to measure.")
@click.option("--record", type=click.Path(path_type=Path), default=RECORD, show_default=True, help="Record to copy.")
@click.option("--json", "as_json", is_flag=True, help="Print the measurements as JSON.")
def main(num_samples: int, num_processes: int, record: Path, as_json: bool) -> None:
    """Load many samples in fresh processes; exit code 1 if that takes too long or too much memory.

    Too long is 1.5 times the CPU time of importing pandas and parsing the files (median of the pairs), too much 0.5 GB.

    \b
    Examples:
      python -m benchmarks.load_runs
      python -m benchmarks.load_runs --samples 100000 --json
    """
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as scratch:
        num_runs = copy_until(num_samples, record, Path(scratch))
        pairs = [(measure(LOAD, Path(scratch)), measure(PARSE, Path(scratch))) for _ in range(num_processes)]
    loads, parses = zip(*pairs, strict=True)
    seconds = [load["seconds"] for load in loads]
    factor = median(load["cpu_seconds"] / parse["cpu_seconds"] for load, parse in pairs)
    peak_bytes = max(load["peak_rss_bytes"] for load in loads)
    within = factor <= LIMIT_FACTOR and peak_bytes <= LIMIT_BYTES
    if as_json:
        measured = {"num_runs": num_runs, "loads": loads, "parses": parses, "factor": factor, "within_limits": within}
        click.echo(json.dumps(measured, indent=1))
    else:
        click.echo(
            f"{loads[0]['num_samples']:,} samples of {num_runs} runs in {format_seconds(median(seconds))} (median of "
            f"{num_processes} processes, {format_seconds(min(seconds))} to {format_seconds(max(seconds))}), "
            f"{factor:.2f} times the CPU time of importing pandas and parsing the files; peak memory "
            f"{format_bytes(peak_bytes)}: {'within' if within else 'OVER'} {LIMIT_FACTOR} times and 0.5 GB"
        )
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
