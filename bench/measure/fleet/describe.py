"""``python -m bench.measure.fleet.describe [DATA]``: print as JSON what this host is and has."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.machine import sysfs
from bench.measure.code import suite_digest
from bench.measure.doctor import examine
from bench.measure.git import state_of
from bench.measure.process import PROJECT
from bench.records.owner import BOOT_ID
from mlp.dataset import cache_directory, identify, locate
from mlp.errors import MlpError

MACHINE_ID = Path("/etc/machine-id")
DIGITS = 12


def describe(data: Path | None) -> dict[str, Any]:
    """Return code, dataset, identity and the doctor's findings of this host, JSON-ready."""
    state = state_of(PROJECT)
    return {
        "python": platform.python_version(),
        "commit": state.commit,
        "code": suite_digest(),
        "machine": _digest(sysfs.read(MACHINE_ID) or platform.node()),
        "boot": _digest(sysfs.read(BOOT_ID)),
        "folder": str(cache_directory() / "fleet"),
        **_dataset(data),
        "doctor": [asdict(finding) for finding in examine(data)],
    }


def _dataset(data: Path | None) -> dict[str, Any]:
    """Return the digests of the files; of data that the host does not name itself, only those that are there."""
    try:
        source = locate(data)
        identity = identify(source.directory)
    except MlpError as error:
        return {"dataset": None, "origin": "directory", "data_problem": str(error)}
    dataset = {"identity": identity.name, "sha256": identity.sha256}
    return {"dataset": dataset, "origin": source.origin, "data_problem": None}


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode(errors="replace")).hexdigest()[:DIGITS]


if __name__ == "__main__":
    os.environ.setdefault("MLP_BENCH_OFFLINE", "1")  # the coordinator sends what is missing
    print(json.dumps(describe(Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
