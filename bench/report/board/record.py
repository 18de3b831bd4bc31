"""Record on the board: the numbers of one run folder that the board shows, re-derived from its raw samples.

They are read from the replicates without frames, for thousands of runs, by the functions of ``RunAnalysis``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import RecordError
from bench.records.comparability import settings_text
from bench.records.comparison_key import ComparisonKey, comparison_keys
from bench.records.frames import OF_PROCESSES, measured_replicates
from bench.records.header import RunHeader
from bench.records.moments import day
from bench.records.reference_run import ReferenceRun, runs_of_replicates
from bench.records.run_folder import RunFolder
from bench.records.select import states_by_process
from bench.records.stack_key import CANONICAL_PRECISION, StackKey
from bench.report.board.rederive import check_summary
from bench.report.compare.runs import run_facts
from bench.report.run.canonical import has_canonical_recipe
from bench.report.run.context import machine_section
from bench.report.run.fitness import run_fitness
from bench.report.run.learning import accuracies_by_stack, differences_by_seed, learning_verdicts
from bench.report.run.reference_runs import PhaseMedians, phase_medians, reference_answers
from bench.stats import estimates
from bench.stats.learning import Learning
from mlp.recipe import CANONICAL

NO_KEY = "its commit is unknown or had uncommitted changes, and the record is older than digests of code"


@dataclass(frozen=True)
class Known:
    """Text that a record may lack: ``value`` is None then, and ``missing_because`` the reason."""

    value: str | None
    missing_because: str | None = None


@dataclass(frozen=True)
class StackResult:
    """Reference runs of one stack in one record.

    ``seconds`` are the reference clocks of its processes, ``not_canonical_because`` is None for canonical runs:
    20 epochs of the canonical recipe on MNIST, without variables of ``--env``.
    """

    stack: StackKey
    comparison_key: Known
    seconds: tuple[float, ...]
    total: estimates.Estimate
    num_epochs: int
    not_canonical_because: str | None
    mean_test_accuracy: float | None
    agrees: bool | None  # with the published accuracy
    learning: Learning | None  # None for the canonical stack, the reference of the others
    conforms: bool
    phases: PhaseMedians


@dataclass(frozen=True)
class BoardRecord:
    """Numbers of the run in ``path``; ``source`` is its folder as a reader may know it.

    ``facts`` are those that ``bench compare`` compares, ``fingerprint`` the rows of the report's table of the machine.
    """

    path: Path
    source: str
    verified_here: bool
    run_id: str
    started_at: str
    mode: str
    status: str
    commit: str | None
    uncommitted_changes: bool
    machine: Mapping[str, Any]
    facts: Mapping[str, Any]
    fingerprint: list[list[str]]
    fitness: Known
    results: tuple[StackResult, ...]
    harnesses: frozenset[str]  # that measured something
    notes: tuple[str, ...]

    @property
    def day(self) -> str:
        return day(self.started_at) or ""

    @property
    def year(self) -> str:
        return self.day[:4]


def read_record(path: Path, source: str, verified_here: bool) -> BoardRecord:
    """Return the record in ``path``.

    Raises
    ------
    RecordError
        With the reason for which it is left out: it cannot be read completely, names no machine or no start, or its
        numbers do not follow from its samples.
    """
    folder = RunFolder.open(path)
    header, replicates = folder.header, measured_replicates(folder.header, folder.replicates())
    machine, commit = header.machine, header.commit
    if folder.problems:
        raise RecordError(f"it is damaged: {folder.problems[0]}; restore it from a copy.")
    if not machine.get("cpu_model"):
        raise RecordError("its run.json names no machine (it has no cpu_model): measure again.")
    if not header.started_at:
        raise RecordError("its run.json has no start (started_at): measure again.")
    return BoardRecord(
        path=path,
        source=source,
        verified_here=verified_here,
        run_id=header.run_id,
        started_at=header.started_at,
        mode=header.mode,
        status=header.status,
        commit=commit.id,
        uncommitted_changes=bool(commit.dirty),
        machine=machine,
        facts={name: fact for name, fact in run_facts(header, []).items() if name != "threads"},  # a part of the stack
        fingerprint=machine_section(header).rows,
        fitness=_fitness(header, replicates),
        results=_results(path, header, replicates),
        harnesses=frozenset(one["case"]["harness"] for one in replicates if one["measurements"]),
        notes=_notes(header, replicates),
    )


def _fitness(header: RunHeader, replicates: Sequence[Mapping[str, Any]]) -> Known:
    if not header.fitness:
        return Known(None, "the record is older than fitness grades")
    processes = pd.DataFrame(
        {
            "process": one["sequence"],
            "threads": one["case"].get("threads"),
            **{name: one.get(name) for name in OF_PROCESSES},
        }
        for one in replicates
    )
    grade = run_fitness(header, processes, states_by_process(processes).values()).grade
    return Known(None, "its machine could not be graded") if grade is None else Known(grade.value)


def _results(path: Path, header: RunHeader, replicates: Sequence[Mapping[str, Any]]) -> tuple[StackResult, ...]:
    """Return the results of every stack with a reference run; raise RecordError as ``check_summary``."""
    runs = runs_of_replicates(replicates)
    answers = {answer.stack: answer for answer in reference_answers(header, runs)}
    check_summary(path, runs, list(answers.values()))
    verdicts = learning_verdicts(accuracies_by_stack(header, runs), differences_by_seed(header, runs))
    keys = comparison_keys(header, replicates)
    found = []
    for phases in phase_medians(runs):
        stack, own, answer = phases.stack, runs[phases.stack], answers[phases.stack]
        found.append(
            StackResult(
                stack=stack._replace(precision=stack.precision or CANONICAL_PRECISION),  # schema 1 had no other
                comparison_key=_known_key(keys.get(stack.name)),
                seconds=tuple(run.total_seconds for run in own),
                total=answer.total,
                num_epochs=answer.num_epochs,
                not_canonical_because=_not_canonical_because(header, own),
                mean_test_accuracy=answer.mean_test_accuracy,
                agrees=None if answer.agreement is None else answer.agreement.agrees,
                learning=verdicts[stack].learning if stack in verdicts else None,
                conforms=stack[:3] not in header.violations,
                phases=phases,
            )
        )
    return tuple(found)


def _known_key(key: ComparisonKey | None) -> Known:
    if key is None:
        return Known(None, "all its processes failed")
    if "+" in (key.code or ""):
        return Known(None, f"its processes ran {len(key.code.split('+'))} versions of the code")
    return Known(key.digest, None if key.digest else NO_KEY)


def _not_canonical_because(header: RunHeader, runs: Sequence[ReferenceRun]) -> str | None:
    data, passed = header.dataset_identity, header.environment.passed
    if data != "mnist":
        return f"its data is {data or 'unknown'}, not MNIST"
    if not has_canonical_recipe(header):
        return "its recipe is not the canonical one"
    epochs = sorted({run.num_epochs for run in runs} - {CANONICAL.num_epochs})
    if epochs:
        return f"it trained {' or '.join(map(str, epochs))} epochs, not {CANONICAL.num_epochs}"
    return f"it was measured with {settings_text(passed)}" if passed else None


def _notes(header: RunHeader, replicates: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    notes = [f"partial (status: {header.status})"] if header.status != "complete" else []
    if header.mode == "quick":
        notes.append("quick run")
    if failed := sum(one["status"] != "ok" for one in replicates):
        notes.append(f"{failed} {'process' if failed == 1 else 'processes'} failed")
    return tuple(notes)
