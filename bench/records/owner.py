"""Owner of a scratch folder or a run: a process identified by host, boot, process number and start time."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import msgspec
import psutil

from bench.errors import RecordError

BIRTH_TOLERANCE_SECONDS = 60.0  # start times vary while a system's clock is adjusted
PROCESS_NUMBERS = Path("/proc/self/ns/pid")  # containers number their processes separately
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Life(StrEnum):
    """State of an owner; unknown (``ELSEWHERE``) on another host or in another container."""

    ALIVE = "alive"
    GONE = "gone"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Owner:
    """Identity of a process; ``host`` is a digest, so that no record names a host; None in older files.

    ``created_seconds`` is since 1970, and moves when the clock is set; ``since_boot_seconds`` does not.
    """

    pid: int
    created_seconds: float
    host: str | None = None
    boot: str | None = None
    since_boot_seconds: float | None = None

    @classmethod
    def current(cls) -> Owner:
        """Return the owner that is this process; raise RecordError if the system does not tell when it started."""
        try:
            created_seconds = psutil.Process().create_time()
            since_boot_seconds = created_seconds - psutil.boot_time()
        except (psutil.Error, OSError, RuntimeError) as error:
            raise RecordError(
                "this system does not tell which processes run, so nothing can be kept apart from another command's: "
                "mount /proc."
            ) from error
        return cls(os.getpid(), created_seconds, _host(), _boot(), since_boot_seconds)

    @classmethod
    def from_json(cls, text: str) -> Owner:
        """Parse an owner; raise ValueError if invalid."""
        return msgspec.json.decode(text, type=cls)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def life(self) -> Life:
        if self.host not in (None, _host()):
            return Life.ELSEWHERE
        if self.boot not in (None, _boot()):
            return Life.GONE
        try:
            process = psutil.Process(self.pid)
            created_seconds = process.create_time()
            if process.status() == psutil.STATUS_ZOMBIE:
                return Life.GONE
        except psutil.NoSuchProcess:
            return Life.GONE
        except psutil.Error:
            return Life.ALIVE
        births = [created_seconds - self.created_seconds]
        if self.since_boot_seconds is not None:
            births.append(created_seconds - psutil.boot_time() - self.since_boot_seconds)
        return Life.ALIVE if min(map(abs, births)) <= BIRTH_TOLERANCE_SECONDS else Life.GONE


def _host() -> str:
    try:
        numbers = os.readlink(PROCESS_NUMBERS)
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{platform.node()} {numbers}".encode(errors="replace")).hexdigest()[:12]


def _boot() -> str | None:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return None
