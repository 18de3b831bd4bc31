"""Program that is started on each host: a plain Dask worker, which ends when the coordinator closes its stdin.

The first line of stdin holds the settings of ``bench.measure.fleet.engine``: scheduler, certificates, name, address and
versions.  They are not on the command line, which all users of a host can read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

LAST_SECONDS = 30.0


def main() -> None:
    """Run the worker until stdin ends."""
    before_dask = dict(os.environ)
    settings = json.loads(sys.stdin.readline())
    try:
        from bench.measure.fleet.quiet_dask import differing_versions, versions
    except ImportError as error:
        from bench.advice import extra_command

        sys.exit(f"error: it has no {error.name}: {extra_command('fleet')} adds it")
    if other := differing_versions(versions(), settings["versions"]):
        sys.exit(f"error: it has {other}: install requirements/fleet.txt on both")
    from bench.measure.fleet import on_host
    from bench.measure.scratch import scratch_folder

    on_host.capture_environment(before_dask)
    with scratch_folder() as folder:
        asyncio.run(_serve(settings, folder, on_host))
    sys.stderr.flush()
    os._exit(0)  # a task that does not stop is ended with this process


async def _serve(settings: dict[str, Any], folder: Path, on_host: Any) -> None:
    from bench.measure.fleet.quiet_dask import plain_worker

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    threading.Thread(target=_wait_for_end, args=(loop, ended), daemon=True).start()
    worker = await plain_worker(settings, folder)
    print("ready", file=sys.stderr, flush=True)
    watched = [asyncio.create_task(ended.wait()), asyncio.create_task(worker.finished())]
    await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
    on_host.stopping.set()
    for _ in range(int(LAST_SECONDS)):
        if not worker.state.executing:
            break
        await asyncio.sleep(1)


def _wait_for_end(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    sys.stdin.read()
    loop.call_soon_threadsafe(ended.set)
