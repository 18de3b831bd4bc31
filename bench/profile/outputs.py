"""What a profile's folder holds beside ``profile.json``."""

from __future__ import annotations

from pathlib import Path

from bench.errors import RecordError
from bench.profile.operations import Profile
from bench.profile.storage import frame


def write_outputs(profile: Profile, folder: Path) -> list[Path]:
    """Write ``operations.csv``; returns the paths.  Raises RecordError if that fails."""
    path = folder / "operations.csv"
    try:
        frame(profile).to_csv(path, index=False)
    except OSError as error:
        raise RecordError(f"cannot write {path} ({error.strerror}); profile.json is complete.") from error
    return [path]
