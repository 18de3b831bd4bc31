"""Downloads with a time limit."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from mlp.errors import DatasetError

OFFLINE = "MLP_BENCH_OFFLINE"
YES, NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
CONNECT_TIMEOUT_SECONDS = 10


def is_offline() -> bool:
    """Return True if MLP_BENCH_OFFLINE disables downloads; raise DatasetError for an invalid value."""
    value = os.environ.get(OFFLINE, "").strip().lower()
    if value not in YES + NO:
        raise DatasetError(f"{OFFLINE} is {value!r}: write 1 to download nothing, or 0.")
    return value in YES


def download(url: str, directory: Path, progress: bool, limit_seconds: float) -> bool:
    """Fetch the file at ``url`` into ``directory``; return False if that failed or exceeded the limit."""
    print(f"downloading {url}, for {limit_seconds:g} s at most ({OFFLINE}=1 goes without)", file=sys.stderr, flush=True)
    return ends_well(lambda: fetch(url, directory, progress), limit_seconds)


def fetch(url: str, directory: Path, progress: bool) -> None:
    import logging

    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=CONNECT_TIMEOUT_SECONDS)
    # The hash of the decompressed bytes is checked afterwards: mirrors may compress differently.
    pooch.retrieve(url, known_hash=None, fname=url.rpartition("/")[2], path=directory, downloader=downloader)


def ends_well(work: Callable[[], None], limit_seconds: float) -> bool:
    """Run ``work`` in a thread with a time limit; return True if it ended in time without an error.

    The thread is abandoned, because time limits of a connection apply to single reads and never expire for a slow
    server.
    """
    succeeded = []

    def attempt() -> None:
        with contextlib.suppress(Exception):  # no network, file not found, interrupted: try the next mirror
            work()
            succeeded.append(True)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(limit_seconds)
    return bool(succeeded)
