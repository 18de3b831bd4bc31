"""Commits between a good and a bad revision, along first parents; read-only in the repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.measure.git import GitError, commit_of, git

MEASURED = "mlp"  # the folder of a commit that a process imports; the rest comes from the measuring checkout
FIELDS = ("%H", "%h", "%as", "%an", "%P", "%s")
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class CommitRange:
    """Range of a bisection: ``commits[0]`` is the good end, the others change MEASURED, oldest first.

    The last one has the measured code of the bad end.  ``num_between`` counts all commits along first parents.
    """

    good: str
    bad: str
    commits: tuple[str, ...]
    num_between: int

    @property
    def last(self) -> int:
        return len(self.commits) - 1


@dataclass(frozen=True)
class CommitInfo:
    """Description of a commit; ``date`` is ISO 8601."""

    commit: str
    short: str
    date: str
    author: str
    parents: tuple[str, ...]
    subject: str

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


def commit_range(good: str, bad: str, project: Path) -> CommitRange:
    """Return the commits from revision ``good`` to ``bad`` that can have changed a measurement.

    A merge counts as one commit, the change to its first parent.  Raises BenchError if a revision is unknown, ``good``
    is no ancestor of ``bad``, or no commit between them changes MEASURED.
    """
    first, last = commit_of(good, project), commit_of(bad, project)
    if first == last:
        raise BenchError(f"{good} and {bad} are the same commit: name two that differ.")
    ancestor = _git_or_none(project, "merge-base", first, last)  # none in common, or in a shallow clone
    if ancestor == last:
        raise BenchError(f"{bad} is older than {good}: name the good revision first, then the bad one.")
    if ancestor != first:
        instead = f"name a good revision among them, e.g. {ancestor[:12]}" if ancestor else "they share no history"
        raise BenchError(f"{good} is not among the ancestors of {bad}: {instead}.")
    between = ("rev-list", "--first-parent", "--reverse", f"{first}..{last}")
    everything = git(project, *between).splitlines()
    changing = git(project, *between, "--", MEASURED).splitlines()
    if not changing:
        raise BenchError(
            f"none of the {len(everything)} commits from {good} to {bad} changes {MEASURED}/, the code that is "
            "measured: a difference has another cause, as packages or the machine."
        )
    return CommitRange(good, bad, (first, *changing), len(everything))


def single_commit_range(good: str, revision: str, bad: str, project: Path) -> CommitRange:
    """Return the range of ``git bisect run``: a good revision, the one to be judged, and a bad one."""
    commits = tuple(commit_of(one, project) for one in (good, revision, bad))
    return CommitRange(good, bad, commits, 2)


def measured_tree(commit: str, project: Path) -> str | None:
    """Return the id of the tree of MEASURED in ``commit``; None if it has none."""
    prefix = git(project, "rev-parse", "--show-prefix")
    return _git_or_none(project, "rev-parse", "--verify", "--quiet", f"{commit}:{prefix}{MEASURED}")


def describe(commits: Sequence[str], project: Path) -> dict[str, CommitInfo]:
    if not commits:
        return {}
    form = f"--format={SEPARATOR.join(FIELDS)}"
    lines = git(project, "show", "--no-patch", "--no-notes", "--no-show-signature", form, *commits).splitlines()
    found = {}
    for line in filter(None, lines):
        commit, short, date, author, parents, subject = line.split(SEPARATOR, len(FIELDS) - 1)
        found[commit] = CommitInfo(commit, short, date, author, tuple(parents.split()), subject)
    return found


def _git_or_none(project: Path, *arguments: str) -> str | None:
    try:
        return git(project, *arguments)
    except GitError:
        return None
