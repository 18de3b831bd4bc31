"""Resolution of command-line words to runs: ids, folders, committed records, other tools' files."""

from __future__ import annotations

from pathlib import Path

from bench.errors import RecordError
from bench.records.paths import absolute
from bench.records.run_folder import header_field, latest_run

LATEST = "latest"
SHOWN_CHARACTERS = 200  # of an unknown word


def find_run(word: str | None, runs_dir: Path, records_dir: Path) -> Path:
    """Return the folder of the run that ``word`` names; None means the latest.

    A word is a path, or the id of a run in ``runs_dir``, or a record's id or path below ``records_dir``, or ``latest``.
    Raises RecordError with a remedy if it is not found.
    """
    path = find(word or LATEST, runs_dir, records_dir)
    if not path.is_dir():
        raise RecordError(f"{path} is a file, not a run folder: name the folder, or its id in {runs_dir}.")
    return path


def find(word: str, runs_dir: Path, records_dir: Path) -> Path:
    """Return the folder of a run as ``find_run``, or any file."""
    if word == LATEST:
        return latest_run(runs_dir)
    for path in (absolute(word), runs_dir / word, records_dir / word):
        try:
            if (path.exists() and not path.is_dir()) or (path / "run.json").is_file():  # a pipe is a file, too
                return path
        except PermissionError as error:
            raise RecordError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
        except OSError:
            continue  # too long, or with an invalid character
        runs = sorted(found.parent for found in path.glob("*/run.json")) if word and path.is_dir() else []
        if runs:
            raise RecordError(f"{word} is a folder of {len(runs)} runs: name one of them, e.g. {runs[-1]}.")
    same = _records_of_id(word, records_dir)
    if len(same) > 1:
        raise RecordError(f"{len(same)} records are called {word}: name one by its path, e.g. {same[-1]}.")
    if same:
        return same[0]
    shown = word if len(word) <= SHOWN_CHARACTERS else f"{word[:SHOWN_CHARACTERS]}…"
    raise RecordError(
        f"{shown!r} is not a run: it is neither a run folder, nor an id in {runs_dir}, nor a record in {records_dir}, "
        "nor a file."
    )


def _records_of_id(word: str, records_dir: Path) -> list[Path]:
    """Return the committed records whose run, or folder, has the name ``word``."""
    files = sorted(records_dir.glob("*/*/run.json"))
    return [file.parent for file in files if word in (file.parent.name, header_field(file, "run_id"))]
