"""Differences of two sides that explain a ratio before the machine does: code, versions, threads, mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.report.compare.comparable import Comparable
from bench.units import short_commit

LOADING = "loading"


@dataclass(frozen=True)
class Explanation:
    """Difference of ``run`` from the base; ``kind`` is ``code``, ``versions``, ``threads`` or ``mode``."""

    run: str
    kind: str
    sentence: str


def other_code(base: Comparable, other: Comparable) -> dict[str, bool | None]:
    """Return {stack: False if its code changed, None if that is not on record} without the stacks of equal code.

    Sides without keys, as those of other tools, are not judged.
    """
    common = [name for name in base.keys if name in other.keys]
    found = {name: base.keys[name].has_code_of(other.keys[name]) for name in common}
    return {name: same for name, same in found.items() if not same}


def explanations(base: Comparable, other: Comparable, changed: Mapping[str, bool | None]) -> list[Explanation]:
    """Return the explanations, the strongest first; ``changed`` is ``other_code`` of the sides."""
    threads = [side.facts.get("threads") for side in (base, other)]
    found = [*_code(base, other, changed), *_versions(base, other)]
    if None not in threads and threads[0] != threads[1]:
        counts = [", ".join(map(str, one)) for one in threads]
        found.append(Explanation(other.name, "threads", f"threads of the BLAS: {counts[0]}, then {counts[1]}"))
    if base.mode != other.mode and None not in (base.mode, other.mode):
        found.append(Explanation(other.name, "mode", f"one run is {base.mode}, the other {other.mode}"))
    return found


def _code(base: Comparable, other: Comparable, changed: Mapping[str, bool | None]) -> Iterator[Explanation]:
    for verb, wanted in (("changed", False), ("may have changed", None)):
        stacks = [name for name, same in changed.items() if same is wanted]
        if stacks:
            commits = [base.keys[stacks[0]].commit, other.keys[stacks[0]].commit]
            span = "..".join(short_commit(commit, "no commit") for commit in commits)
            text = f"the code of {_listed(stacks)} {verb} between these runs ({span})"
            yield Explanation(other.name, "code", text)


def _versions(base: Comparable, other: Comparable) -> Iterator[Explanation]:
    changed: dict[str, list[str]] = {}
    for name in (name for name in base.keys if name in other.keys):
        for version in base.keys[name].other_versions(other.keys[name]):
            changed.setdefault(version, []).append(name)
    for version, stacks in changed.items():
        yield Explanation(other.name, "versions", f"{version} ({_listed(stacks)})")


def _listed(stacks: list[str]) -> str:
    return ", ".join(name or LOADING for name in stacks)
