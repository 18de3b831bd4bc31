"""Machines of a board: records of the same hardware, under an address that stays when records are added."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.document.section import clean
from bench.records.comparability import contradictions, identity, machine_name
from bench.records.moments import order
from bench.records.run_folder import RunFolder
from bench.report.board.record import BoardRecord
from bench.report.run.analysis import RunAnalysis
from bench.report.run.copies import HARNESS as COPIES
from bench.report.run.copies import CopyScaling
from bench.report.run.devices import HARNESS as DEVICES
from bench.report.run.devices import DevicePoint
from bench.report.run.threads import HARNESS as THREADS
from bench.report.run.threads import ThreadScaling
from bench.roofline.ceilings import HARNESS as CEILINGS
from bench.roofline.ceilings import Ceilings, ceilings_by_device

SLUG_CHARACTERS, DIGEST_CHARACTERS, NAME_CHARACTERS = 60, 6, 80


@dataclass
class BoardMachine:
    """Machine with its records, oldest first.

    ``address`` is the folder of its page: its name in plain letters, and a digest of the hardware facts of its oldest
    record, so that newer records and facts do not change it.  ``label`` is its name, unique on the board.
    """

    name: str
    address: str
    hardware: dict[str, Any]
    records: list[BoardRecord] = field(default_factory=list)
    label: str = ""

    @property
    def newest(self) -> BoardRecord:
        return self.records[-1]

    def newest_with(self, harness: str) -> BoardRecord | None:
        """The newest record in which ``harness`` measured something; a quick one only if there is no other."""
        found = [record for record in self.records if harness in record.harnesses]
        return max(reversed(found), key=lambda one: one.mode != "quick", default=None)

    def _analysis_of(self, harness: str) -> RunAnalysis | None:
        record = self.newest_with(harness)
        return None if record is None else RunAnalysis(RunFolder.open(record.path))

    @cached_property
    def ceilings(self) -> dict[str, Ceilings]:
        """The ceilings of each device in the newest record of them, as all below."""
        found = self._analysis_of(CEILINGS)
        return {} if found is None else ceilings_by_device(found.frames)

    @cached_property
    def thread_scalings(self) -> list[ThreadScaling]:
        found = self._analysis_of(THREADS)
        return [] if found is None else found.thread_scalings

    @cached_property
    def copy_scalings(self) -> list[CopyScaling]:
        found = self._analysis_of(COPIES)
        return [] if found is None else found.copy_scalings

    @cached_property
    def device_points(self) -> list[DevicePoint]:
        found = self._analysis_of(DEVICES)
        return [] if found is None else found.device_points


def machines_of(records: Iterable[BoardRecord]) -> list[BoardMachine]:
    """Return the machines by label, each with its records.

    A missing fact contradicts none: records older than a fact may belong to the same machine.
    """
    found: list[BoardMachine] = []
    for record in sorted(records, key=lambda one: (order(one.started_at), one.run_id)):
        machine = _place(identity(record.machine), found)
        machine.records.append(record)
    counts = Counter(machine.name.casefold() for machine in found)
    for machine in found:
        several = counts[machine.name.casefold()] > 1
        machine.label = f"{machine.name} ({machine.address.rpartition('-')[2]})" if several else machine.name
    return sorted(found, key=lambda machine: machine.label.casefold())


def _place(hardware: dict[str, Any], known: list[BoardMachine]) -> BoardMachine:
    """Return the machine of ``hardware``; append a new one."""
    for machine in known:
        if not contradictions(machine.hardware, hardware):
            machine.hardware = {**hardware, **machine.hardware}
            return machine
    name = clean(machine_name(hardware), NAME_CHARACTERS)
    known.append(BoardMachine(name, address_of(name, hardware), hardware))
    return known[-1]


def address_of(name: str, hardware: Mapping[str, Any]) -> str:
    """Return e.g. ``amd-epyc-2-cores-1a2b3c``, made of ASCII letters, digits and hyphens only."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_CHARACTERS].strip("-") or "machine"
    facts = json.dumps(hardware, sort_keys=True).encode()
    return f"{slug}-{hashlib.sha256(facts).hexdigest()[:DIGEST_CHARACTERS]}"
