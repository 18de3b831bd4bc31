"""``python -m benchmarks.load_runs``: time and memory of ``bench.load_runs()`` for a million samples.

A committed record is copied, under new run ids, until the copies hold that many samples: files, sizes and the mix of
harnesses are those of real runs.  Each measurement is a fresh process that imports pandas too, as a user's would.  How
long that takes depends on the machine; what is judged is its CPU time over that of a process beside it that only
imports pandas and parses the same files.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

import click

from bench.errors import BenchError
from bench.records.run_folder import RunFolder
from bench.units import format_bytes, format_seconds
from benchmarks.fresh_process import measure

LIMIT_FACTOR, LIMIT_BYTES = 1.5, 5 * 10**8
RECORD = Path("results/records/amd-epyc-2-cores/2026-11-24-7b3b1d4")
LOAD = "import bench; found['num_samples'] = len(bench.load_runs(sys.argv[1]).samples)"
PARSE = """
import pandas
from pathlib import Path
parsed = [json.loads(path.read_bytes()) for path in Path(sys.argv[1]).rglob("*.json")]
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
        pairs = [(measure(LOAD, scratch), measure(PARSE, scratch)) for _ in range(num_processes)]
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
