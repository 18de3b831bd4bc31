"""A fleet run from the command line's values: source of its hosts, folder, measurement."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.advice import extra_command
from bench.errors import BenchError
from bench.measure.code import suite_digest
from bench.measure.fleet.hosts import NAME, FleetHost, local_hosts, read_hosts
from bench.measure.git import state_of
from bench.measure.process import PROJECT
from bench.measure.runner import now
from bench.measure.signals import NAMES as SIGNALS
from bench.records import run_lock
from bench.records.fleet import FleetFolder, FleetHeader, HostRecord, HostState
from bench.version import __version__
from mlp.dataset import identify, locate

if TYPE_CHECKING:
    from bench.measure.fleet.coordinate import Programs, Tell
    from bench.measure.fleet.engine import FleetEngine

LOCAL, HOSTS, SCHEDULER = "local", "hosts", "scheduler"


class Checked(Protocol):
    """Baseline that can say if it fits a fleet run."""

    def check_same(self, header: FleetHeader) -> None: ...


@dataclass(frozen=True)
class FleetSource:
    """Hosts of a fleet, or the ``scheduler`` whose workers they are."""

    kind: str
    hosts: tuple[FleetHost, ...] = ()
    scheduler: str | None = None


def source_of(hosts_file: Path | None, local: int | None, scheduler: str | None) -> FleetSource:
    """Return the source that one of the arguments names; raise BenchError for none or several."""
    if (hosts_file is not None) + (local is not None) + (scheduler is not None) != 1:
        raise BenchError("name the hosts in one way: a hosts file, --local N or --scheduler ADDRESS.")
    _check_installed()
    if local is not None:
        return FleetSource(LOCAL, tuple(local_hosts(local)))
    if hosts_file is not None:
        return FleetSource(HOSTS, tuple(read_hosts(hosts_file)))
    if not scheduler.startswith(("tls://", "tcp://")):
        raise BenchError(f"--scheduler {scheduler!r} is not an address of Dask: it begins with tls:// or tcp://.")
    return FleetSource(SCHEDULER, scheduler=scheduler)


def is_open(scheduler: str | None) -> bool:
    """Return whether the address of a scheduler is neither protected by TLS nor on loopback."""
    return scheduler is not None and re.match(r"tcp://(?!127\.|localhost|\[::1\])", scheduler) is not None


def _check_installed() -> None:
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401
    except ImportError as error:
        raise BenchError(
            f"a fleet needs the package {error.name}, which is not installed: {extra_command('fleet')} adds it."
        ) from error


def open_fleet(
    source: FleetSource,
    resume: Path | None,
    data: Path | None,
    output: Path,
    options: Sequence[str],
    baseline: Checked | None = None,
) -> tuple[FleetFolder, Path | None]:
    """Open the folder of a new fleet run, or of an earlier one, and return it with the directory of the dataset.

    ``baseline`` must fit the fleet run.  Raises BenchError or MlpError for invalid input.
    """
    found = locate(data)
    identity = identify(found.directory)
    state = state_of(PROJECT)
    header = FleetHeader(
        fleet_id=time.strftime("%Y%m%d-%H%M%S", time.gmtime()),
        source=source.kind,
        options=tuple(options),
        commit=state.commit,
        dirty=state.dirty,
        code=suite_digest(),
        dataset={"identity": identity.name, "sha256": identity.sha256},
        hosts=tuple(map(record_of, source.hosts)),
        mlp_bench=__version__,
        started_at=now(),
    )
    if baseline is not None:
        baseline.check_same(header)
    if resume is None:
        return FleetFolder.create(output, header), found.directory
    folder = FleetFolder.open(resume)
    _check_same(folder, header)
    return folder, found.directory


def record_of(host: FleetHost) -> HostRecord:
    return HostRecord(host.name, labels=dict(host.labels), price_per_hour=host.price_per_hour)


def _check_same(folder: FleetFolder, here: FleetHeader) -> None:
    """Raise BenchError if the fleet run in the folder cannot go on here."""
    before = folder.header
    reasons = []
    if before.source != here.source:
        reasons.append(f"its hosts came from {before.source}, not {here.source}")
    if here.options and here.options != before.options:
        reasons.append(f"its options were {' '.join(before.options) or 'none'}")
    if (before.commit, before.code) != (here.commit, here.code):
        reasons.append("it measured another commit, or its files have changed")
    if before.dataset != here.dataset:
        reasons.append("it measured other data")
    names, known = {host.name for host in here.hosts}, {host.name for host in before.hosts}
    if here.hosts and names != known:
        reasons.append(f"it has other hosts: {', '.join(sorted(names ^ known))}")
    if reasons:
        raise BenchError(f"fleet run {folder.path.name} cannot be resumed: {'; '.join(reasons)}.")


def measure_fleet(
    folder: FleetFolder, source: FleetSource, data: Path | None, tell: Tell, programs: Programs | None = None
) -> None:
    """Measure the hosts that are not complete; raise KeyboardInterrupt after their partial records are marked.

    Raises RecordError if another process measures this fleet run.
    """
    from bench.measure.fleet.coordinate import Fleet, Programs
    from bench.measure.fleet.engine import engine_at, own_engine

    async def measure() -> None:
        _cancel_on_signals()
        async with own_engine() if source.scheduler is None else engine_at(source.scheduler) as engine:
            hosts = await _hosts(source, engine, folder)
            await Fleet(folder, engine, data, tell, programs or Programs()).measure(hosts)

    with run_lock.held(folder.path):
        folder.update(finished_at=None)
        try:
            asyncio.run(measure())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        except BenchError:
            if not folder.header.hosts:  # a scheduler that is not there, or without workers: nothing to continue
                shutil.rmtree(folder.path, ignore_errors=True)
            raise
        except BaseExceptionGroup as group:  # not except*: early Python 3.11, as Debian 12 has, would raise a group
            if group.split(BenchError)[1] is not None:
                raise
            raise _first(group) from None
        finally:
            if folder.path.exists():
                folder.update(finished_at=now())


def _cancel_on_signals() -> None:
    """Let the signals that end a command cancel the current task; ignored ones stay ignored."""
    if threading.current_thread() is not threading.main_thread():
        return
    task = asyncio.current_task()
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _first(group: BaseExceptionGroup) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _hosts(source: FleetSource, engine: FleetEngine, folder: FleetFolder) -> list[FleetHost]:
    """Return the hosts; of a scheduler its workers, which are added to the record."""
    if source.scheduler is None:
        return list(source.hosts)
    workers = await engine.workers()
    if not workers:
        raise BenchError(
            f"the scheduler {source.scheduler} has no workers: start one on each host, with one thread and no nanny."
        )
    names = _names([str(worker["name"]) for worker in workers.values()])
    hosts = [FleetHost(name, worker=address) for name, address in zip(names, workers, strict=True)]
    known = {host.name: host for host in folder.header.hosts}
    records = known | {host.name: known.get(host.name, record_of(host)) for host in hosts}
    folder.update(hosts=tuple(records.values()))
    gone = [name for name in known if name not in names and known[name].state is not HostState.COMPLETE]
    for name in gone:
        folder.update_host(name, reason="the scheduler has no worker of this name now")
    return hosts


def _names(words: list[str]) -> list[str]:
    """Return names that folders can have: those of the workers, or numbers for addresses and the like."""
    fit = [word if NAME.fullmatch(word) else f"worker-{number}" for number, word in enumerate(words, 1)]
    return [f"worker-{number}" if fit.count(word) > 1 else word for number, word in enumerate(fit, 1)]
