"""Record on the board: the numbers of one run folder that the board shows, re-derived from its raw samples.

They are read from the replicates without frames, for thousands of runs, by the functions of ``RunAnalysis``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import RecordError
from bench.records.comparability import settings_text
from bench.records.datasets import dataset_identity
from bench.records.frames import drop_invalid, frames_of, measured_replicates
from bench.records.moments import day
from bench.records.reference_run import ReferenceRun, runs_of_replicates
from bench.records.run_folder import RunFolder
from bench.records.stack_key import CANONICAL_PRECISION, StackKey
from bench.report.board.rederive import check_summary
from bench.report.compare.runs import passed_variables, run_facts
from bench.report.run.canonical import has_canonical_recipe
from bench.report.run.context import machine_section
from bench.report.run.learning import accuracies_by_stack, differences_by_seed, learning_verdicts
from bench.report.run.reference_runs import PhaseMedians, ReferenceAnswer, phase_medians, reference_answers
from bench.roofline.ceilings import HARNESS, Ceilings, ceilings_of
from bench.stats import estimates
from bench.stats.learning import Learning
from mlp.recipe import CANONICAL

KEY = "comparison_key"  # field of a case
NO_KEY = "the record is older than comparison keys"


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
    has_ceilings: bool
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
    header, replicates = folder.header, measured_replicates(folder)
    machine, commit = header.get("machine") or {}, header.get("commit") or {}
    if folder.problems:
        raise RecordError(f"it is damaged: {folder.problems[0]}; restore it from a copy.")
    if not machine.get("cpu_model"):
        raise RecordError("its run.json names no machine (it has no cpu_model): measure again.")
    if not header.get("started_at"):
        raise RecordError("its run.json has no start (started_at): measure again.")
    return BoardRecord(
        path=path,
        source=source,
        verified_here=verified_here,
        run_id=header["run_id"],
        started_at=header["started_at"],
        mode=header["mode"],
        status=header["status"],
        commit=commit.get("id"),
        uncommitted_changes=bool(commit.get("dirty")),
        machine=machine,
        facts={name: fact for name, fact in run_facts(header, []).items() if name != "threads"},  # a part of the stack
        fingerprint=machine_section(header).rows,
        fitness=_fitness(header),
        results=_results(path, header, replicates),
        has_ceilings=any(one["case"]["harness"] == HARNESS and one["measurements"] for one in replicates),
        notes=_notes(header, replicates),
    )


def ceilings_by_device(record: BoardRecord) -> dict[str, Ceilings]:
    """Return the ceilings of each device, from the run's frames."""
    frames, _ = drop_invalid(frames_of([RunFolder.open(record.path)]))
    devices = dict.fromkeys(["cpu", *frames.samples["device"].dropna().unique()])
    found = {device: ceilings_of(frames, device) for device in devices}
    return {device: one for device, one in found.items() if one is not None}


def _fitness(header: Mapping[str, Any]) -> Known:
    found = header.get("fitness")
    grade = found.get("grade") if isinstance(found, dict) else found
    if isinstance(grade, str) and grade:
        return Known(grade)
    return Known(None, "the record is older than fitness grades, or its machine could not be graded")


def _results(path: Path, header: dict[str, Any], replicates: Sequence[Mapping[str, Any]]) -> tuple[StackResult, ...]:
    """Return the results of every stack with a reference run; raise RecordError as ``check_summary``."""
    runs = runs_of_replicates(replicates)
    answers = {answer.stack: answer for answer in reference_answers(header, runs)}
    check_summary(path, runs, list(answers.values()))
    verdicts = learning_verdicts(accuracies_by_stack(header, runs), differences_by_seed(header, runs))
    learning = {stack: verdict.learning for stack, verdict in verdicts.items()}
    keys = comparison_keys(replicates)
    return tuple(
        _result(header, runs[phases.stack], answers[phases.stack], phases, learning, keys)
        for phases in phase_medians(runs)
    )


def _result(
    header: dict[str, Any],
    runs: Sequence[ReferenceRun],
    answer: ReferenceAnswer,
    phases: PhaseMedians,
    learning: Mapping[StackKey, Learning],
    keys: Mapping[StackKey, Known],
) -> StackResult:
    stack = answer.stack
    return StackResult(
        stack=stack._replace(precision=stack.precision or CANONICAL_PRECISION),  # schema 1 had no other
        comparison_key=keys.get(stack, Known(None, NO_KEY)),
        seconds=tuple(run.total_seconds for run in runs),
        total=answer.total,
        num_epochs=answer.num_epochs,
        not_canonical_because=_not_canonical_because(header, runs),
        mean_test_accuracy=answer.mean_test_accuracy,
        agrees=None if answer.agreement is None else answer.agreement.agrees,
        learning=learning.get(stack),
        phases=phases,
    )


def comparison_keys(replicates: Sequence[Mapping[str, Any]]) -> dict[StackKey, Known]:
    """Return the comparison key of each stack with a reference run, as its cases name it."""
    found: dict[StackKey, set[str | None]] = {}
    for replicate in replicates:
        case = replicate["case"]
        if case["harness"] == "reference":
            stack = StackKey(**{name: case.get(name) for name in StackKey._fields})
            found.setdefault(stack, set()).add(case.get(KEY))
    return {stack: _known_key(keys - {None}) for stack, keys in found.items()}


def _known_key(keys: set[Any]) -> Known:
    if len(keys) > 1:
        return Known(None, f"its processes ran {len(keys)} versions of the code")
    return Known(str(*keys)) if keys else Known(None, NO_KEY)


def _not_canonical_because(header: dict[str, Any], runs: Sequence[ReferenceRun]) -> str | None:
    data, passed = dataset_identity(header), passed_variables(header)
    if data != "mnist":
        return f"its data is {data or 'unknown'}, not MNIST"
    if not has_canonical_recipe(header):
        return "its recipe is not the canonical one"
    epochs = sorted({run.num_epochs for run in runs} - {CANONICAL.num_epochs})
    if epochs:
        return f"it trained {' or '.join(map(str, epochs))} epochs, not {CANONICAL.num_epochs}"
    return f"it was measured with {settings_text(passed)}" if passed else None


def _notes(header: Mapping[str, Any], replicates: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    notes = [f"partial (status: {header['status']})"] if header["status"] != "complete" else []
    if header["mode"] == "quick":
        notes.append("quick run")
    if failed := sum(one["status"] != "ok" for one in replicates):
        notes.append(f"{failed} {'process' if failed == 1 else 'processes'} failed")
    return tuple(notes)
