"""Run folder <-> values.  A run is ``run.json`` and one file in ``replicates/`` for each process replicate.

Every file is written to a temporary name, flushed and renamed, so it is complete or absent; a killed run leaves a
readable folder.  JSON only: nothing is ever unpickled.  Raw samples are kept for ever, statistics are recomputed.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from bench import __version__
from bench.errors import RecordError
from bench.wellformed import check_header, check_replicate

# 1 (2026-11): first version.
# 2 (2026-11): a case has a precision; a reference run may have a phase transfer; samples of a GPU beside it.
# 3 (2026-11): the harness ablation, whose cases say what they go without.
# 4 (2026-11): the harness ceilings; a measurement may tell the flop of one call.
SCHEMA_VERSION = 4


class RunFolder:
    """One run on disk.  ``problems`` names what could not be read."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.header = header
        self.problems: list[str] = []

    @classmethod
    def create(cls, runs_dir: Path, header: dict[str, Any]) -> RunFolder:
        """A new folder for ``header``; raises RecordError if the run exists or cannot be written."""
        path = Path(runs_dir) / header["run_id"]
        try:
            (path / "replicates").mkdir(parents=True)
        except FileExistsError:
            raise RecordError(
                f"run {path.name} exists already in {runs_dir}: go on with --resume {path.name}."
            ) from None
        except OSError as error:
            raise RecordError(
                f"the run folder {path} cannot be made ({error.strerror}): name another with --runs-dir."
            ) from error
        folder = cls(path, header)
        folder.update_header()
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run; raises RecordError if there is none, or it is damaged, or of a newer schema."""
        path = Path(path)
        try:
            header = json.loads((path / "run.json").read_text(encoding="utf-8"))
            version = header["schema_version"]
            if not isinstance(version, int):
                raise ValueError(f"schema_version is {version!r}")
            if version <= SCHEMA_VERSION:  # of a newer one nothing is known
                check_header(header)
        except FileNotFoundError:
            raise RecordError(f"{path} is no run: it has no run.json; see the folders in {path.parent}.") from None
        except OSError as error:
            raise RecordError(f"{path / 'run.json'} cannot be read ({error.strerror}).") from error
        except KeyError as error:
            raise RecordError(
                f"{path / 'run.json'} is damaged (it has no {error}): restore it from a copy, or measure again."
            ) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise RecordError(
                f"{path / 'run.json'} is damaged ({error}): restore it from a copy, or measure again."
            ) from error
        if version > SCHEMA_VERSION:
            wrote = header.get("mlp_bench")
            reader = f"mlp-bench {wrote} or newer" if isinstance(wrote, str) else "a newer mlp-bench"
            raise RecordError(
                f"run {path.name} has schema version {version}, mlp-bench {__version__} reads up to {SCHEMA_VERSION}: "
                f"{reader} reads it, so update."
            )
        return cls(path, header)

    def update_header(self, **changes: Any) -> None:
        self.header = {**self.header, **changes}
        self._write(self.path / "run.json", self.header)

    def append(self, replicate: dict[str, Any]) -> Path:
        """Write one process replicate under the next sequence number; raises RecordError if it cannot be written."""
        numbers = [int(path.stem) for path in (self.path / "replicates").glob("*.json") if path.stem.isdigit()]
        sequence = max(numbers, default=0) + 1
        path = self.path / "replicates" / f"{sequence:04d}.json"
        self._write(path, {**replicate, "sequence": sequence})
        return path

    def replicates(self) -> list[dict[str, Any]]:
        """All replicates in the order of their sequence; a damaged file is named in ``problems`` and left out.

        One damaged file costs one replicate and not the run, so this never raises.
        """
        found = []
        self.problems = []
        for path in sorted((self.path / "replicates").glob("*.json")):
            try:
                replicate = json.loads(path.read_text(encoding="utf-8"))
                check_replicate(replicate)
            except (OSError, ValueError, RecursionError) as error:
                self.problems.append(f"{path.name} cannot be read ({error}) and was left out")
                continue
            found.append(replicate)
        return sorted(found, key=lambda replicate: replicate["sequence"])

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        kept = f"what was measured before is kept: free space, then go on with make bench RESUME={self.path.name}"
        write_json(path, content, kept)


def write_json(path: Path, content: dict[str, Any], remedy: str) -> None:
    """Write ``content`` to a temporary name, flush and rename it: the file is complete or absent.

    Raises RecordError with ``remedy`` if it cannot be written.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".partial", delete=False) as file:
            temporary = Path(file.name)
            json.dump(_finite(content), file, allow_nan=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # NamedTemporaryFile makes files that only their owner may read
        os.replace(temporary, path)
    except OSError as error:
        raise RecordError(f"cannot write {path} ({error.strerror or error}); {remedy}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)  # gone already after the rename; left by whatever came before it


def latest_run(runs_dir: Path) -> Path:
    """The run that started last; raises RecordError if there is none."""
    runs = sorted(path.parent for path in Path(runs_dir).glob("*/run.json"))
    if not runs:
        raise RecordError(f"{runs_dir} holds no runs: measure one with make bench, or name another with --runs-dir.")
    return runs[-1]


def _finite(value: Any) -> Any:
    """``value`` with NaN and infinity as null: JSON has neither, and readers must see that a number is missing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
