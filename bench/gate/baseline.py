"""Comparison of the working tree with a committed record of this machine, without a fresh second side.

The same harnesses measure the metrics of the record again, and the machine's floor: the matrix products of a training
step.  The change of the floor since the record is the drift; it is divided out, with its own uncertainty.  Metrics that
drift differently from the products (memory, loading, compilation) cannot be distinguished from a change, so only
metrics dominated by the products are judged; and with less than two processes of a metric nothing is decided.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.errors import BenchError
from bench.gate import emit
from bench.gate.config import GateConfig
from bench.gate.drift import BaselineData, judge_against
from bench.gate.processes.session import resolve_stack
from bench.gate.report import GateReport, exit_code, headline
from bench.gate.verdict import Decision
from bench.machine import fingerprint
from bench.measure.case import Case, PlannedCase
from bench.measure.environment import check_fit_for_code, dropped
from bench.measure.git import State, state_of
from bench.measure.runner import WorkerPool
from bench.measure.worker import PROJECT, WorkerResult
from bench.records.comparability import contradictions, identity
from bench.records.comparison_key import comparison_keys
from bench.records.header import Environment, RunHeader
from bench.records.json_file import finite
from bench.records.run_folder import RunFolder
from bench.report.run.context import environment_notices
from bench.roofline.ceilings import is_step_product
from bench.units import format_seconds, short_commit
from mlp.recipe import CANONICAL

JUDGED = ("train_epoch", "validate_epoch", "train_step")  # measurements of the epoch harness
LIMIT_SECONDS = 900.0


def against_record(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """Judge the working tree against a record; raise BenchError if its machine, recipe or dataset differs."""
    from mlp.dataset import identify, locate

    metrics = tuple(metric for metric in config.metrics() if metric.name in JUDGED)
    if not metrics:
        raise BenchError(f"a record can only judge {', '.join(JUDGED)}: name one of them with --metric.")
    folder = RunFolder.open(options["baseline"])
    source = locate(options["data"])
    identity = identify(source.directory)
    here = {"machine": fingerprint.fingerprint(), "dataset": identity.sha256, "recipe": _recipe()}
    refuse_another_machine(folder.header, here)
    stack = resolve_stack(options["backend"], options["variant"], options["device"])
    recorded = folder.replicates()
    epochs = epoch_case(recorded, stack, folder.path)
    floor = floor_case(recorded)
    cases = [epochs] if floor is None else [floor, epochs]
    plan = [PlannedCase(case, 1, LIMIT_SECONDS, 10) for case in cases]
    check_fit_for_code()
    notices = environment_notices(Environment(dropped=tuple(dropped())))
    warnings: list[str] = []
    quick = folder.header.mode == "quick"
    with (
        console.status("measuring") as status,
        WorkerPool(plan, source.directory, quick, warnings.append, identity.digest) as pool,
    ):
        fresh, seconds = _measure(pool.measure, cases, config.budget_seconds, status.update)
    data = BaselineData(
        base={one.name: process_values(recorded, epochs, one.name) for one in metrics},
        candidate={one.name: process_values(fresh, epochs, one.name) for one in metrics},
        base_floor=floor_values(recorded, floor),
        candidate_floor=floor_values(fresh, floor),
    )
    decision = Decision(judge_against(data, metrics), None, (), False)
    report = GateReport(
        headline(decision),
        (*_sentences(folder, recorded, here, data, seconds, fresh), *notices, *warnings),
        decision.judgements,
        exit_code(decision, config.undecided_passes),
        {"machine": here["machine"], "baseline": folder.path.name, "then": vars(data)},
    )
    emit.emit(report, console, options)
    return report.exit_code


def refuse_another_machine(header: RunHeader, here: Mapping[str, Any]) -> None:
    """Raise BenchError with the list of differences unless the record is of this machine, dataset and recipe.

    A field missing on one side, as in older records, is not a difference.
    """
    then, now = identity(header.machine), identity(here["machine"])
    reasons = [f"its {name} is {then[name]}, here is {now[name]}" for name in contradictions(then, now)]
    if "cpu_model" not in then:
        reasons.append("its processor is unknown")
    if header.dataset.get("sha256") != here["dataset"]:
        reasons.append(f"its dataset is {header.dataset_identity}, and here are other files")
    reasons += [
        f"its {name} is {header.recipe.get(name)}, here is {value}"
        for name, value in here["recipe"].items()
        if header.recipe.get(name) != value
    ]
    passed = header.environment.passed or {}
    reasons += [f"it was measured with {name}={value}, which is not set here" for name, value in passed.items()]
    if reasons:
        raise BenchError(
            f"the record {header.run_id} is of another machine or workload: {'; '.join(reasons)}. Compare two "
            "sides on this machine instead: --against main."
        )


def epoch_case(recorded: Iterable[Mapping[str, Any]], stack: Any, path: Path) -> Case:
    """Return the record's case of the epoch harness for ``stack``; raise BenchError if it has none."""
    for entry in recorded:
        case = Case.from_json(entry["case"])
        names = (case.backend, case.variant, case.device)
        if case.harness == "epoch" and names == (stack.backend, stack.variant, stack.device):
            return case
    raise BenchError(f"{path} holds no epochs of {stack.label}: choose with --backend, --variant and --device.")


