"""The two sides of a gate run: A, the base, and B, the candidate.

A side is a git revision or the working tree, run by an interpreter, with environment variables.  ``Wanted`` is what
somebody asked for; ``resolve`` checks it before anything is measured; ``check_out`` gives it files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.errors import BenchError
from bench.measure.environment import read_passed
from bench.measure.git import commit_of, export, state_of
from bench.units import short_commit


@dataclass(frozen=True)
class Wanted:
    """What a side is to be: None stands for the working tree, and for the interpreter that its backend names."""

    revision: str | None = None
    python: Path | None = None
    variables: tuple[str, ...] = ()  # NAME=VALUE


@dataclass(frozen=True)
class Side:
    """A side that can be measured.

    ``data`` is the directory of its MNIST once that has been found: looking for it again may mean to verify it again;
    ``data_digest`` tells if its files are still the same.
    ``revision`` and ``commit`` are what was asked for and what it is; ``dirty`` says whether the working tree differs
    from its commit (None where git cannot say, for ``unknown_because``).  ``slowdown`` (a fraction) and ``held_bytes``
    are injected by the calibration.
    """

    name: str
    directory: Path
    revision: str | None = None
    commit: str | None = None
    dirty: bool | None = False
    python: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    slowdown: float = 0.0
    held_bytes: int = 0
    data: str | None = None
    data_digest: str | None = None
    unknown_because: str | None = None

    @property
    def label(self) -> str:
        """In words: ``revision main (5773bfb)``, ``the working tree at 5773bfb, with changes, with NAME=VALUE``."""
        commit = short_commit(self.commit, "no commit")
        parts = [f"revision {self.revision} ({commit})" if self.revision else f"the working tree at {commit}"]
        if self.dirty:
            parts.append("with uncommitted changes")
        if self.python:
            parts.append(f"by {self.python}")
        parts += [f"with {name}={value}" for name, value in self.variables.items()]
        if self.slowdown:
            parts.append(f"with {self.slowdown:.1%} injected into its training steps")
        if self.held_bytes:
            parts.append(f"with {self.held_bytes / 2**20:.0f} MiB held")
        return ", ".join(parts)

    def is_same_as(self, other: Side) -> bool:
        """Whether nothing that was asked for tells the two apart, so that only noise can differ."""
        blank = {"name": "", "revision": None, "directory": Path(), "data": None, "data_digest": None}
        return replace(self, **blank) == replace(other, **blank) and not (self.dirty or other.dirty)


def resolve(name: str, wanted: Wanted, project: Path) -> Side:
    """The side that was asked for, checked; a revision still has no files of its own.

    Raises
    ------
    BenchError
        If the revision is unknown, the interpreter is not there, or a variable is no setting or would make a label
        false.
    """
    variables = read_passed(wanted.variables, f"--env-{name.lower()}", own_options=False)
    python = None if wanted.python is None else _interpreter(wanted.python)
    if wanted.revision is None:
        state = state_of(project)
        why = state.reason
        return Side(name, project, None, state.commit, state.dirty, python, variables, unknown_because=why)
    return Side(name, project, wanted.revision, commit_of(wanted.revision, project), False, python, variables)


def check_out(side: Side, folder: Path) -> Side:
    """``side`` with files of its own below ``folder``, if it is a revision."""
    if side.revision is None:
        return side
    return replace(side, directory=export(side.directory, side.commit, folder / f"checkout-{side.name}"))


def _interpreter(path: Path) -> Path:
    """A Python, or that of a virtual environment.  Its path is kept as it is: a link is how it finds its packages."""
    candidates = [path / "bin" / "python", path / "Scripts" / "python.exe"] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return Path(os.path.abspath(candidate))
    raise BenchError(f"{path} is no Python and no virtual environment: name one with --python-a or --python-b.")
