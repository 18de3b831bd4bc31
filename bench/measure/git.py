"""Calls of git without the caller's repository variables, hooks, prompts or pager; read-only in the repository.

git passes its hooks the variables of their repository and index (GIT_DIR, GIT_INDEX_FILE, ...); a command that inherits
them acts on these from any folder: called from ``git commit``, a checkout of ours would end up in the commit.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.measure.process import running
from bench.records.header import CommitFacts

# Variables of git on its installation, configuration and network, not on the repository.
KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_")
KEPT += ("GIT_CONFIG_VALUE_", "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_", "GIT_ALLOW_PROTOCOL")
KEPT += ("GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
SETTINGS = {
    "LC_ALL": "C",  # the messages parsed below are English
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_LFS_SKIP_SMUDGE": "1",
}
CONFIGURATION = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "",
    "core.splitIndex": "false",  # else an index in a folder of ours writes its shared part to the repository
    "core.sparseCheckout": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Large files are not our code: their pointers suffice, with or without git-lfs.
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
}
OURS = ("mlp", "bench")  # folders of this project that its repository tracks
LIMIT_SECONDS = 300.0
STATE_LIMIT_SECONDS = 30.0


class GitError(BenchError):
    """git cannot be run, refuses the repository, or failed."""


@dataclass(frozen=True)
class State:
    """Commit of a project, and True if its tracked files differ from it; None if unknown, for ``reason``."""

    commit: str | None
    dirty: bool | None
    reason: str | None = None

    @property
    def facts(self) -> CommitFacts:
        return CommitFacts(self.commit, self.dirty)


def environment(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return ``variables`` filtered and completed for a call of git."""
    return {name: value for name, value in variables.items() if not name.startswith("GIT_") or name.startswith(KEPT)}


def git(directory: Path, *arguments: str, limit_seconds: float = LIMIT_SECONDS, **variables: str) -> str:
    """Return standard output of ``git arguments`` in ``directory``; raise GitError with its reason if it fails."""
    settings = [word for name, value in CONFIGURATION.items() for word in ("-c", f"{name}={value}")]
    argv = ["git", "--no-pager", *settings, "-C", str(directory), *arguments]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:  # in a session without a terminal, so that no helper of git prompts for a password
        settled = environment() | SETTINGS | variables
        with running(argv, env=settled, **streams) as process, process.stdout, process.stderr:
            output, errors = (os.fsdecode(text) for text in process.communicate(timeout=limit_seconds))
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} did not end within {limit_seconds:g} s in {directory}.") from None
    except OSError as error:
        reason = error.strerror or error
        raise GitError(f"git cannot be run ({reason}): install it, or compare sides that need no revision.") from error
    if process.returncode != 0:
        raise GitError(_failure(directory, arguments, errors))
    return output.strip()


def _failure(directory: Path, arguments: tuple[str, ...], text: str) -> str:
    if "dubious ownership" in text or "unsafe repository" in text:
        remedy = next((line.strip() for line in text.splitlines() if "--add safe.directory" in line), None)
        remedy = remedy or f"git config --global --add safe.directory {shlex.quote(str(directory.resolve()))}"
        return f"git refuses the repository of {directory}, which another user owns: {remedy}"
    if "not a git repository (or any" in text:
        return f"{directory} is not in a git repository: revisions need a clone of the project."
    if "Needed a single revision" in text and arguments[-1] == "HEAD":
        return f"nothing is committed in {directory} yet."
    words = (text.strip().splitlines() or ["no message"])[-1]
    return f"git {' '.join(arguments[:2])} failed in {directory}: {words}"


def tracks(project: Path, limit_seconds: float = STATE_LIMIT_SECONDS) -> bool:
    """True if the repository around ``project`` tracks its files.

    An archive unpacked in another repository, or a package in a virtual environment there, has no commit.
    """
    return bool(git(project, "ls-files", "--cached", "--", *OURS, limit_seconds=limit_seconds))