def floor_case(recorded: Iterable[Mapping[str, Any]]) -> Case | None:
    """Return the case that measured the products of a step: the ceilings, else the floor of the ablation."""
    cases = [Case.from_json(entry["case"]) for entry in recorded if entry["status"] == "ok"]
    ceilings = [case for case in cases if case.harness == "ceilings" and case.backend is None]
    return next(iter([*ceilings, *(case for case in cases if case.is_floor)]), None)


def process_values(replicates: Iterable[Mapping[str, Any]], case: Case, measurement: str) -> list[float]:
    """Return the median of each process that measured ``case``, in seconds."""
    return [
        statistics.median(found["seconds"])
        for entry in replicates
        if entry["status"] == "ok" and Case.from_json(entry["case"]) == case
        for found in entry["measurements"]
        if found["name"] == measurement and found["seconds"] and None not in found["seconds"]
    ]


def floor_values(replicates: Iterable[Mapping[str, Any]], case: Case | None) -> list[float]:
    """Return the seconds of all products of one step for each process: one measurement, or the sum of eight."""
    if case is None:
        return []
    if case.is_floor:
        return process_values(replicates, case, "eight_products")
    replicates = [entry for entry in replicates if Case.from_json(entry["case"]) == case]
    names = {found["name"] for entry in replicates for found in entry["measurements"]}
    products = sorted(filter(is_step_product, names))
    columns = [process_values(replicates, case, name) for name in products]
    return [sum(row) for row in zip(*columns, strict=False)]


def _measure(
    measure: Callable[[Case], WorkerResult], cases: list[Case], budget_seconds: float, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], float]:
    """Measure rounds of all ``cases`` while the next fits the budget, at least two; return replicates and seconds."""
    start, found, rounds = time.perf_counter(), [], 0
    while True:
        for case in cases:
            say(f"round {rounds + 1}: {case.label}")
            outcome = measure(case)
            found.append({"case": case.to_json(), "status": outcome.status, "measurements": outcome.measurements})
            found[-1] |= {"reason": outcome.reason, "process": outcome.process}
        rounds += 1
        spent = time.perf_counter() - start
        if rounds >= 2 and spent * (rounds + 1) / rounds > budget_seconds:
            return found, spent


def _sentences(
    folder: RunFolder,
    recorded: Sequence[Mapping[str, Any]],
    here: Mapping[str, Any],
    data: BaselineData,
    seconds: float,
    fresh: list[dict[str, Any]],
) -> list[str]:
    state = state_of(PROJECT)
    tree = f"the working tree at {short_commit(state.commit, 'no commit')}"
    tree += ", with uncommitted changes" if state.dirty else ""
    failed = [f"A process failed: {entry['reason']}." for entry in fresh if entry["status"] != "ok"]
    return [
        f"A, the base, is the record {folder.path.name}; B, the candidate, is {tree}.",
        "The sides were not measured side by side: there is no null control, and nothing is confirmed on fresh blocks.",
        data.drift_sentence,
        *_since_then(folder.header, recorded, here, state, fresh),
        *failed,
        f"Measured for {format_seconds(seconds)}.",
    ]


def _since_then(
    recorded_header: RunHeader,
    recorded: Iterable[Mapping[str, Any]],
    here: Mapping[str, Any],
    state: State,
    fresh: Iterable[Mapping[str, Any]],
) -> list[str]:
    """Return a sentence if the code of the stack is that of the record, and one with the versions that differ."""
    known = [{**entry, **(entry.get("process") or {})} for entry in fresh]
    processes = [{"backend": one["case"]["backend"], **one} for one in known if one.get("process")]
    header = replace(recorded_header, machine=here["machine"], commit=state.facts, processes=tuple(processes))
    then = comparison_keys(recorded_header, recorded)
    sentences, changed = [], []
    for name, key in comparison_keys(header, known).items():
        if name in then and then[name].has_code_of(key):
            sentences.append(f"The code of {name} is that of the record: a difference is not its own.")
        changed += then[name].other_versions(key) if name in then else []
    systems = [machine.get("os") for machine in (recorded_header.machine, here["machine"])]
    changed += [f"system {systems[0]}, then {systems[1]}"] if None not in systems and len(set(systems)) > 1 else []
    return [*sentences, *([f"Since the record: {'; '.join(changed)}."] if changed else [])]


def _recipe() -> dict[str, Any]:
    recipe = finite(asdict(CANONICAL))  # tuples become lists, as in a record
    return {name: value for name, value in recipe.items() if name not in ("seed", "num_epochs")}
