"""Comparison of two profiles by operation, e.g. of two variants, versions or machines."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, fields

import pandas as pd

from bench.advice import bench_command
from bench.document.section import Section
from bench.document.table import NUMBER, SECONDS, Column, Kind, table
from bench.errors import RecordError
from bench.records.comparability import settings_text
from bench.records.json_file import finite
from bench.records.profile import FUNCTIONS, KINDS, Operation, Profile
from bench.report.profile.sections import TITLES
from bench.units import MISSING, format_number, format_percent, format_seconds

SAME_WORK = ("layer_widths", "dropout", "batch_size")  # fields of the recipe that define the work of a step
MOST_ROWS = 25


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else '+'}{format_seconds(abs(seconds))}"


DIFFERENCE = Kind(_signed, "s")


@dataclass(frozen=True)
class Change:
    """Operation in both profiles, or in one; the other's name and seconds are then None."""

    function: str
    kind: str
    before: str | None
    after: str | None
    seconds_before: float | None
    seconds_after: float | None

    @property
    def difference_seconds(self) -> float:
        return (self.seconds_after or 0.0) - (self.seconds_before or 0.0)

    @property
    def ratio(self) -> float | None:
        """Ratio after / before; None if the operation is in one profile only."""
        if self.seconds_before is None or self.seconds_after is None or self.seconds_before <= 0:
            return None
        return self.seconds_after / self.seconds_before


@dataclass(frozen=True)
class Diff:
    """Differences of two profiles: ``changes`` of each function, the largest first; ``notes`` are other differences."""

    before: Profile
    after: Profile
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    def of(self, function: str) -> list[Change]:
        return [change for change in self.changes if change.function == function]

    def frame(self) -> pd.DataFrame:
        columns = [*(field.name for field in fields(Change)), "difference_seconds", "ratio"]
        rows = [[getattr(change, name) for name in columns] for change in self.changes]
        return pd.DataFrame(rows, columns=columns)


def diff(before: Profile, after: Profile) -> Diff:
    """Compare ``before`` and ``after`` by operation.

    Operations are matched by name and shapes, then by kind and shapes (a product by m, n, k and transposition), the
    most expensive first; frameworks name operations differently, so that across them a pair is work of the same kind
    and size.

    Raises
    ------
    RecordError
        If one profile has no operations, or their work differs; the sentence holds all reasons.
    """
    for profile in (before, after):
        if not profile.operations:
            why = f" ({profile.problems[0].rstrip('.')})" if profile.problems else ""
            raise RecordError(
                f"profile {profile.profile_id} of {profile.label} holds no operations{why}: profile it again with "
                f"{bench_command('profile')}."
            )
    reasons = [
        f"{name.replace('_', ' ')} {finite(before.recipe.get(name))} and {finite(after.recipe.get(name))}"
        for name in SAME_WORK
        if finite(before.recipe.get(name)) != finite(after.recipe.get(name))
    ]
    if before.dataset != after.dataset:
        reasons.append(f"dataset {before.dataset} and {after.dataset}")
    if reasons:
        raise RecordError(
            f"{before.label} and {after.label} did not do the same work ({'; '.join(reasons)}): profile both with the "
            "same options."
        )
    changes = [change for function in FUNCTIONS for change in _changes(function, before, after)]
    return Diff(before, after, tuple(changes), tuple(_notes(before, after)))


def _changes(function: str, before: Profile, after: Profile) -> list[Change]:
    old, new = list(before.of(function)), list(after.of(function))
    pairs = [*_matched(old, new, _same_name), *_matched(old, new, _same_work)]
    changes = [Change(function, b.kind, a.name, b.name, a.seconds, b.seconds) for a, b in pairs]
    changes += [Change(function, one.kind, one.name, None, one.seconds, None) for one in old]
    changes += [Change(function, one.kind, None, one.name, None, one.seconds) for one in new]
    return sorted(changes, key=lambda change: -abs(change.difference_seconds))


def _matched(
    old: list[Operation], new: list[Operation], key: Callable[[Operation], Hashable]
) -> list[tuple[Operation, Operation]]:
    """Return pairs with equal keys, in order, and remove them from ``old`` and ``new``."""
    waiting: dict[Hashable, list[Operation]] = {}
    for operation in new:
        waiting.setdefault(key(operation), []).append(operation)
    pairs = []
    for operation in list(old):
        found = waiting.get(key(operation))
        if found:
            partner = found.pop(0)
            pairs.append((operation, partner))
            old.remove(operation)
            new.remove(partner)
    return pairs


