"""Record on the board: the numbers of one run folder that the board shows, re-derived from its raw samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import RecordError
from bench.records.comparability import settings_text
from bench.records.datasets import dataset_identity
from bench.records.moments import day
from bench.records.run_folder import RunFolder
from bench.records.stack_key import CANONICAL_PRECISION, StackKey, by_stack
from bench.report.board.rederive import check_summary
from bench.report.compare.runs import passed_variables, run_facts
from bench.report.run.analysis import RunAnalysis
from bench.report.run.canonical import has_canonical_recipe
from bench.report.run.context import machine_section
from bench.report.run.reference_runs import PhaseMedians, ReferenceAnswer
from bench.roofline.ceilings import Ceilings, ceilings_of
from bench.stats import estimates
from bench.stats.learning import Learning
from mlp.recipe import CANONICAL

KEY_COLUMN = "comparison_key"


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
    """Numbers of one run; ``source`` is its folder as a reader may know it.

    ``facts`` are those that ``bench compare`` compares, ``fingerprint`` the rows of the report's table of the machine.
    """

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
    ceilings: Mapping[str, Ceilings]  # by device
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
    analysis = RunAnalysis(RunFolder.open(path))
    header, machine = analysis.header, analysis.header.get("machine") or {}
    if analysis.folder.problems:
        raise RecordError(f"it is damaged: {analysis.folder.problems[0]}; restore it from a copy.")
    if not machine.get("cpu_model"):
        raise RecordError("its run.json names no machine (it has no cpu_model): measure again.")
    if not header.get("started_at"):
        raise RecordError("its run.json has no start (started_at): measure again.")
    check_summary(path, analysis)
    commit = header.get("commit") or {}
    results = _results(analysis)
    return BoardRecord(
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
        results=results,
        ceilings=_ceilings(analysis),
        notes=_notes(analysis),
    )


def _fitness(header: Mapping[str, Any]) -> Known:
    found = header.get("fitness")
    grade = found.get("grade") if isinstance(found, dict) else found
    if isinstance(grade, str) and grade:
        return Known(grade)
    return Known(None, "the record is older than fitness grades, or its machine could not be graded")


def _results(analysis: RunAnalysis) -> tuple[StackResult, ...]:
    answers = {answer.stack: answer for answer in analysis.answers}
    medians = {one.stack: one for one in analysis.phase_medians}
    return tuple(
        _result(analysis, rows, answers[stack], medians[stack]) for stack, rows in by_stack(analysis.frames.results)
    )


def _result(analysis: RunAnalysis, results: pd.DataFrame, answer: ReferenceAnswer, phases: PhaseMedians) -> StackResult:
    stack, verdict = answer.stack, analysis.verdicts.get(answer.stack)
    return StackResult(
        stack=stack._replace(precision=stack.precision or CANONICAL_PRECISION),  # schema 1 had no other
        comparison_key=_comparison_key(results),
        seconds=tuple(float(seconds) for seconds in results["total_seconds"]),
        total=answer.total,
        num_epochs=answer.num_epochs,
        not_canonical_because=_not_canonical_because(analysis.header, results),
        mean_test_accuracy=answer.mean_test_accuracy,
        agrees=None if answer.agreement is None else answer.agreement.agrees,
        learning=None if verdict is None else verdict.learning,
        phases=phases,
    )


def _comparison_key(results: pd.DataFrame) -> Known:
    keys = sorted(map(str, results[KEY_COLUMN].dropna().unique())) if KEY_COLUMN in results else []
    if len(keys) == 1:
        return Known(keys[0])
    if keys:
        return Known(None, f"its processes ran {len(keys)} versions of the code")
    return Known(None, "the record is older than comparison keys")


def _not_canonical_because(header: dict[str, Any], results: pd.DataFrame) -> str | None:
    data, passed = dataset_identity(header), passed_variables(header)
    if data != "mnist":
        return f"its data is {data or 'unknown'}, not MNIST"
    if not has_canonical_recipe(header):
        return "its recipe is not the canonical one"
    epochs = sorted({int(count) for count in results["num_epochs"]} - {CANONICAL.num_epochs})
    if epochs:
        return f"it trained {' or '.join(map(str, epochs))} epochs, not {CANONICAL.num_epochs}"
    return f"it was measured with {settings_text(passed)}" if passed else None


def _ceilings(analysis: RunAnalysis) -> dict[str, Ceilings]:
    """Return the ceilings of each device, without the values of single rounds."""
    devices = ["cpu", *analysis.frames.samples["device"].dropna().unique()]
    found = {device: ceilings_of(analysis.frames, device) for device in dict.fromkeys(devices)}
    return {
        device: replace(one, measured=tuple(replace(ceiling, rounds=None) for ceiling in one.measured))
        for device, one in found.items()
        if one is not None
    }


def _notes(analysis: RunAnalysis) -> tuple[str, ...]:
    header = analysis.header
    notes = [f"partial (status: {header['status']})"] if header["status"] != "complete" else []
    if header["mode"] == "quick":
        notes.append("quick run")
    if not analysis.frames.failures.empty:
        notes.append(f"{len(analysis.frames.failures)} processes failed")
    return (*notes, *analysis.left_out)
