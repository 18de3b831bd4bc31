"""Execution of a plan: cases in fresh processes, interleaved and time-limited, written to the record.

The order is A B C A B C ..., so that a drift of the machine affects every case alike; within such a round the stacks of
one harness run in succession, because they are compared.  Each replicate is written before the next one starts: if a
run ends early, its measurements are kept, and ``resume`` continues.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import core_distance, other_load
from bench.machine.fingerprint import usable_cores
from bench.machine.fitness import fitness_now
from bench.machine.topology import pinned
from bench.measure import worker
from bench.measure.case import Case, PlannedCase, planned_cases
from bench.measure.environment import build
from bench.measure.quick import expected_later, settle_plan
from bench.measure.scaling import cores_of_case
from bench.measure.scratch import scratch_folder, temporary_files_in
from bench.records.run_folder import SCHEMA_VERSION, RunFolder
from bench.units import short_commit

MeasureCase = Callable[[Case], worker.WorkerResult]


@dataclass(frozen=True)
class Step:
    """Process replicate to measure; ``round`` is its interleaved one."""

    planned: PlannedCase
    round: int


class Progress:
    """Receiver of a run's progress; this one shows nothing."""

    def expect(self, steps: Sequence[Step], later_seconds: float) -> None:
        """Announce the next steps; the following ones may take ``later_seconds``."""

    def start(self, planned: PlannedCase, round: int) -> None: ...

    def finish(self, planned: PlannedCase, outcome: worker.WorkerResult) -> None: ...


Done = Collection[tuple[Case, int]]  # (case, interleaved round) of each process replicate on record


def interleave(plan: Iterable[PlannedCase], done: Done = ()) -> Iterator[Step]:
    """Yield the steps of ``plan`` by round, and within a round by harness, without those that are ``done``.

    The harnesses follow one another in the order of their first appearance in ``plan``.
    """
    plan = list(plan)
    harnesses = list(dict.fromkeys(planned.case.harness for planned in plan))
    steps = [Step(planned, number) for planned in plan for number in planned.rounds]
    steps.sort(key=lambda step: (step.round, harnesses.index(step.planned.case.harness)))  # stable sort
    return (step for step in steps if (step.planned.case, step.round) not in done)


def execute(folder: RunFolder, measure: MeasureCase, progress: Progress) -> None:
    """Measure the missing replicates of the plan one by one; complete a plan that has candidates.

    A failed replicate is recorded with its reason; only a resumed run repeats it.

    Raises
    ------
    KeyboardInterrupt
        After the record is marked ``interrupted``.
    RecordError
        If the record cannot be written; everything before is kept.
    """
    folder.update_header(status="running", finished_at=None, fitness={"start": fitness_now()})
    tried: set[tuple[Case, int]] = set()
    try:
        while True:
            steps = list(interleave(planned_cases(folder.header.plan), measured(folder) | tried))
            progress.expect(steps, expected_later(folder))
            for step in steps:
                progress.start(step.planned, step.round)
                outcome = _measure_beside_others(folder, step, measure)
                tried.add((step.planned.case, step.round))
                progress.finish(step.planned, outcome)
            if not settle_plan(folder):
                break
    except KeyboardInterrupt:
        _end(folder, "interrupted")
        raise
    _end(folder, "complete")


def _end(folder: RunFolder, status: str) -> None:
    folder.update_header(status=status, finished_at=now(), fitness={**folder.header.fitness, "end": fitness_now()})


def _measure_beside_others(folder: RunFolder, step: Step, measure: MeasureCase) -> worker.WorkerResult:
    """Measure one step and record it with the CPU use of other processes and the distance between the cores."""
    started_at, distance_ns = now(), core_distance.measure_ns()
    before = other_load.read()
    outcome = measure(step.planned.case)
    after = other_load.read()
    facts = dict(outcome.process or {})
    replicate = {
        "schema_version": SCHEMA_VERSION,
        "case": step.planned.case.to_json(),
        "round": step.round,
        "status": outcome.status,
        "reason": outcome.reason,
        "started_at": started_at,
        "wall_seconds": outcome.wall_seconds,
        "measurements": outcome.measurements,
        "other_cpu_percent": other_load.other_cpu_percent(before, after, usable_cores()),
        "steal_percent": other_load.steal_percent(before, after),
        "core_distance_before_ns": distance_ns,
        "core_distance_after_ns": core_distance.measure_ns(),
        "code": facts.pop("code", None),
    }
    folder.append(replicate)
    told = {"backend": step.planned.case.backend, **facts}
    if facts and told not in folder.header.processes:  # equal facts of a backend's processes are on record once
        folder.update_header(processes=[*folder.header.processes, told])
    return outcome


