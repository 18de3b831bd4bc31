"""Coordinator of a fleet: every host is verified, measured once, and its record is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.measure.fleet import on_host
from bench.measure.fleet.engine import FleetEngine, Unreachable
from bench.measure.fleet.hosts import FleetHost
from bench.measure.fleet.on_host import Request
from bench.measure.fleet.quiet_dask import differing_versions, versions
from bench.measure.process import describe as describe_error
from bench.records.fleet import FleetFolder, HostState
from bench.units import short_commit
from mlp.dataset import STEMS, find_file

SILENCE_SECONDS = 90.0  # a task sends something every 15 s
REPORTED_SHARES = 4  # of the processes of a host: a line at each quarter
DESCRIBE = ("-m", "bench.measure.fleet.describe")
RUN = ("-m", "bench", "run")

Tell = Callable[[str, str], None]  # receiver of the name of a host and of a line about it
Task = Callable[[Request], None]


@dataclass(frozen=True)
class Programs:
    """Programs of Python that describe a host and that measure it, with the tasks that run them there.

    A host counts as lost after ``silence_seconds`` without a message.  ``lock`` is the file that a host on its own
    locks.
    """

    describe: tuple[str, ...] = DESCRIBE
    run: tuple[str, ...] = RUN
    describe_task: Task = on_host.describe
    measure_task: Task = on_host.measure
    silence_seconds: float = SILENCE_SECONDS
    lock: str = on_host.LOCK


class Ended(Exception):
    """End of a host's measurement before it is complete, with the reason in a sentence."""