def _same_name(operation: Operation) -> Hashable:
    return operation.name, operation.kind, operation.input_shapes, operation.output_shapes


def _same_work(operation: Operation) -> Hashable:
    if operation.kind == "gemm":
        details = operation.details
        transposed = tuple(factor.endswith(".T") for factor in details.get("product", "").split(" @ "))
        return "gemm", details.get("m"), details.get("n"), details.get("k"), transposed
    return operation.kind, tuple(sorted(operation.output_shapes))


def _notes(before: Profile, after: Profile) -> list[str]:
    """Return sentences on other differences, and on incomplete profiles."""
    notes = []
    for name in ("cpu_model", "usable_cores"):
        old, new = before.machine.get(name), after.machine.get(name)
        if old != new:
            notes.append(f"The machines differ: {name.replace('_', ' ')} {old or MISSING} and {new or MISSING}.")
    if before.threads != after.threads:
        notes.append(f"The threads differ: {before.threads} and {after.threads}.")
    old, new = (one.environment.passed for one in (before, after))
    if None not in (old, new) and old != new:
        notes.append(f"The variables of --env differ: {settings_text(old)} and {settings_text(new)}.")
    if before.profile_id != after.profile_id and not notes:
        notes.append(
            "The two were not profiled in one run: every difference includes changes of the machine in between."
        )
    notes += [f"{one.label} is incomplete: {'; '.join(one.problems)}" for one in (before, after) if not one.complete]
    return notes


# --- as sections ------------------------------------------------------------------------------------------------------


def first_line(found: Diff) -> str:
    return f"From {found.before.label} ({found.before.profile_id}) to {found.after.label} ({found.after.profile_id})"


def sections(found: Diff) -> list[Section]:
    made = [section for function in FUNCTIONS for section in _of_function(found, function)]
    return [*made, Section("To keep in mind", list(found.notes))] if found.notes else made


def _of_function(found: Diff, function: str) -> list[Section]:
    changes = found.of(function)
    if not changes:
        return []
    columns, rows = table(
        [
            ("before", change.before or None),
            ("after", change.after or None),
            ("kind", change.kind),
            (Column("time before", SECONDS), change.seconds_before),
            (Column("time after", SECONDS), change.seconds_after),
            (Column("difference", DIFFERENCE), change.difference_seconds),
            (Column("ratio", NUMBER), change.ratio),
        ]
        for change in changes[:MOST_ROWS]
    )
    if len(changes) > MOST_ROWS:
        rest = sum(change.difference_seconds for change in changes[MOST_ROWS:])
        rows.append([f"{len(changes) - MOST_ROWS} more", *[None] * 4, rest, None])
    whole = Section(TITLES[function], _sentences(found, function), columns, rows)
    return [whole, _by_kind(function, changes)]


def _sentences(found: Diff, function: str) -> list[str]:
    timings = [profile.timings.get(function) for profile in (found.before, found.after)]
    old, new = (timing.median_plain_seconds if timing else None for timing in timings)
    if not old or not new:
        return []
    return [
        f"Unprofiled it takes {format_seconds(old)} before and {format_seconds(new)} after: "
        f"a ratio of {format_number(new / old)} ({format_percent(new / old - 1, 1)})."
    ]


def _by_kind(function: str, changes: list[Change]) -> Section:
    by_kind = {kind: [change for change in changes if change.kind == kind] for kind in KINDS}
    rows = [
        [
            ("kind", kind),
            (Column("time before", SECONDS), _total(one.seconds_before for one in own)),
            (Column("time after", SECONDS), _total(one.seconds_after for one in own)),
            (Column("difference", DIFFERENCE), sum(one.difference_seconds for one in own)),
        ]
        for kind, own in by_kind.items()
        if own
    ]
    return Section(f"{TITLES[function]}, by kind", [], *table(rows))


def _total(seconds: Iterable[float | None]) -> float | None:
    """Return the sum; None if there is no such operation at all."""
    known = [value for value in seconds if value is not None]
    return sum(known) if known else None