def measured(folder: RunFolder) -> set[tuple[Case, int]]:
    """Return the successful replicates as {(case, interleaved round)}; failed ones are repeated on resume."""
    return {replicate_of(entry) for entry in folder.replicates() if entry["status"] == "ok"}


def replicate_of(entry: Mapping[str, Any]) -> tuple[Case, int]:
    """Return (case, interleaved round) of a replicate on record."""
    return Case.from_json(entry["case"]), entry.get("round") or 0


class WorkerPool(ExitStack):
    """Pool of fresh worker processes, with compile caches that live as long as the run.

    The warm cache is filled by the first cold measurement, or by the first process of epochs, which compiles before its
    epochs and records its compilation as cold; or, if neither is planned, by an unrecorded compilation.  So a warm
    sample never includes another stack's compilation.
    """

    def __init__(
        self,
        plan: list[PlannedCase],
        data_directory: Path | None,
        quick: bool,
        warn: Callable[[str], None],
        data_digest: str | None = None,
        passed: Mapping[str, str] | None = None,
    ) -> None:
        """``passed`` are the variables of --env."""
        super().__init__()
        self._passed = passed or {}
        self._limits = {planned.case: planned.limit_seconds for planned in plan}
        self._data_directory, self._data_digest = data_directory, data_digest
        self._quick = quick
        self._warn = warn
        self._scratch = self.enter_context(scratch_folder())
        self._warm = defaultdict(lambda: self.enter_context(scratch_folder(self._scratch)))  # stack -> compile cache
        self._primed: set[tuple[tuple[str | None, str | None, str], str | None]] = set()
        self._count = 0

    def measure(self, case: Case) -> worker.WorkerResult:
        """Measure ``case`` in a fresh process."""
        code = (case.stack, case.without)  # without an optimization, a stack compiles other operations
        warm = self._warm[case.stack] if case.cache else None
        if case.cache == "cold" and code not in self._primed:
            outcome = self._run(case, warm)
            if outcome.reason is None:
                self._primed.add(code)
            return outcome
        if case.cache == "cold":
            with scratch_folder(self._scratch) as cold:
                return self._run(case, cold)
        if case.cache == "warm" and code not in self._primed:
            self._primed.add(code)  # once, even if it fails: the measurement then fails with the reason
            if case.harness == "epoch":
                return _compiled_cold(self._run(case, warm))
            priming = Case("compile", *case.stack, case.threads, case.dataset, cache="cold", without=case.without)
            outcome = self._run(priming, warm)
            if outcome.reason is not None:
                self._warn(f"the compile cache could not be primed: {outcome.reason}")
        return self._run(case, warm)

    def _run(self, case: Case, compile_directory: Path | None) -> worker.WorkerResult:
        self._count += 1
        result = self._scratch / f"result-{self._count}.json"
        argv = worker.command(case, self._data_directory, self._quick, result, data_digest=self._data_digest)
        limit_seconds = self._limits.get(case, 900.0)
        temporary = temporary_files_in(compile_directory or self._scratch)
        variables = build(case, compile_directory, self._passed) | temporary
        with pinned(cores_of_case(case)):
            return worker.measure(argv, variables, result, limit_seconds)


def _compiled_cold(outcome: worker.WorkerResult) -> worker.WorkerResult:
    """Mark the compilation of a process that found an empty cache as cold."""
    return replace(
        outcome,
        measurements=[
            {**one, "params": {**one["params"], "cache": "cold"}} if one["params"].get("harness") == "compile" else one
            for one in outcome.measurements
        ],
    )


def new_run_id(commit_id: str | None) -> str:
    """Return e.g. ``20261124-101500-3f2a91c``: sortable by time, with the commit."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{stamp}-{short_commit(commit_id, 'nocommit')}"


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