@dataclass
class Fleet:
    """Fleet run in progress.

    ``machines`` maps the identity of each machine to the host that measures it, ``inboxes`` each host to its messages.
    """

    folder: FleetFolder
    engine: FleetEngine
    data_directory: Path | None
    tell: Tell
    programs: Programs = field(default_factory=Programs)
    machines: dict[str, str] = field(default_factory=dict)
    inboxes: dict[str, asyncio.Queue[dict[str, Any]]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    async def measure(self, hosts: list[FleetHost]) -> None:
        """Measure all hosts that are not complete, concurrently; their states are in the folder."""
        for host in self.folder.header.hosts:
            if host.state is HostState.COMPLETE and (identity := host.boot or host.machine):
                self.machines[identity] = host.name
        self.engine.subscribe(self._topic, self._receive)
        self.engine.on_departure(self._depart)
        async with asyncio.TaskGroup() as group:
            for host in hosts:
                if self.folder.host(host.name).state is not HostState.COMPLETE:
                    self.inboxes[host.name] = asyncio.Queue()
                    group.create_task(self._measure(host))

    @property
    def _topic(self) -> str:
        return f"mlp-bench-{self.folder.header.fleet_id}"

    def _receive(self, message: dict[str, Any]) -> None:
        if message.get("host") in self.inboxes:
            self.inboxes[message["host"]].put_nowait(message)

    def _depart(self, address: str) -> None:
        for name, known in self.addresses.items():
            if known == address:
                self.inboxes[name].put_nowait({"kind": "failed", "reason": "its worker is gone: it was killed or lost"})

    async def _measure(self, host: FleetHost) -> None:
        """Measure one host; any end becomes its state and reason."""
        try:
            await self._verified_and_measured(host)
        except (Ended, Unreachable) as error:
            self._end(host, f"it {error}" if isinstance(error, Unreachable) else str(error))
        except asyncio.CancelledError:
            self._end(host, "the fleet run was interrupted")
            raise

    def _end(self, host: FleetHost, reason: str) -> None:
        if self.folder.host(host.name).state is HostState.DUPLICATE:
            return self.tell(host.name, reason)
        num_replicates = self.folder.num_replicates(host.name)
        state = HostState.PARTIAL if num_replicates else HostState.NOT_MEASURED
        self.folder.interrupt(host.name)
        self.folder.update_host(host.name, state=state, reason=reason, num_replicates=num_replicates)
        self.tell(host.name, f"{state}: {reason}")

    async def _verified_and_measured(self, host: FleetHost) -> None:
        address = host.worker or await self.engine.start(host)
        self.addresses[host.name] = address
        options = [host.data] if host.data else []
        request = Request(self._topic, host.name, list(self.programs.describe), options=options)
        described = await self._converse(self.programs.describe_task, request, address, until="described")
        if other := differing_versions(described["versions"], versions()):
            raise Ended(f"it has {other}: install requirements/fleet.txt on both")
        data = self._verify(host, described["facts"])
        self.tell(host.name, "verified: it has the same code and data")
        await self._run(host, address, described["facts"]["folder"], data)

    def _verify(self, host: FleetHost, facts: dict[str, Any]) -> dict[str, bytes]:
        """Return the files of the dataset that the host needs; raise Ended if it may not be measured."""
        header, identity = self.folder.header, facts.get("boot") or facts.get("machine")
        changes = {name: facts.get(name) for name in ("machine", "boot")}
        self.folder.update_host(host.name, **changes)
        self.folder.keep_doctor(host.name, facts["doctor"])
        if host.is_alone and self.machines.setdefault(identity, host.name) != host.name:
            reason = f"it is the same machine as {self.machines[identity]}, which is measured once"
            self.folder.update_host(host.name, state=HostState.DUPLICATE, reason=reason)
            raise Ended(reason)
        if header.commit is not None and facts["commit"] not in (None, header.commit):
            here, there = short_commit(header.commit), short_commit(facts["commit"])
            raise Ended(f"it has the commit {there}, and the fleet measures {here}: check that out there")
        if facts["code"] != header.code:
            raise Ended("its files of the suite differ from those here: check out the same commit, without changes")
        return self._missing_data(facts)

    def _missing_data(self, facts: dict[str, Any]) -> dict[str, bytes]:
        if self.data_directory is None or facts["dataset"] == self.folder.header.dataset:
            return {}
        if facts["origin"] == "directory":
            problem = facts["data_problem"] or "its dataset has other SHA-256 digests than the one here"
            raise Ended(problem.rstrip("."))
        paths = [find_file(self.data_directory, stem) for stem in STEMS]
        return {path.name: path.read_bytes() for path in paths}

    async def _run(self, host: FleetHost, address: str, folder: str, data: dict[str, bytes]) -> None:
        header, held = self.folder.header, self.folder.held(host.name)
        options = ["--data", host.data] if host.data else []
        options += [] if "run.json" in held else header.options
        request = Request(
            *(self._topic, host.name, list(self.programs.run), self.programs.lock if host.is_alone else None),
            folder=f"{folder}/{header.fleet_id}/{host.name}",
            options=options,
            held=held,
            data=data,
        )
        self.folder.update_host(host.name, state=HostState.MEASURING, reason=None)
        self.tell(host.name, "continues measuring" if held else "measures")
        ended = await self._converse(self.programs.measure_task, request, address, until="ended")
        if ended["reason"]:
            raise Ended(ended["reason"])
        notes = ("some of its processes failed: see its record",) if ended["exit_code"] else ()
        num_replicates = self.folder.num_replicates(host.name)
        self.folder.update_host(host.name, state=HostState.COMPLETE, notes=notes, num_replicates=num_replicates)
        self.tell(host.name, f"complete: {num_replicates} processes")

    async def _converse(self, task: Task, request: Request, address: str, until: str) -> dict[str, Any]:
        """Run a task and keep the files that it sends until its last message, which is returned.

        Raises Ended if the task fails, its worker is lost, or nothing arrives for too long.
        """
        inbox = self.inboxes[request.host]
        running = asyncio.create_task(self.engine.run(task, request, address))
        running.add_done_callback(lambda done: _report_error(done, inbox))
        try:
            while True:
                async with asyncio.timeout(self.programs.silence_seconds):
                    message = await inbox.get()
                if message["kind"] == until:
                    return message
                if message["kind"] == "failed":
                    raise Ended(message["reason"])
                if message["kind"] == "file":
                    self._keep(request.host, message)
        except TimeoutError:
            cause = "it hangs or is cut off" if self.engine.is_connected else "the scheduler is gone"
            raise Ended(f"it sent nothing for {self.programs.silence_seconds:g} s: {cause}") from None
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await running

    def _keep(self, host: str, message: dict[str, Any]) -> None:
        self.folder.keep(host, message["name"], message["text"])
        if message["name"] == "run.json":
            return
        run = json.loads((self.folder.run_path(host) / "run.json").read_text(encoding="utf-8"))
        total = max(1, sum(entry["replicates"] for entry in run["plan"]))
        done = self.folder.num_replicates(host)
        if done * REPORTED_SHARES // total > (done - 1) * REPORTED_SHARES // total:
            self.tell(host, f"{done} of {total} processes")


def _report_error(done: asyncio.Task, inbox: asyncio.Queue[dict[str, Any]]) -> None:
    """Make the exception of a task, if it has one, its last message."""
    if not done.cancelled() and done.exception() is not None:
        reason = f"its task failed: {describe_error(done.exception())}"
        inbox.put_nowait({"kind": "failed", "reason": reason})