def state_of(project: Path) -> State:
    """Return the commit of ``project`` and its cleanliness; never raises.

    A missing repository has no reason; one that git cannot read does.
    """
    commit = None
    try:
        if not tracks(project):
            return State(None, None)
        commit = git(project, "rev-parse", "--verify", "HEAD", limit_seconds=STATE_LIMIT_SECONDS)
        status = ("status", "--porcelain", "--untracked-files=no", "--", ".")
        return State(commit, bool(git(project, *status, limit_seconds=STATE_LIMIT_SECONDS)))
    except GitError as error:
        repository = any((folder / ".git").exists() for folder in (project, *project.parents))
        return State(commit, None, str(error) if repository else None)


def commit_of(revision: str, project: Path) -> str:
    """Return the full id of ``revision``; branches of remotes are found, too, but not for the local HEAD.

    Raises
    ------
    GitError
        If the commit is not found; the sentence has a command that fetches or lists commits.
    """
    if not tracks(project):
        raise GitError(
            f"the repository around {project} does not track it, so it has no revision {revision!r}: compare in a "
            "clone of the project, or name a side by --python-b or --env-b."
        )
    remotes = git(project, "remote").splitlines()
    is_local = re.match(r"HEAD\b|@", revision) is not None
    for name in (revision, *(f"{remote}/{revision}" for remote in remotes if not is_local)):
        try:
            return git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except GitError:
            continue
    raise GitError(f"unknown revision {revision!r}: {_how_to_get(project, remotes)}")


def _how_to_get(project: Path, remotes: list[str]) -> str:
    """Return advice: a command that fetches a missing revision, or the name of an existing branch."""
    known = _branches(project, remotes)
    advice = f"name another, e.g. {known[0]}" if known else "commit something first"
    if not remotes:
        return f"{advice}; this repository has no remote to fetch it from."
    remote = "origin" if "origin" in remotes else remotes[0]
    everything = f"+refs/heads/*:refs/remotes/{remote}/*"
    shallow = git(project, "rev-parse", "--is-shallow-repository") == "true"
    if not shallow and everything in _configured(project, f"remote.{remote}.fetch"):
        return f"{advice}; or run git fetch --tags {remote} if it is new there."
    part = "is shallow" if shallow else "holds only a part of its remote"
    depth = "--unshallow " if shallow else ""
    return f'this clone {part}, so fetch the rest: git fetch {depth}--tags {remote} "{everything}"'


def _branches(project: Path, remotes: list[str]) -> list[str]:
    """Return names to compare with: the default branches of the remotes, then branches, the newest first."""
    heads = [f"refs/remotes/{remote}/HEAD" for remote in remotes]
    order = ("--sort=-committerdate", "--format=%(refname) %(symref)")
    lines = git(project, "for-each-ref", *order, *heads, "refs/heads", "refs/remotes").splitlines()
    default = [target for _, _, target in (line.partition(" ") for line in lines) if target]
    others = [name for name, _, target in (line.partition(" ") for line in lines) if not target]
    names = [name.removeprefix("refs/heads/").removeprefix("refs/remotes/") for name in (*default, *others)]
    return list(dict.fromkeys(names))


def _configured(project: Path, name: str) -> list[str]:
    try:
        return git(project, "config", "--get-all", name).splitlines()
    except GitError:
        return []  # not set


def export(project: Path, commit: str, folder: Path) -> Path:
    """Write the files of ``commit`` into the new ``folder`` without modifying the repository, its index or worktrees.

    Of a project in a subfolder of its repository, that subfolder is written.  Raises GitError if git cannot do it.
    """
    directory = git(project, "rev-parse", "--absolute-git-dir")
    prefix = git(project, "rev-parse", "--show-prefix").rstrip("/")
    folder.mkdir()
    index = folder.with_name(f"{folder.name}.index")
    where = {"GIT_DIR": directory, "GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(index)}
    git(folder, "read-tree", "--reset", "-u", f"{commit}:{prefix}" if prefix else commit, **where)
    return folder
