"""Tasks of a fleet that run on a host, in a thread of its Dask worker.

The suite runs in a process of its own, in the environment that was captured before Dask.  Each file of its run folder
is sent as an event when it appears, so that a host that is lost loses one process replicate at most; Dask carries no
other result, and nothing connects to the worker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import get_worker

from bench.errors import BenchError
from bench.measure.environment import PROCESSES_OF_A_JOB
from bench.measure.fleet.quiet_dask import monitors_off, versions
from bench.measure.process import end_group, explain, how_ended, run_to_end, running, why_ended
from bench.records.fleet import RUN_FILE
from mlp.availability import read_answer

LOCK = "/tmp/mlp-bench-fleet.lock"  # the same for all users and temporary folders of a host
DESCRIBE_LIMIT_SECONDS = 300.0
START_LIMIT_SECONDS = 1800.0  # until the run folder exists; plugins are checked before
BEYOND_LIMIT_SECONDS = 600.0  # after the longest time limit of a process, in which the suite must have ended it
END_SECONDS = 20.0  # to write the record after the first signal
POLL_SECONDS, ALIVE_SECONDS = 1.0, 15.0

_before_dask: dict[str, str] = {}
stopping = threading.Event()  # set when the coordinator is gone


@dataclass(frozen=True)
class Request:
    """Request for a task: ``topic`` of its events, ``host`` by name, and the ``program`` that Python runs.

    ``lock`` is the file whose lock a measurement holds, ``folder`` the host's part of the fleet run, ``held`` the files
    that have arrived, ``data`` the files of the dataset if the host lacks them.
    """

    topic: str
    host: str
    program: list[str]
    lock: str | None = None
    folder: str = ""
    options: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)


def capture_environment(before_dask: Mapping[str, str]) -> None:
    """Keep the environment of this process as it was before Dask was imported."""
    _before_dask.update(before_dask)


def environment() -> dict[str, str]:
    """Return the captured environment; in a worker of another's cluster, without what Dask and a launcher have set.

    The launcher's counts of processes are those of the whole cluster: a host is measured once, by one of its workers.
    """
    if _before_dask:
        return dict(_before_dask)
    import dask

    preset: dict[str, Any] = {}
    for name in ("environ", "pre-spawn-environ"):
        preset |= dask.config.get(f"distributed.nanny.{name}", {})
    own = {name: value for name, value in os.environ.items() if name not in PROCESSES_OF_A_JOB}
    return {name: value for name, value in own.items() if str(preset.get(name)) != value}


def describe(request: Request) -> None:
    """Send the host's description, or the reason why there is none."""
    post = _poster(request)
    argv = [sys.executable, *request.program, *request.options]
    ended = run_to_end(argv, environment(), DESCRIBE_LIMIT_SECONDS, Path.cwd())
    try:
        post("described", facts=read_answer(ended.text), versions=versions())
    except ValueError:
        post("failed", reason=ended.cut_short or why_ended(ended.exit_code or 0, ended.text))


def measure(request: Request) -> None:
    """Run the suite, send the files of its run folder as they appear, and at last how it ended."""
    post = _poster(request)
    try:
        with host_lock(request.lock) as lock, monitors_off(get_worker()):
            post("ended", **_measured(request, lock, post))
    except BenchError as error:
        post("failed", reason=str(error))
    except OSError as error:
        post("failed", reason=f"{error.filename or request.folder} cannot be written ({error.strerror})")


def _poster(request: Request) -> Callable[..., None]:
    worker = get_worker()
    return lambda kind, **content: worker.log_event(request.topic, {"host": request.host, "kind": kind, **content})


@contextmanager
def host_lock(path: str | None) -> Iterator[int | None]:
    """Hold the lock of this host (none for None), which the kernel releases when the last holder has ended.

    Raises BenchError if another fleet run holds it.
    """
    if path is None:
        yield None
        return
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        raise BenchError("another fleet run measures on this host: wait for its end") from None
    finally:
        os.close(descriptor)


