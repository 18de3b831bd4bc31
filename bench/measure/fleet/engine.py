"""Dask ``distributed`` as the engine of a fleet: plain workers, pinned tasks, events.

Workers are started host by host with a time limit.  Scheduler and workers listen on loopback with TLS, whose
certificates live as long as the fleet run; a host is reached through SSH, which forwards the scheduler's port.  Nothing
connects to a worker, whose ports are closed: tasks and events take the connection that it opened.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import IO, Any

import dask
from distributed import Client, Scheduler, Security

from bench.errors import BenchError
from bench.measure.code import suite_files
from bench.measure.fleet import on_host
from bench.measure.fleet.hosts import FleetHost, remote_command, unpack_command
from bench.measure.fleet.quiet_dask import LOOPBACK, START_LIMIT_SECONDS, be_quiet, differing_versions, versions
from bench.measure.process import PROJECT, explain, running

CONNECT_LIMIT_SECONDS = 20
END_SECONDS = 3.0
SHIP_LIMIT_SECONDS = 120.0
SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_LIMIT_SECONDS}")
SSH += ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", "-o", "ExitOnForwardFailure=yes")
FORWARDED = re.compile(r"Allocated port (\d+) for remote forward")
OLDEST_PYTHON = (3, 11)
# For the interpreter of a host, which may be too old to read this file.
BOOTSTRAP = f"""
import sys
if sys.version_info < {OLDEST_PYTHON}:
    sys.exit("error: its Python is %d.%d, and the suite needs 3.11 or newer" % sys.version_info[:2])
