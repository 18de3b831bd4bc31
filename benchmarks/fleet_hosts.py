"""``python -m benchmarks.fleet_hosts``: a fleet of 200 simulated hosts on one scheduler.

One process holds all workers.  Their tasks send a committed record, each host with times of its own: healthy
ones differ by 1 % (one standard deviation), one has slow memory.  Collection, memory and report are measured in this
process, which is the coordinator.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bench.measure.fleet.coordinate import Fleet, Programs
from bench.measure.fleet.engine import own_engine
from bench.measure.fleet.hosts import FleetHost
from bench.measure.fleet.on_host import Request
from bench.measure.fleet.quiet_dask import plain_worker, versions
from bench.measure.fleet.session import record_of
from bench.measure.process import running
from bench.measure.scratch import scratch_folder
from bench.records.fleet import FleetFolder, FleetHeader
from bench.records.run_folder import RunFolder
from bench.report.fleet.write import FleetReport, fleet_report, write_fleet
from bench.units import format_bytes, format_seconds
from benchmarks.fleet_power import HEALTHY_SPREAD, MEMORY, RECORD

ROUNDS = 3  # of that record
SLOW_MEMORY = 1.3
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in ru_maxrss, see getrusage(2)


def describe(request: Request) -> None:
    """Task in place of a host's description."""
    facts = {"commit": None, "code": "", "dataset": {}, "origin": "directory", "folder": "", "doctor": []}
    _post(request, "described", facts={**facts, "machine": request.host, "boot": request.host}, versions=versions())


def replay(request: Request) -> None:
    """Task in place of a measurement: send the files of a record, with the times of this host."""
    record, pause_seconds, slow = Path(request.program[0]), float(request.program[1]), request.program[2]
    folder = RunFolder.open(record)
    _post(request, "file", name="run.json", text=json.dumps(folder.header.to_json()))
    for name, replicate in _replicates(folder, request.host, is_slow=request.host == slow):
        time.sleep(random.expovariate(1 / pause_seconds))
        _post(request, "file", name=name, text=json.dumps(replicate))
    _post(request, "ended", exit_code=0, reason=None)


def _post(request: Request, kind: str, **content: Any) -> None:
    from distributed import get_worker

    get_worker().log_event(request.topic, {"host": request.host, "kind": kind, **content})


