"""Time of a training step by operation, from the profiles of ``bench profile --run`` in a run's folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.document.section import Section
from bench.document.table import NUMBER, SECONDS, SHARE, Cells, Column, table
from bench.errors import RecordError
from bench.records.profile import KINDS, Profile
from bench.records.profile_file import FILE_NAME, load
from bench.records.run_folder import RunFolder
from bench.records.stack_key import StackKey
from bench.report.profile.breakdown import between_seconds, compile_seconds, overhead_ratio, seconds_by_kind
from bench.report.profile.explains import reasons_against
from bench.report.profile.findings import findings
from bench.report.profile.rules.finding import Finding
from bench.report.profile.sections import FINDINGS, sections
from bench.report.run.tables import with_interval
from bench.stats.estimates import Ratio
from mlp.errors import MlpError

TITLE, CHART = "Where the time goes", "operations"
FOLDER = "profiles"
STEP = "train_step"


@dataclass(frozen=True)
class StepOfStack:
    """Training step of a profiled stack; all seconds are per step, those of compilation per process.

    ``plain_seconds`` and ``profiled_seconds`` are medians, ``overhead`` the ratio of profiled to plain over the
    interleaved rounds; None if no step was timed.  ``seconds_by_kind`` and ``unattributed_seconds`` add up to
    ``profiled_seconds``; the unattributed time is negative if operations overlap.  ``compile_seconds`` is by state of
    the cache: ``cold`` and ``warm``, or ``none`` for a stack that keeps no compiled code.
    """

    stack: StackKey
    profile_id: str
    complete: bool
    plain_seconds: float | None
    profiled_seconds: float | None
    overhead: Ratio | None
    seconds_by_kind: dict[str, float]
    unattributed_seconds: float | None
    compile_seconds: dict[str, float]
    findings: list[Finding]
    problems: list[str]

    def share(self, seconds: float | None) -> float | None:
        """Return the fraction of the profiled step; None if unknown."""
        return seconds / self.profiled_seconds if seconds is not None and self.profiled_seconds else None


@dataclass(frozen=True)
class ProfiledStack:
    """Profile of a run: its numbers, and all its sections."""

    step: StepOfStack
    details: list[Section]


def explained(folder: RunFolder) -> tuple[list[ProfiledStack], list[str]]:
    """Return the profiles in the run's folder, the fastest step first, and a sentence for each left out."""
    found, problems = [], []
    for path in sorted((folder.path / FOLDER).glob(f"*/{FILE_NAME}")):
        try:
            found.append(_explained(folder, path))
        except RecordError as error:
            problems.append("a profile was left out: " + str(error).replace(f"{folder.path}{os.sep}", ""))
    return sorted(found, key=lambda one: one.step.plain_seconds or float("inf")), problems


def _explained(folder: RunFolder, path: Path) -> ProfiledStack:
    """Analyse the profile in ``path``; raise RecordError if it is damaged or of another run."""
    profile = load(path)
    if reasons := reasons_against(folder.header, profile):
        raise RecordError(f"{path} does not explain this run: {'; '.join(reasons)}.")
    try:
        return ProfiledStack(_step(profile), sections(profile))
    except (MlpError, ArithmeticError) as error:  # invalid values, or a sum of zero
        raise RecordError(f"{path} is damaged ({error}): measure again.") from error


def _step(profile: Profile) -> StepOfStack:
    operations, timing = profile.of(STEP), profile.timings.get(STEP)
    return StepOfStack(
        stack=StackKey.of(profile.stack | {"threads": profile.threads}),
        profile_id=profile.profile_id,
        complete=profile.complete,
        plain_seconds=timing.median_plain_seconds if timing else None,
        profiled_seconds=timing.median_profiled_seconds if timing else None,
        overhead=overhead_ratio(timing) if timing else None,
        seconds_by_kind=seconds_by_kind(operations),
        unattributed_seconds=between_seconds(operations) if operations else None,
        compile_seconds={cache or "none": value for cache, value in compile_seconds(profile.compile_phases).items()},
        findings=findings(profile),
        problems=list(profile.problems),
    )


def kinds_of(steps: Iterable[StepOfStack]) -> list[str]:
    """Return the kinds of operation in ``steps``, in the order of ``KINDS``; others come last."""
    found = dict.fromkeys(kind for step in steps for kind in step.seconds_by_kind)
    return [*(kind for kind in KINDS if kind in found), *(kind for kind in found if kind not in KINDS)]


# --- as sections ------------------------------------------------------------------------------------------------------


def profile_sections(found: Sequence[ProfiledStack]) -> list[Section]:
    """Return the overview of all profiled stacks, and the findings of each."""
    if not found:
        return []
    steps = [one.step for one in found]
    kinds = kinds_of(steps)
    compilation = list(dict.fromkeys(cache for step in steps for cache in step.compile_seconds))
    overview = Section(
        TITLE,
        [
            "Profiles of a training step by kind of operation, as shares of the profiled step. They were made after "
            "the run, in separate processes: no timed process was profiled.",
            "The ratio is the profiled step over the plain one, measured in turn in one process. Not attributed is "
            "the time of a profiled step in which no operation ran.",
        ],
        *table(_row(step, kinds, compilation) for step in steps),
        [CHART],
        [f"The profile of {step.stack.name} is incomplete: {_why(step)}" for step in steps if not step.complete],
    )
    return [overview, *(section for one in found for section in _titled(one) if not section.folded)]


def profile_details(found: Sequence[ProfiledStack]) -> list[Section]:
    """Return each profile's tables: operations, kinds, compilation, loading, and the host."""
    return [section for one in found for section in _titled(one) if section.folded]


def _titled(one: ProfiledStack) -> list[Section]:
    """Return the sections of a profile under its stack's name; all but its findings are folded."""
    return [
        replace(section, title=f"{section.title}: {one.step.stack.name}", folded=section.title != FINDINGS)
        for section in one.details
    ]


def _why(step: StepOfStack) -> str:
    return "; ".join(step.problems) or "it was interrupted or is not finished."


def _row(step: StepOfStack, kinds: Sequence[str], caches: Sequence[str]) -> Cells:
    compilation = {"compilation" if cache == "none" else f"compilation, {cache} cache": cache for cache in caches}
    return [
        ("stack", step.stack.name),
        (Column("step", SECONDS), step.plain_seconds),
        (Column("profiled", SECONDS), step.profiled_seconds),
        *with_interval(Column("ratio", NUMBER), step.overhead),
        *((Column(kind, SHARE), step.share(step.seconds_by_kind.get(kind))) for kind in kinds),
        (Column("not attributed", SHARE), step.share(step.unattributed_seconds)),
        *((Column(name, SECONDS), step.compile_seconds.get(cache)) for name, cache in compilation.items()),
    ]
