"""The process that owns a scratch folder or a run, told from every other: by host, boot, number and time of birth."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import psutil

BIRTH_TOLERANCE_SECONDS = 60.0  # a system whose clock is being set tells the birth of one process differently
PROCESS_NUMBERS = Path("/proc/self/ns/pid")  # a container counts its processes anew
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Life(StrEnum):
    """Knowledge of an owner: of a process on another host, or in another container, there is none."""

    ALIVE = "alive"
    GONE = "gone"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Owner:
    """``host`` is a digest, because a record names no host; None where an older version did not write it."""

    pid: int
    created_seconds: float
    host: str | None = None
    boot: str | None = None

    @classmethod
    def current(cls) -> Owner:
        process = psutil.Process()
        return cls(process.pid, process.create_time(), _host(), _boot())

    @classmethod
    def from_json(cls, text: str) -> Owner:
        """Raises ValueError, TypeError or KeyError for what is no owner."""
        content = json.loads(text)
        return cls(int(content["pid"]), float(content["created_seconds"]), content.get("host"), content.get("boot"))

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
        return Life.ALIVE if abs(created_seconds - self.created_seconds) <= BIRTH_TOLERANCE_SECONDS else Life.GONE


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
