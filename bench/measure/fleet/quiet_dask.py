"""Dask ``distributed`` without what disturbs a measurement: its settings, a plain worker, its versions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import distributed
from distributed import Security, Worker

RARELY = "1h"
KEPT_EVENTS = 8  # of each topic: their receiver has written them
LOOPBACK = "127.0.0.1:0"  # of the HTTP servers, which have no pages
# What Dask does beside tasks is off or rare: profiler (by default 100 times a second), ticks, monitors, stealing.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.http.routes": [],
    "distributed.worker.use-file-locking": False,
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.worker-ttl": None,  # the coordinator judges silence, by the events of a task
    "distributed.admin.system-monitor.interval": RARELY,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": RARELY,
    "distributed.admin.tick.limit": "10h",
    "distributed.admin.low-level-log-length": KEPT_EVENTS,
    "distributed.admin.large-graph-warning-threshold": "1GB",  # the dataset
    "distributed.diagnostics.nvml": False,
    "distributed.client.heartbeat": "60s",
    "distributed.comm.timeouts.tcp": "300s",
}
START_LIMIT_SECONDS = 90.0
# Of a worker that others started, with Dask's default settings: it wakes 100 times a second, and uses 4 % of a core.
MONITORS = ("profile", "profile-cycle", "tick", "ticks", "monitor", "shift_counters", "memory_monitor")


def be_quiet() -> None:
    """Turn off what Dask does beside tasks, and its log: the coordinator says what happens."""
    dask.config.set(QUIET)
    for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


async def plain_worker(settings: Mapping[str, Any], folder: Path) -> Worker:
    """Start a worker without a nanny and with one thread, and close its ports.

    ``folder`` is for its files; see ``FleetEngine`` for its settings.
    """
    be_quiet()
    security = Security(
        tls_ca_file=settings["certificate"],
        tls_worker_cert=settings["certificate"],
        tls_worker_key=settings["key"],
        require_encryption=True,
    )
    worker = await Worker(
        settings["scheduler"],
        name=settings["name"],
        nthreads=1,
        host="127.0.0.1",
        contact_address=settings["address"],
        security=security,
        memory_limit=0,
        heartbeat_interval="10s",
        death_timeout=START_LIMIT_SECONDS,
        local_directory=str(folder),
        metrics={},
        dashboard_address=LOOPBACK,
    )
    for listener in worker.listeners:
        listener.stop()
    worker.http_server.stop()
    return worker


@contextmanager
def monitors_off(worker: Worker) -> Iterator[None]:
    """Stop what a worker does at intervals beside its task and its signs of life; then let it go on."""
    found = [one for name, one in worker.periodic_callbacks.items() if name in MONITORS and one.is_running()]
    for one in found:
        worker.loop.add_callback(one.stop)
    try:
        yield
    finally:
        for one in found:
            worker.loop.add_callback(one.start)


def differing_versions(there: dict[str, str], here: dict[str, str]) -> str:
    """Return the packages whose versions on a host differ from those of the coordinator; empty if they fit."""
    found = {name: (there.get(name), version) for name, version in here.items() if there.get(name) != version}
    return ", ".join(f"{name} {other} (the coordinator has {version})" for name, (other, version) in found.items())


def versions() -> dict[str, str]:
    """Return the versions of the packages that must be equal on all hosts."""
    return {"dask": dask.__version__, "distributed": distributed.__version__}
