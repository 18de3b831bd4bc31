"""``python -m benchmarks.board``: time, memory and page sizes of the board of thousands of synthetic runs.

The runs are copies of a committed record, on machines of different speed: its durations are multiplied by a factor for
the machine, one for the run, and one for the commit, so that samples, sums and summary still agree.
"""

from __future__ import annotations

import json
import math
import random
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import msgspec

from bench.records.run_folder import RunFolder
from bench.units import format_bytes, format_seconds
from benchmarks.fresh_process import measure

BUDGET = {"seconds": 60.0, "peak_rss_bytes": 2 * 10**9, "largest_page_bytes": 10**6}
RECORD = Path("results/records/amd-epyc-2-cores/2026-11-25-1a42118")
START = datetime(2025, 1, 1, tzinfo=UTC)
RUN_SPREAD = 0.02  # standard deviation of the logarithm of a run's factor
FACTOR_OF_COMMIT = 0.95  # each commit is that much faster than the one before
BUILD = """
from bench.cli import main
main(["board", sys.argv[1], "--output", sys.argv[2]], standalone_mode=False)
"""


def write_runs(target: Path, record: Path, num_runs: int, num_machines: int, num_commits: int) -> None:
    """Write synthetic runs into ``target``, the same for the same arguments; the machines take turns."""
    folder, noise = RunFolder.open(record), random.Random(1)
    replicates = [msgspec.json.decode(path.read_bytes()) for path in sorted((record / "replicates").glob("*.json"))]
    summary = json.loads((record / "summary.json").read_text(encoding="utf-8"))["reference_runs"]
    for number in range(num_runs):
        machine, commit = number % num_machines, number * num_commits // num_runs
        factor = 1.04**machine * FACTOR_OF_COMMIT**commit * math.exp(noise.gauss(0.0, RUN_SPREAD))
        run = target / f"machine-{machine:03d}" / f"synthetic-{number:05d}"
        (run / "replicates").mkdir(parents=True)
        _write(run / "run.json", _header(folder.header.to_json(), run.name, number, machine, commit))
        _write(run / "summary.json", {"reference_runs": scaled(summary, factor)})
        for place, replicate in enumerate(replicates, 1):
            _write(run / "replicates" / f"{place:04d}.json", scaled(replicate, factor))


def _write(path: Path, content: Any) -> None:
    path.write_bytes(msgspec.json.encode(content))


def _header(header: dict[str, Any], run_id: str, number: int, machine: int, commit: int) -> dict[str, Any]:
    started = (START + timedelta(hours=6 * number)).isoformat()
    facts = {"cpu_model": f"Synthetic CPU {machine}", "memory_bytes": (8 + machine) * 2**30}
    return {
        **header,
        **{"run_id": run_id, "started_at": started, "finished_at": started},
        "machine": {**header["machine"], **facts},
        "commit": {"id": f"{commit + 1:07x}".ljust(40, "0"), "dirty": False},
    }


def scaled(value: Any, factor: float, inside: bool = False) -> Any:
    """Return ``value`` with all its durations multiplied: numbers in fields called ``seconds`` or ``..._seconds``."""
    if isinstance(value, dict):
        return {
            name: scaled(one, factor, inside or name in ("seconds", "phases") or name.endswith("_seconds"))
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [scaled(one, factor, inside) for one in value]
    return value * factor if inside and isinstance(value, float) else value


def build_once(runs: Path, site: Path) -> dict[str, Any]:
    """Return seconds, CPU seconds and peak bytes of a fresh process that builds the board, and its largest page."""
    measured = measure(BUILD, runs, site)
    pages = {path.relative_to(site).as_posix(): path.stat().st_size for path in site.rglob("*.html")}
    largest = max(pages, key=pages.__getitem__)
    return {**measured, "num_pages": len(pages), "largest_page": largest, "largest_page_bytes": pages[largest]}


@click.command()
@click.option("--runs", "num_runs", default=2000, show_default=True, help="Synthetic runs.")
@click.option("--machines", "num_machines", default=50, show_default=True, help="Synthetic machines.")
@click.option("--commits", "num_commits", default=5, show_default=True, help="Commits over the time of the runs.")
@click.option("--record", type=click.Path(path_type=Path), default=RECORD, show_default=True, help="Record to copy.")
@click.option("--keep", type=click.Path(path_type=Path), default=None, help="New folder for the runs and the site.")
@click.option("--json", "as_json", is_flag=True, help="Print the measurements as JSON.")
def main(num_runs: int, num_machines: int, num_commits: int, record: Path, keep: Path | None, as_json: bool) -> None:
    """Build the board of many runs; exit code 1 if it takes over 60 s or 2 GB, or a page has over 1 MB.

    \b
    Examples:
      python -m benchmarks.board
      python -m benchmarks.board --runs 100 --machines 5 --keep /tmp/board
    """
    scratch = nullcontext(keep) if keep else TemporaryDirectory(prefix="mlp-bench-", ignore_cleanup_errors=True)
    with scratch as folder:
        write_runs(Path(folder, "runs"), record, num_runs, num_machines, num_commits)
        built = build_once(Path(folder, "runs"), Path(folder, "site"))
    within = all(built[name] <= most for name, most in BUDGET.items())
    if as_json:
        click.echo(json.dumps({**built, "num_runs": num_runs, "within_budget": within}, indent=1))
    else:
        click.echo(
            f"{num_runs:,} runs of {num_machines} machines in {format_seconds(built['seconds'])}, of which "
            f"{format_seconds(built['cpu_seconds'])} of CPU time; peak memory {format_bytes(built['peak_rss_bytes'])}; "
            f"{built['num_pages']} pages, the largest is "
            f"{built['largest_page']} with {format_bytes(built['largest_page_bytes'])}: "
            f"{'within' if within else 'OVER'} 60 s, 2 GB and 1 MB"
        )
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