def _replicates(folder: RunFolder, host: str, is_slow: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the replicates with the times of a host: each measurement has its own factor on each host."""
    for replicate in [one for one in folder.replicates() if one["round"] < ROUNDS]:
        for one in replicate["measurements"] if replicate["case"]["harness"] != "reference" else []:
            factor = 1 + HEALTHY_SPREAD * random.Random(f"{host} {one['name']} {one['params']}").gauss(0, 1)
            factor *= SLOW_MEMORY if is_slow and one["name"] in MEMORY else 1
            one["seconds"] = [None if seconds is None else seconds * factor for seconds in one["seconds"]]
        yield f"replicates/{replicate['sequence']:04d}.json", replicate


async def serve(all_settings: list[dict[str, Any]]) -> None:
    """Run all workers in this process until stdin ends."""
    with scratch_folder() as folder:
        for settings in all_settings:
            await plain_worker(settings, folder)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def collect(folder: FleetFolder, programs: Programs) -> dict[str, float]:
    """Run a fleet over workers that another process holds; return the seconds of the collection."""
    async with own_engine() as engine:
        hosts = [FleetHost(one.name) for one in folder.header.hosts]
        argv = [sys.executable, "-m", "benchmarks.fleet_hosts", "--serve"]
        with running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as farm:
            settings = [engine.settings(host, number, engine.port) for number, host in enumerate(hosts, 1)]
            farm.stdin.write(json.dumps(settings).encode() + b"\n")
            farm.stdin.flush()
            await asyncio.to_thread(farm.stdout.readline)
            workers = {worker["name"]: address for address, worker in (await engine.workers()).items()}
            hosts = [replace(host, worker=workers[host.name]) for host in hosts]
            start, cpu = time.perf_counter(), time.process_time()
            await Fleet(folder, engine, None, lambda host, text: None, programs).measure(hosts)
            seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return {"collection_seconds": seconds, "collection_cpu_seconds": cpu_seconds}


def timed_report(folder: FleetFolder) -> tuple[FleetReport, dict[str, float]]:
    """Return the report with the seconds of judgement and of all files."""
    start, cpu = time.perf_counter(), time.process_time()
    report = fleet_report(folder)
    judged = time.perf_counter()
    for problem in write_fleet(report):
        click.echo(problem, err=True)
    seconds = {"judgement_seconds": judged - start, "report_seconds": time.perf_counter() - start}
    return report, {**seconds, "report_cpu_seconds": time.process_time() - cpu}


def measure(num_hosts: int, record: Path, pause_seconds: float, parent: Path) -> dict[str, Any]:
    """Return the measurements of a fleet of ``num_hosts``."""
    hosts = [FleetHost(f"host-{number:03d}") for number in range(1, num_hosts + 1)]
    slow = hosts[num_hosts // 2].name
    header = FleetHeader("simulated", "scheduler", (), None, "", {}, tuple(map(record_of, hosts)))
    folder = FleetFolder.create(parent, header)
    program = (str(record.resolve()), str(pause_seconds), slow)
    before = _peak_bytes()
    times = asyncio.run(collect(folder, Programs(run=program, describe_task=describe, measure_task=replay)))
    collected = _peak_bytes()
    report, seconds = timed_report(folder)
    num_replicates = sum(host.num_replicates for host in folder.header.hosts)
    return {
        "num_hosts": num_hosts,
        "num_replicates": num_replicates,
        "collected_bytes": sum(path.stat().st_size for path in (folder.path / "runs").rglob("*.json")),
        **times,
        "cpu_seconds_per_replicate": times["collection_cpu_seconds"] / num_replicates,
        "peak_bytes_before": before,
        "peak_bytes_collected": collected,
        "peak_bytes": _peak_bytes(),
        **seconds,
        "slow_host": slow,
        "outliers": sorted({one.host for one in report.judgement.outliers}),
    }


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


@click.command()
@click.option("--hosts", "num_hosts", default=200, show_default=True, help="Simulated hosts.")
@click.option("--record", type=click.Path(path_type=Path), default=RECORD, show_default=True, help="Record to send.")
@click.option("--pause", default=1.0, show_default=True, help="Mean seconds between the replicates of a host.")
@click.option("--json", "as_json", is_flag=True, help="Print the measurements as JSON.")
@click.option("--serve", "is_farm", is_flag=True, hidden=True)
def main(num_hosts: int, record: Path, pause: float, as_json: bool, is_farm: bool) -> None:
    """Collect records of simulated hosts and report on them; exit code 1 if the outliers are not the slow host.

    \b
    Examples:
      python -m benchmarks.fleet_hosts
      python -m benchmarks.fleet_hosts --hosts 20 --pause 0.1 --json
    """
    if is_farm:
        return asyncio.run(serve(json.loads(sys.stdin.readline())))
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as scratch:
        found = measure(num_hosts, record, pause, Path(scratch))
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        click.echo(_text(found))
    sys.exit(0 if found["outliers"] == [found["slow_host"]] else 1)


def _text(found: dict[str, Any]) -> str:
    seconds = {name: format_seconds(value) for name, value in found.items() if "seconds" in name}
    return (
        f"{found['num_hosts']:,} hosts, {found['num_replicates']:,} process replicates, "
        f"{format_bytes(found['collected_bytes'])}: collected in {seconds['collection_seconds']} with "
        f"{seconds['collection_cpu_seconds']} of CPU time, {seconds['cpu_seconds_per_replicate']} for each replicate; "
        f"peak memory {format_bytes(found['peak_bytes_collected'])} after the collection "
        f"({format_bytes(found['peak_bytes_before'])} before), {format_bytes(found['peak_bytes'])} after the report; "
        f"judged in {seconds['judgement_seconds']}, all files written in {seconds['report_seconds']} "
        f"({seconds['report_cpu_seconds']} of CPU time); outliers: "
        f"{', '.join(found['outliers']) or 'none'} (the slow host is {found['slow_host']})"
    )


if __name__ == "__main__":
    main()
