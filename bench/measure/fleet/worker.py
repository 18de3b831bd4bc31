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
from typing import Any

OLDEST_PYTHON = (3, 11)
# For the interpreter of a host, which may be too old to read this file.
BOOTSTRAP = f"""
import sys
if sys.version_info < {OLDEST_PYTHON}:
    sys.exit("error: its Python is %d.%d, and the suite needs 3.11 or newer" % sys.version_info[:2])
from bench.measure.fleet.worker import main
main()
"""
LAST_SECONDS = 30.0


def main() -> None:
    """Run the worker until stdin ends."""
    before_dask = dict(os.environ)
    settings = json.loads(sys.stdin.readline())
    try:
        check_versions(settings["versions"])
    except ImportError as error:
        sys.exit(f"error: it has no {error.name}: make .venv/installed-fleet adds it")
    from bench.measure.fleet import on_host

    on_host.capture_environment(before_dask)
    asyncio.run(_serve(settings, on_host))
    sys.stderr.flush()
    os._exit(0)  # a task that does not stop is ended with this process


def check_versions(wanted: dict[str, str]) -> None:
    """End with a sentence if Dask is not of the coordinator's version."""
    if other := differing_versions(versions(), wanted):
        sys.exit(f"error: it has {other}: install requirements/fleet.txt on both")


def differing_versions(there: dict[str, str], here: dict[str, str]) -> str:
    """Return the packages whose versions on a host differ from those of the coordinator; empty if they fit."""
    found = {name: (there.get(name), version) for name, version in here.items() if there.get(name) != version}
    return ", ".join(f"{name} {other} (the coordinator has {version})" for name, (other, version) in found.items())


def versions() -> dict[str, str]:
    """Return the versions of the packages that must be equal on all hosts."""
    import dask
    import distributed

    return {"dask": dask.__version__, "distributed": distributed.__version__}


async def _serve(settings: dict[str, Any], on_host: Any) -> None:
    from bench.measure.fleet.engine import plain_worker

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    threading.Thread(target=_wait_for_end, args=(loop, ended), daemon=True).start()
    worker = await plain_worker(settings)
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
