"""Run folder: ``run.json``, and one file in ``replicates/`` for each process replicate.

Every file is written to a temporary name, flushed and renamed, so that it is complete or absent and a killed run leaves
a readable folder.  JSON only, never pickle.  Raw samples are kept, statistics are recomputed.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from bench.advice import make_command
from bench.errors import RecordError
from bench.records import files
from bench.records.header import RunHeader
from bench.records.json_file import decode, finite, read_json
from bench.records.moments import moment
from bench.records.schema import Replicate, read_replicate
from bench.version import __version__

# 1 (2026-11): first version.
# 2 (2026-11): a case has a precision; a reference run may have a phase transfer; samples of a GPU beside it.
# 3 (2026-11): the harness ablation, whose cases have ``without``.
# 4 (2026-11): the harness ceilings; a measurement may have the flop of one call.
# 5 (2026-11): ``round`` of a replicate was ``replicate``; columns ``sample_index`` and ``round`` were ``round`` and
#    ``replicate``.
# 6 (2026-11): a replicate has the digest of its code (``code``); the facts of processes have the version of the
#    workload and the SHA-256 of the BLAS.
# 7 (2026-11): the harnesses threads, copies and devices; a case has ``copies`` and ``devices``; a measurement of them
#    has ``scaling``: placement, clock and accuracy.
SCHEMA_VERSION = 7


class RunFolder:
    """Run on disk; ``problems`` are sentences about unreadable, repeated and missing files."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        """``content`` is that of run.json; fields that this version does not know are written back."""
        self.path = path
        self.header = decode(content, RunHeader)
        self._content = content
        self.problems: list[str] = []

    @classmethod
    def create(cls, runs_dir: Path, header: RunHeader) -> RunFolder:
        """Create a folder for ``header``; ``run_id`` gets the suffix ``-2`` if another run started in the same second.

        Raises RecordError if it cannot be written.
        """
        remedy = "free space, or name another folder with --runs-dir"
        path = files.new_folder(Path(runs_dir) / header.run_id, remedy)
        folder = cls(path, replace(header, run_id=path.name).to_json())
        try:
            files.new_folder(path / "replicates", remedy)
            write_json(path / "run.json", folder._content, remedy)
        except RecordError:
            shutil.rmtree(path, ignore_errors=True)  # an incomplete folder is not a run
            raise
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run; raise RecordError if it is missing, damaged, or of a newer schema."""
        path = Path(path)
        try:
            content = finite(read_json(path / "run.json"))
            version = content["schema_version"]
            if not isinstance(version, int):
                raise ValueError(f"schema_version is {version!r}")
            if version <= SCHEMA_VERSION:
                return cls(path, content)
        except FileNotFoundError:
            raise RecordError(f"{path} is not a run, it has no run.json: see the folders in {path.parent}.") from None
        except OSError as error:
            raise RecordError(f"{path / 'run.json'} cannot be read ({error.strerror}).") from error
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            sentence = f"{path / 'run.json'} is damaged ({why}): restore it from a copy, or measure again."
            raise RecordError(sentence) from error
        wrote = content.get("mlp_bench")
        reader = f"mlp-bench {wrote} or newer" if isinstance(wrote, str) else "a newer mlp-bench"
        raise RecordError(
            f"run {path.name} has schema version {version}, mlp-bench {__version__} reads up to {SCHEMA_VERSION}: "
            f"update to {reader}."
        )

    def update_header(self, **changes: Any) -> None:
        self._content = {**self._content, "schema_version": SCHEMA_VERSION, **msgspec.to_builtins(changes)}
        self.header = decode(self._content, RunHeader)
        self._write(self.path / "run.json", self._content)

    def append(self, replicate: dict[str, Any]) -> Path:
        """Write one process replicate under the next sequence number; raise RecordError if that fails."""
        numbers = [int(path.stem) for path in (self.path / "replicates").glob("*.json") if path.stem.isdigit()]
        sequence = max(numbers, default=0) + 1
        path = self.path / "replicates" / f"{sequence:04d}.json"
        self._write(path, {**replicate, "sequence": sequence})
        return path

    def replicates(self) -> list[Replicate]:
        """Return all replicates by sequence; a damaged or repeated file is left out and named in ``problems``.

        It never raises, so that a damaged file costs one replicate and not the run.
        """
        found: dict[int, tuple[str, Replicate]] = {}
        self.problems, num_damaged = [], 0
        if not os.access(self.path / "replicates", os.R_OK | os.X_OK):  # glob finds no file in such a folder
            self.problems.append("its folder replicates is missing, or may not be read")
        # Our own names first: of a file and its copy, the copy is the one left out.
        paths = sorted((self.path / "replicates").glob("*.json"), key=lambda path: (not path.stem.isdigit(), path.name))
        for path in paths:
            try:
                replicate = read_replicate(path)
            except (OSError, ValueError, RecursionError) as error:
                self.problems.append(f"{path.name} cannot be read ({error}) and was left out")
                num_damaged += 1
                continue
            first, _ = found.setdefault(replicate["sequence"], (path.name, replicate))
            if first != path.name:
                self.problems.append(f"{path.name} has the number of {first} and was left out, or it would count twice")
        planned, present = sum(entry.replicates for entry in self.header.plan), len(found) + num_damaged
        if self.header.status == "complete" and present < planned:
            self.problems.append(f"of its {planned} processes, {planned - present} have no file in replicates any more")
        return [found[sequence][1] for sequence in sorted(found)]

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        again = make_command("bench", RESUME=self.path.name)
        kept = f"the measurements before it are kept: free space, then continue with {again}"
        write_json(path, content, kept)


def write_json(path: Path, content: dict[str, Any], remedy: str) -> None:
    """Write ``content``; raise RecordError with ``remedy`` if that fails."""
    files.write(path, as_json(content), remedy)


def as_json(content: Any) -> str:
    """Encode as JSON, with NaN and infinity as null."""
    return json.dumps(finite(content), allow_nan=False, indent=1) + "\n"


def sources_of(path: Path) -> tuple[Path, ...]:
    """Return the files and folders that are read of a run, or of any file."""
    return (path / "run.json", path / "replicates") if path.is_dir() else (path,)


def latest_run(runs_dir: Path) -> Path:
    """Return the run that started last, or of several the last by name; raise RecordError if there is none."""
    runs = sorted(path.parent for path in Path(runs_dir).glob("*/run.json"))
    if not runs:
        measure = make_command("bench")
        raise RecordError(f"{runs_dir} holds no runs: measure one with {measure}, or name another with --runs-dir.")
    return max(runs, key=lambda run: (started_seconds(run), run.name))


def started_seconds(path: Path) -> float:
    """Return the start of a run in seconds since 1970, or if unknown the time of its last change."""
    file = path / "run.json"
    started = moment(header_field(file, "started_at"))
    if started is not None:
        return started.timestamp()
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def header_field(file: Path, name: str) -> Any:
    """Return a field of a run.json of any version; None if it is missing or the file is damaged."""
    try:
        return read_json(file)[name]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
