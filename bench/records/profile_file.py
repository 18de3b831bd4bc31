"""Reading and writing ``profile.json``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import msgspec

from bench.advice import bench_command
from bench.errors import RecordError
from bench.records.json_file import decode, read_text
from bench.records.profile import SCHEMA_VERSION, Profile
from bench.records.run_folder import write_json

FILE_NAME = "profile.json"


def save(profile: Profile, path: Path) -> None:
    """Write ``profile`` to ``path`` atomically; raise RecordError if that fails."""
    write_json(path, asdict(profile), "free space, or name another directory with --output")


def load(path: str | Path) -> Profile:
    """Load the profile in ``path``, a file or its folder.

    Raises
    ------
    RecordError
        If the file is missing, empty, damaged, not a profile, or of a newer schema.
    """
    path = Path(path)
    file = path / FILE_NAME if path.is_dir() else path
    try:
        text = read_text(file)
        if not text.strip():
            raise RecordError(f"{file} is empty: measure again with {bench_command('profile')}.")
        content = msgspec.json.decode(text)
    except OSError as error:
        reason = "it has no profile.json" if path.is_dir() else error.strerror
        raise RecordError(
            f"{path} is not a profile ({reason}): name a folder that {bench_command('profile')} wrote."
        ) from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{file} is damaged or not a profile ({error}): measure again.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or "operations" not in content:
        raise RecordError(f"{file} is not a profile of mlp-bench: it has no schema_version, or no operations.")
    if version > SCHEMA_VERSION:
        raise RecordError(
            f"{file} has schema version {version}, this version of mlp-bench reads up to {SCHEMA_VERSION}: update "
            "mlp-bench to read it."
        )
    try:
        return decode(content, Profile)
    except ValueError as error:
        raise RecordError(f"{file} is damaged ({error}): restore it from a copy, or measure again.") from error
