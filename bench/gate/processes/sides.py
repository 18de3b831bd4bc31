"""Sides of a gate run: A, the base, and B, the candidate.

A side is a git revision or the working tree, run by an interpreter, with environment variables.  ``SideSpec`` is the
request; ``resolve`` checks it before anything is measured; ``check_out`` creates the files of a revision.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.errors import BenchError
from bench.measure.environment import read_passed
from bench.measure.git import commit_of, export, state_of
from bench.measure.process import run_to_end
from bench.units import short_commit
from mlp.backends.base import is_checkout

FIND_SECONDS = 60.0


@dataclass(frozen=True)
class SideSpec:
    """Request for a side; None stands for the working tree, and for the default interpreter of the backend."""

    revision: str | None = None
    python: Path | None = None
    variables: tuple[str, ...] = ()  # NAME=VALUE


@dataclass(frozen=True)
class Side:
    """Side that can be measured.

    ``data`` is the directory of its MNIST once found, because a second search may verify the files again;
    ``data_digest`` detects changes of its files.
    ``revision`` is the requested name and ``commit`` its id; ``dirty`` is True if the working tree differs from its
    commit (None if git failed, with the reason in ``unknown_because``).  ``slowdown`` (a fraction) and ``held_bytes``
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
    is_installed: bool = False  # as a package, not as a working tree

    @property
    def label(self) -> str:
        """Description: ``revision main (5773bfb)``, ``the working tree at 5773bfb, with changes, with NAME=VALUE``."""
        commit = short_commit(self.commit, "no commit")
        tree = f"the installation in {self.directory}" if self.is_installed else f"the working tree at {commit}"
        parts = [f"revision {self.revision} ({commit})" if self.revision else tree]
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
        """Return True if both sides have the same code, interpreter, variables and injections."""
        blank = {"name": "", "revision": None, "directory": Path(), "data": None, "data_digest": None}
        return replace(self, **blank) == replace(other, **blank) and not (self.dirty or other.dirty)


def resolve(name: str, spec: SideSpec, project: Path) -> Side:
    """Check the requested side and resolve its names; a revision has no files yet.

    Raises
    ------
    BenchError
        If the revision is unknown, the interpreter not found, or a variable invalid or in conflict with the label.
    """
    variables = read_passed(spec.variables, f"--env-{name.lower()}", own_options=False)
    python = None if spec.python is None else _interpreter(spec.python)
    if spec.revision is None:
        state, installed = state_of(project), not is_checkout(project)
        directory = _installation(python) if installed and python else project
        about = {"unknown_because": state.reason, "is_installed": installed}
        return Side(name, directory, None, state.commit, state.dirty, python, variables, **about)
    return Side(name, project, spec.revision, commit_of(spec.revision, project), False, python, variables)


def check_out(side: Side, folder: Path) -> Side:
    """Return ``side`` with its files checked out below ``folder``, if it is a revision."""
    if side.revision is None:
        return side
    return replace(side, directory=export(side.directory, side.commit, folder / f"checkout-{side.name}"))


def _installation(python: Path) -> Path:
    """Return the folder in which ``python`` finds the suite; raise BenchError if it finds none.

    The files of this installation are for this Python, beside packages that another one cannot load.
    """
    code = "import importlib.util as util; found = util.find_spec('mlp'); print('mlp:', found and found.origin)"
    ended = run_to_end([str(python), "-I", "-c", code], dict(os.environ), FIND_SECONDS)
    found = re.search(r"^mlp: (/.+)$", ended.text, re.MULTILINE)  # libraries may print lines of their own
    if ended.exit_code != 0 or found is None:
        raise BenchError(f"{python} finds no mlp-bench: install it there, {python} -m pip install mlp-bench.")
    return Path(found[1]).resolve().parent.parent


def _interpreter(path: Path) -> Path:
    """Return an interpreter, or that of a virtual environment; links are kept, as it finds its packages by them."""
    candidates = [path / "bin" / "python", path / "Scripts" / "python.exe"] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return Path(os.path.abspath(candidate))
    raise BenchError(f"{path} is neither a Python nor a virtual environment: name one with --python-a or --python-b.")