def _measured(request: Request, lock: int | None, post: Callable[..., None]) -> dict[str, Any]:
    """Return exit code and reason of the suite; the reason is None if it ended by itself and has a record."""
    runs = Path(request.folder)
    runs.mkdir(parents=True, exist_ok=True)
    options = [*request.options, *_data_options(request, runs), "--runs-dir", str(runs)]
    run = _restored(runs, request.held)
    argv = [sys.executable, *request.program, *(["--resume", run.name] if run else []), *options]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    kept = () if lock is None else (lock,)  # until the suite has ended, even if this worker is killed
    text: deque[str] = deque(maxlen=200)
    with running(argv, environment(), pass_fds=kept, **streams) as process:
        reader = threading.Thread(target=lambda: text.extend(map(_decoded, process.stdout)), daemon=True)
        reader.start()
        reason = _follow(process, Journal(runs, request.held, post))
    reader.join(END_SECONDS)  # it may not have come to the last lines, which say why
    exit_code = process.returncode
    if reason is None and exit_code not in (0, 1):
        reason = _error_line(text) or f"the suite {how_ended(exit_code)}: {explain(''.join(text))}"
    return {"exit_code": exit_code, "reason": reason}


def _decoded(line: bytes) -> str:
    return line.decode(errors="replace")


def _error_line(lines: deque[str]) -> str | None:
    """Return the sentence of a user-facing error, without its end."""
    found = [line.removeprefix("error: ").strip().rstrip(".") for line in lines if line.startswith("error: ")]
    return found[-1] if found else None


def _data_options(request: Request, runs: Path) -> list[str]:
    """Write the dataset if it was sent, and return the option that names it."""
    folder = runs / "data"
    if request.data:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in request.data.items():
            (folder / name).write_bytes(content)
    return ["--data", str(folder)] if request.data else []


def _restored(runs: Path, held: Mapping[str, str]) -> Path | None:
    """Return the folder of the run to go on with, written from ``held`` if it is gone; None for a new run."""
    if "run.json" not in held:
        return None
    found = _run_folder(runs)
    if found is None:
        found = runs / "restored"
        for name, text in held.items():
            (found / name).parent.mkdir(parents=True, exist_ok=True)
            (found / name).write_text(text, encoding="utf-8")
    return found


def _run_folder(runs: Path) -> Path | None:
    return next((path.parent for path in sorted(runs.glob("*/run.json"), reverse=True)), None)


def _follow(process: subprocess.Popen, journal: Journal) -> str | None:
    """Send the journal until the suite ends; end it if it hangs or is to stop, and return the reason."""
    reason = None
    while reason is None and process.poll() is None:
        journal.send_new()
        if _is_to_stop():
            reason = "it was stopped by the coordinator, or because the coordinator was gone"
        elif journal.silent_seconds > journal.limit_seconds:
            reason = f"it hung: the suite recorded nothing for {journal.limit_seconds:.0f} s, so it was stopped"
        else:
            time.sleep(POLL_SECONDS)
    if reason is not None:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            end_group(process)
    journal.send_new()
    return reason


def _is_to_stop() -> bool:
    """Return whether the coordinator has gone, or Dask no longer wants this task."""
    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return stopping.is_set() or task is None or task.state == "cancelled"


class Journal:
    """Files of a run folder that appear in ``runs``, sent once each; ``run.json`` whenever it changes."""

    def __init__(self, runs: Path, held: Mapping[str, str], post: Callable[..., None]) -> None:
        self._runs, self._post = runs, post
        self._sent = {name for name in held if name != "run.json"}
        self._run_written = 0
        self._last_seconds = self._alive_seconds = time.monotonic()
        self.limit_seconds = START_LIMIT_SECONDS

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last file."""
        return time.monotonic() - self._last_seconds

    def send_new(self) -> None:
        """Send what is new, or now and then that there is nothing new."""
        found = list(self._new())
        for name, text in found:
            self._post("file", name=name, text=text)
        now = time.monotonic()
        if found:
            self._last_seconds = now
        elif now - self._alive_seconds >= ALIVE_SECONDS:
            self._post("alive")
        else:
            return
        self._alive_seconds = now

    def _new(self) -> Iterator[tuple[str, str]]:
        run = _run_folder(self._runs)
        if run is None:
            return
        written = (run / "run.json").stat().st_mtime_ns
        if written != self._run_written:
            self._run_written = written
            text = (run / "run.json").read_text(encoding="utf-8")
            self.limit_seconds = _longest_limit(text) + BEYOND_LIMIT_SECONDS
            yield "run.json", text
        for path in sorted((run / "replicates").glob("*.json")):
            name = f"replicates/{path.name}"
            if name not in self._sent and RUN_FILE.fullmatch(name):
                self._sent.add(name)
                yield name, path.read_text(encoding="utf-8")


def _longest_limit(text: str) -> float:
    content = json.loads(text)
    entries = [*content.get("plan", []), *content.get("candidates", [])]
    return max((entry.get("limit_seconds") or 0.0 for entry in entries), default=0.0)
