"""Folder of a fleet run: ``fleet.json``, and in ``runs/`` an ordinary run folder for each host that measured.

A file that a host sends has one of the names of a run folder, and is written as it arrived: atomically, JSON only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import RecordError
from bench.records import files
from bench.records.json_file import decode, read_json
from bench.records.run_folder import RunFolder, as_json

FLEET_SCHEMA_VERSION = 1
FILE, DOCTOR = "fleet.json", "doctor.json"
REMEDY = "free space, then continue with --resume"
RUN_FILE = re.compile(r"run\.json|replicates/\d{4,9}\.json")  # names that a host may write


class HostState(StrEnum):
    """State of a host; ``duplicate`` if it is the machine of another host."""

    WAITING = "waiting"
    MEASURING = "measuring"
    COMPLETE = "complete"
    PARTIAL = "partial"
    NOT_MEASURED = "not measured"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class HostRecord:
    """Host of a fleet with its result; ``reason`` is a sentence unless it is complete.

    Attributes
    ----------
    machine, boot : str or None
        Digests of the machine's identity and of its boot.
    notes : tuple of str
        Sentences on what limits the host's result.
    """

    name: str
    state: HostState = HostState.WAITING
    reason: str | None = None
    machine: str | None = None
    boot: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    price_per_hour: float | None = None
    notes: tuple[str, ...] = ()
    num_replicates: int = 0


@dataclass(frozen=True)
class FleetHeader:
    """Circumstances of a fleet run: options of ``bench run``, code and data that every host has, and the hosts.

    ``source`` names the engine: ``local``, ``hosts`` or ``scheduler``.
    """

    fleet_id: str
    source: str
    options: tuple[str, ...]
    commit: str | None
    code: str
    dataset: dict[str, Any]
    hosts: tuple[HostRecord, ...]
    fleet_schema_version: int = FLEET_SCHEMA_VERSION
    dirty: bool | None = None
    mlp_bench: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


class FleetFolder:
    """Fleet run on disk."""

    def __init__(self, path: Path, header: FleetHeader) -> None:
        self.path, self.header = path, header

    @classmethod
    def create(cls, parent: Path, header: FleetHeader) -> FleetFolder:
        """Create the folder of a fleet run in ``parent``; raise RecordError if it cannot be written."""
        path = files.new_folder(parent / header.fleet_id, "free space, or name another folder with --output")
        folder = cls(path, replace(header, fleet_id=path.name))
        folder._write()
        return folder

    @classmethod
    def open(cls, path: Path) -> FleetFolder:
        """Open an earlier fleet run; raise RecordError if it is missing, damaged, or of a newer schema."""
        try:
            header = decode(read_json(path / FILE), FleetHeader)
        except FileNotFoundError:
            raise RecordError(f"{path} is not a fleet run, it has no {FILE}: name the folder of one.") from None
        except OSError as error:
            raise RecordError(f"{path / FILE} cannot be read ({error.strerror}).") from error
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{path / FILE} is damaged ({error}): restore it, or measure again.") from error
        if header.fleet_schema_version > FLEET_SCHEMA_VERSION:
            raise RecordError(f"{path / FILE} was written by a newer mlp-bench: update this one.")
        return cls(path, header)

    def host(self, name: str) -> HostRecord:
        return next(host for host in self.header.hosts if host.name == name)

    def update_host(self, name: str, **changes: Any) -> None:
        """Change the record of a host; raise RecordError if it cannot be written."""
        changed = replace(self.host(name), **changes)
        self.update(hosts=tuple(changed if host.name == name else host for host in self.header.hosts))

    def update(self, **changes: Any) -> None:
        self.header = replace(self.header, **changes)
        self._write()

    def run_path(self, name: str) -> Path:
        return self.path / "runs" / name

    def num_replicates(self, name: str) -> int:
        """Return the number of process replicates of a host that have arrived."""
        return sum(1 for _ in (self.run_path(name) / "replicates").glob("*.json"))

    def runs(self) -> list[Path]:
        """Return the run folders of the hosts that measured anything, in the order of the hosts."""
        paths = [self.run_path(host.name) for host in self.header.hosts]
        return [path for path in paths if (path / "run.json").is_file() and self.num_replicates(path.name)]

    def held(self, name: str) -> dict[str, str]:
        """Return the files of a host's run that have arrived, {name: text}."""
        path = self.run_path(name)
        found = sorted(one.relative_to(path).as_posix() for one in path.rglob("*.json"))
        return {one: (path / one).read_text(encoding="utf-8") for one in found if RUN_FILE.fullmatch(one)}

    def keep_doctor(self, name: str, findings: Sequence[dict[str, Any]]) -> None:
        """Write the findings of ``python -m bench doctor`` on a host beside its run."""
        files.write_with_folders(self.run_path(name) / DOCTOR, as_json(findings), REMEDY)

    def doctor(self, name: str) -> list[dict[str, Any]]:
        """Return the doctor's findings on a host; empty if none arrived."""
        try:
            return read_json(self.run_path(name) / DOCTOR)
        except (OSError, ValueError):
            return []

    def keep(self, name: str, file: str, text: str) -> None:
        """Write a file of a host's run; raise RecordError for another name, or if it cannot be written."""
        if not RUN_FILE.fullmatch(file):
            raise RecordError(f"host {name} sent {file!r}, which is not a file of a run: nothing of it was written.")
        text = self._completed(name, text) if file == "run.json" else text
        files.write_with_folders(self.run_path(name) / file, text, REMEDY)

    def _completed(self, name: str, text: str) -> str:
        """Return run.json with the number of its host in the run id, as equal hosts start in the same second.

        Files that were shipped have no repository there: their commit is the one here, whose digest they have.
        """
        number = [host.name for host in self.header.hosts].index(name) + 1
        try:
            content = json.loads(text)
            run_id, commit = content["run_id"], content.get("commit") or {}
        except (ValueError, TypeError, KeyError):
            return text
        if commit.get("id") is None and self.header.commit is not None:
            content["commit"] = {"id": self.header.commit, "dirty": self.header.dirty}
        return as_json({**content, "run_id": f"{run_id.removesuffix(ending := f'-host-{number}')}{ending}"})

    def interrupt(self, name: str) -> None:
        """Mark the record of a host that was lost as interrupted, if there is one that says it is running."""
        try:
            run = RunFolder.open(self.run_path(name))
        except RecordError:
            return
        if run.header.status == "running":
            run.update_header(status="interrupted")

    def _write(self) -> None:
        files.write(self.path / FILE, as_json(msgspec.to_builtins(self.header)), REMEDY)
