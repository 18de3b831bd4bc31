"""Plan of a quick run, which is completed when every stack was measured once.

The first round has one process of epochs of each stack.  It determines the fastest stack on each device, which runs all
epochs by the reference clock, and how many further processes fit into the time of a quick run; what is left is for the
fastest stack on the CPU with other numbers of threads.  Until then the rest of the plan is recorded as candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Any

from bench.advice import bench_command, make_command
from bench.measure.case import Case, PlannedCase, planned_cases
from bench.records.header import Skipped
from bench.records.run_folder import RunFolder

BUDGET_SECONDS, BUDGET_SECONDS_WITH_GPU = 120.0, 240.0
MAX_REPEAT_SECONDS = 40.0  # slower processes are started once
WARM_SHARE = 0.2  # a warm compilation / a cold one: measured 0.15 (Theano) to 0.3 (JAX)
SWEPT_EPOCHS = 2  # of a process with another number of threads
OVERHEAD_SECONDS = 3.0  # of a process of the reference run: Python, pytest, the framework's import

HARNESSES_LEFT_OUT = Skipped(
    "the harnesses compile, batch_size, ablation, copies and devices; the ceilings of frameworks",
    "a quick run has no time for them",
    make_command("bench"),
)


def budget_seconds(cases: Iterable[Case]) -> float:
    """Return the measuring time of a quick run of these cases."""
    return BUDGET_SECONDS if all(case.device == "cpu" for case in cases) else BUDGET_SECONDS_WITH_GPU


def first_round(plan: Sequence[PlannedCase]) -> tuple[list[PlannedCase], list[PlannedCase]]:
    """Split ``plan`` into the first round, one process of epochs per stack, and the candidates.

    Without epochs there is nothing to decide by: the whole plan is the first round.
    """
    epochs = [replace(planned, replicates=1) for planned in plan if planned.case.harness == "epoch"]
    return (epochs, list(plan)) if epochs else (list(plan), [])


@dataclass(frozen=True)
class FirstProcess:
    """First process of epochs of a stack, with estimates for further processes; all in seconds."""

    case: Case
    train_epoch: float
    validate_epoch: float
    warm_compile: float
    repeat: float  # one more process

    @property
    def is_canonical(self) -> bool:
        return self.case.stack == ("theano", "as_published", "cpu")

    def reference_run(self, num_epochs: int) -> float:
        return OVERHEAD_SECONDS + self.warm_compile + num_epochs * (self.train_epoch + self.validate_epoch)


def first_processes(replicates: Iterable[Mapping[str, Any]]) -> list[FirstProcess]:
    """Return the successful first processes of epochs on record, fastest first."""
    found: dict[Case, FirstProcess] = {}
    for entry in replicates:
        case = Case.from_json(entry["case"])
        seconds = {one["name"]: _median(one["seconds"]) for one in entry["measurements"]}
        train = seconds.get("train_epoch")
        if entry["status"] == "ok" and case.harness == "epoch" and train is not None and case not in found:
            validate, compiled = seconds.get("validate_epoch") or 0.0, seconds.get("compile") or 0.0
            warm = compiled * (WARM_SHARE if case.cache else 1)
            found[case] = FirstProcess(case, train, validate, warm, entry["wall_seconds"] - compiled + warm)
    return sorted(found.values(), key=lambda one: one.train_epoch)


def _median(seconds: Iterable[float | None]) -> float | None:
    """Return the median; None if a sample is not a duration, so that a clock error decides nothing."""
    values = list(seconds)
    return median(values) if values and all(value is not None and 0 < value < inf for value in values) else None


def fastest_by_device(processes: Sequence[FirstProcess]) -> dict[str, FirstProcess]:
    """Return the fastest on each device, canonical precision first; ``processes`` are sorted by speed."""
    found: dict[str, FirstProcess] = {}
    for one in sorted(processes, key=lambda one: one.case.precision not in (None, "float32")):
        found.setdefault(one.case.device, one)
    return found


@dataclass(frozen=True)
class Settled:
    """Complete plan, and the candidates left out of it."""

    plan: list[PlannedCase]
    left_out: list[Skipped]


def settle(
    plan: Sequence[PlannedCase],
    candidates: Sequence[PlannedCase],
    replicates: Sequence[Mapping[str, Any]],
    budget_seconds: float | None,
) -> Settled:
    """Complete the plan after the first round, from recorded data only, so that a resumed run does the same.

    Without a budget, every candidate is taken except the reference runs and numbers of threads of slower stacks.
    """
    processes = first_processes(replicates)
    fastest = fastest_by_device(processes)
    harnesses = ("reference", "epoch", "threads")
    references, epochs, sweeps = ([one for one in candidates if one.case.harness == name] for name in harnesses)
    rest = [one for one in candidates if one.case.harness not in harnesses]
    run = _reference_runs(references, fastest)
    left_seconds = None
    if budget_seconds is not None:
        expected_seconds = sum(one.replicates * one.expected_seconds for one in (*run, *rest))
        left_seconds = budget_seconds - sum(entry["wall_seconds"] for entry in replicates) - expected_seconds
    repeated = _affordable(epochs, processes, [first.case for first in fastest.values()], left_seconds)
    if left_seconds is not None:
        left_seconds -= sum((one.replicates - 1) * one.expected_seconds for one in repeated)
    sweep = _sweep(sweeps, fastest.get("cpu"), left_seconds)
    epochs_by_case = {planned.case: planned for planned in (*plan, *repeated)}
    left_out = _not_run(references, run) + _not_repeated(epochs, repeated, [first.case for first in processes])
    left_out += _not_swept(sweeps, sweep)
    return Settled([*epochs_by_case.values(), *run, *rest, *sweep], left_out)


def _reference_runs(references: Sequence[PlannedCase], fastest: Mapping[str, FirstProcess]) -> list[PlannedCase]:
    """Return the reference runs of the fastest stacks, with expected seconds from their epochs."""
    first_by_stack = {first.case.stack: first for first in fastest.values()}
    return [
        replace(one, expected_seconds=first_by_stack[one.case.stack].reference_run(one.case.num_epochs or 0))
        for one in references
        if one.case.stack in first_by_stack
    ]


def _affordable(
    epochs: Sequence[PlannedCase], processes: Sequence[FirstProcess], first: Sequence[Case], left_seconds: float | None
) -> list[PlannedCase]:
    """Return the cases to repeat: the fastest on each device, the canonical one, then by speed.

    A stack whose first process failed is not started again.
    """
    planned = {one.case: one for one in epochs}
    found = []
    for one in sorted(processes, key=lambda one: (one.case not in first, not one.is_canonical)):
        if one.case not in planned:
            continue
        seconds = (planned[one.case].replicates - 1) * one.repeat
        if left_seconds is not None:
            if one.repeat > MAX_REPEAT_SECONDS or seconds > left_seconds:
                continue
            left_seconds -= seconds
        found.append(replace(planned[one.case], expected_seconds=one.repeat))
    return found


def _sweep(
    sweeps: Sequence[PlannedCase], fastest: FirstProcess | None, left_seconds: float | None
) -> list[PlannedCase]:
    """Return the cases of the fastest stack on the CPU at each number of threads; none if there is no time for all.

    Expected at most: with fewer threads than ``fastest`` had the epochs take longer in proportion.
    """
    own = [one for one in sweeps if fastest is not None and one.case.stack == fastest.case.stack]
    found = []
    for one in own:
        longer = SWEPT_EPOCHS * fastest.train_epoch * max(0.0, fastest.case.threads / one.case.threads - 1)
        found.append(replace(one, expected_seconds=fastest.repeat + longer))
    seconds = sum(one.replicates * one.expected_seconds for one in found)
    return found if left_seconds is None or seconds <= left_seconds else []


def _not_swept(sweeps: Sequence[PlannedCase], swept: Sequence[PlannedCase]) -> list[Skipped]:
    stacks = {one.case.stack for one in swept}
    names = _names(one.case for one in sweeps if one.case.variant is not None and one.case.stack not in stacks)
    reason = "a quick run tries other numbers of threads only with the fastest stack, if there is time"
    remedy = bench_command("run --harness threads")
    return [Skipped(f"scaling with threads of {names}", reason, remedy)] if names else []


def _not_run(references: Sequence[PlannedCase], run: Sequence[PlannedCase]) -> list[Skipped]:
    ran = {one.case for one in run}
    names = _names(one.case for one in references if one.case not in ran)
    reason = "a quick run runs all epochs only with the fastest stack on each device and projects the others"
    return [Skipped(f"reference run of {names}", reason, make_command("bench"))] if names else []


def _not_repeated(
    epochs: Sequence[PlannedCase], repeated: Sequence[PlannedCase], measured: Sequence[Case]
) -> list[Skipped]:
    again = {one.case for one in repeated}
    once = [one.case for one in epochs if one.replicates > 1 and one.case not in again]
    found = []
    for reason, cases in (
        ("no time for it in a quick run", [case for case in once if case in measured]),
        ("its first process failed", [case for case in once if case not in measured]),
    ):
        if cases:
            what = f"more than one process of epochs of {_names(cases)}"
            found.append(Skipped(what, reason, make_command("bench", QUICK=1, PROCESSES=3)))
    return found


def _names(cases: Iterable[Case]) -> str:
    return ", ".join(dict.fromkeys(f"{case.backend}/{case.variant} on {case.device}" for case in cases))


def settle_plan(folder: RunFolder) -> bool:
    """Settle the plan on record if it has candidates; return whether there was anything to settle."""
    header = folder.header
    if not header.candidates:
        return False
    plan, candidates = planned_cases(header.plan), planned_cases(header.candidates)
    settled = settle(plan, candidates, folder.replicates(), header.budget_seconds)
    folder.update_header(
        plan=[planned.to_entry() for planned in settled.plan],
        candidates=[],
        left_out=[*header.left_out, *settled.left_out],
    )
    return True


def expected_later(folder: RunFolder) -> float:
    """Estimate the seconds that the candidates will add to the plan."""
    candidates = planned_cases(folder.header.candidates)
    of_one = [one for one in candidates if one.case.harness in ("reference", "threads")]  # of the fastest stack only
    fastest = {(one.case.harness, one.case.device, one.case.threads): one.expected_seconds for one in of_one}
    others = [one for one in candidates if one not in of_one]
    more = sum((one.replicates - (one.case.harness == "epoch")) * one.expected_seconds for one in others)
    return sum(fastest.values()) + more