from bench.measure.fleet.worker import main
main()
"""
Receive = Callable[[dict[str, Any]], None]


class Unreachable(Exception):
    """Host without a worker, for a reason that follows "it"."""


class FleetEngine:
    """Client of a scheduler: it starts workers and submits tasks that stay where they are."""

    def __init__(self, client: Client, security: Security | None, stack: AsyncExitStack) -> None:
        self._client, self._security, self._stack = client, security, stack
        self._processes: list[subprocess.Popen] = []
        self._arrived: set[str] = set()
        self._depart: Callable[[str], None] = lambda address: None
        self.subscribe("all", self._worker_changed)

    def subscribe(self, topic: str, receive: Receive) -> None:
        """Let ``receive`` get the messages of a topic in their order."""
        self._client.subscribe_topic(topic, lambda event: receive(event[1]))

    def on_departure(self, depart: Callable[[str], None]) -> None:
        """Let ``depart`` get the address of each worker that the scheduler loses."""
        self._depart = depart

    def _worker_changed(self, message: dict[str, Any]) -> None:
        if message.get("action") == "add-worker":
            self._arrived.add(message["worker"])
        elif message.get("action") == "remove-worker":
            self._depart(message["worker"])

    @property
    def port(self) -> str:
        return self._client.scheduler.address.rpartition(":")[2]

    @property
    def is_connected(self) -> bool:
        """False if the scheduler is gone, which a task does not notice."""
        return self._client.status == "running"

    async def workers(self) -> dict[str, dict[str, Any]]:
        """Return {address: what the scheduler knows} of all workers."""
        return (await self._client.scheduler.identity(n_workers=-1))["workers"]

    async def start(self, host: FleetHost) -> str:
        """Start a worker on the host, and return its address; raises Unreachable with the reason."""
        if host.ship:
            await asyncio.to_thread(ship, host)
        output = self._stack.enter_context(tempfile.TemporaryFile())
        argv, folder = self._argv(host)
        streams = {"stdin": subprocess.PIPE, "stdout": output, "stderr": subprocess.STDOUT}
        try:
            process = self._stack.enter_context(running(argv, cwd=folder, **streams))
        except OSError as error:
            raise Unreachable(f"could not be started by {argv[0]} ({error.strerror})") from error
        self._processes.append(process)
        number = len(self._processes)
        try:
            async with asyncio.timeout(START_LIMIT_SECONDS):
                port = self.port
                if host.address is not None:  # on another host, what SSH forwards
                    port = (await self._until(lambda: FORWARDED.search(_text(output)), process, output))[1]
                settings = self.settings(host, number, port)
                process.stdin.write(json.dumps(settings).encode() + b"\n")
                process.stdin.flush()
                await self._until(lambda: settings["address"] in self._arrived, process, output)
                return settings["address"]
        except TimeoutError:
            raise Unreachable(f"did not answer within {START_LIMIT_SECONDS:g} s") from None
        except BrokenPipeError:
            raise Unreachable(await self._why_ended(process, output)) from None

    def _argv(self, host: FleetHost) -> tuple[list[str], str | None]:
        program = ["-c", BOOTSTRAP]
        if host.address is None:
            return [host.python, *program], host.checkout
        return [*SSH, "-R", f"127.0.0.1:0:127.0.0.1:{self.port}", host.address, remote_command(host, program)], None

    def settings(self, host: FleetHost, number: int, port: str) -> dict[str, Any]:
        """Return the settings of the worker of a host, by its number and the scheduler's port as the host sees it.

        Each has an address of its own, by which the scheduler knows it, although nothing listens there.
        """
        certificate = self._security.get_tls_config_for_role("worker")
        own = f"127.{number // 62500 + 1}.{number // 250 % 250}.{number % 250 + 1}"
        return {
            "scheduler": f"tls://127.0.0.1:{port}",
            "certificate": certificate["ca_file"],
            "key": certificate["key"],
            "name": host.name,
            "address": f"tls://{own}:1",
            "versions": versions(),
        }

    async def _until(self, answer: Callable[[], Any], process: subprocess.Popen, output: IO[bytes]) -> Any:
        """Ask until there is an answer, and return it; raises Unreachable if the process ends before."""
        while not (found := answer()):
            if process.poll() is not None:
                raise Unreachable(await self._why_ended(process, output))
            await asyncio.sleep(0.1)
        return found

    async def _why_ended(self, process: subprocess.Popen, output: IO[bytes]) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                while process.poll() is None:
                    await asyncio.sleep(0.1)
        lines = [line.removeprefix("error: ") for line in _text(output).splitlines() if line.startswith("error: ")]
        return f"ended at the start: {lines[-1] if lines else explain(_text(output))}"

    async def end_workers(self) -> None:
        """Close the stdin of all workers, and give them a moment to end what they carry."""
        for process in self._processes:
            with suppress(OSError):
                process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                while any(process.poll() is None for process in self._processes):
                    await asyncio.sleep(0.1)

    async def run(self, task: Callable[[on_host.Request], None], request: on_host.Request, worker: str) -> None:
        """Run a task on one worker, once; cancel it if this is cancelled.  Raises the exception of the task."""
        future = self._client.submit(task, request, workers=[worker], allow_other_workers=False, retries=0, pure=False)
        try:
            error = await future.exception()
        finally:
            future.release()
        if error is not None:
            raise error


def ship(host: FleetHost) -> None:
    """Send the files of the suite to a host; raises Unreachable if that fails."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path in suite_files():
            tar.add(path, path.relative_to(PROJECT).as_posix())
    argv = [*SSH, host.address, unpack_command(host)]
    try:
        done = subprocess.run(argv, input=archive.getvalue(), capture_output=True, timeout=SHIP_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unreachable(f"did not take the files of the suite within {SHIP_LIMIT_SECONDS:g} s") from None
    except OSError as error:
        raise Unreachable(f"could not be reached by {argv[0]} ({error.strerror})") from error
    if done.returncode != 0:
        raise Unreachable(f"did not take the files of the suite: {explain(done.stderr.decode(errors='replace'))}")


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")


@asynccontextmanager
async def own_engine() -> AsyncIterator[FleetEngine]:
    """Start a scheduler on loopback, with TLS; its workers end with it."""
    be_quiet()
    security = Security.temporary()
    async with AsyncExitStack() as stack:
        where = {"host": "127.0.0.1", "port": 0, "protocol": "tls", "dashboard_address": LOOPBACK}
        scheduler = Scheduler(**where, security=security)
        await stack.enter_async_context(scheduler)
        client = await stack.enter_async_context(Client(scheduler.address, security=security, asynchronous=True))
        engine = FleetEngine(client, security, stack)
        try:
            yield engine
        finally:
            await engine.end_workers()


@asynccontextmanager
async def engine_at(address: str) -> AsyncIterator[FleetEngine]:
    """Connect to a scheduler that runs already, with the certificates of Dask's own configuration.

    Raises BenchError if it cannot be reached within a time limit.
    """
    be_quiet()
    dask.config.set({"distributed.comm.timeouts.connect": f"{CONNECT_LIMIT_SECONDS}s"})
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(Client(address, asynchronous=True))
            packages = (await client.scheduler.versions(packages={}))["packages"]
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            reason = explain(str(error))
            raise BenchError(f"the scheduler {address} cannot be reached ({reason}): check its address.") from error
        if other := differing_versions(packages, versions()):
            raise BenchError(f"the scheduler {address} has {other}: install requirements/fleet.txt on both.")
        yield FleetEngine(client, None, stack)
