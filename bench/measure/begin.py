"""Start of a run: what the options ask for is checked, planned and recorded before a process is started."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import BenchError
from bench.machine.fingerprint import fingerprint, usable_cores
from bench.measure.case import (
    EVERY_HARNESS,
    FULL,
    FULL_HARNESSES,
    QUICK,
    QUICK_HARNESSES,
    Effort,
    PlannedCase,
    make_plan,
    more_seeds,
    planned_cases,
)
from bench.measure.choose import Choice, leave_out_slow_starts, select_stacks
from bench.measure.conformance.check import check_plugins
from bench.measure.environment import check_alone, check_fit_for_code, dropped, planning, read_passed
from bench.measure.git import State, state_of
from bench.measure.process import PROJECT
from bench.measure.quick import HARNESSES_LEFT_OUT, budget_seconds, first_round
from bench.measure.runner import new_run_id, now
from bench.measure.scaling import (
    SCALING_LEFT_OUT,
    check_devices,
    check_threads,
    read_counts,
    scaling_counts,
    scaling_plan,
)
from bench.records.columns import SCALING
from bench.records.datasets import NO_DATASET
from bench.records.header import Environment, RunHeader
from bench.records.run_folder import SCHEMA_VERSION, RunFolder
from bench.version import __version__
from mlp import dataset as datasets
from mlp.backends.theano.tuned.optimizations import optimization_states
from mlp.recipe import CANONICAL, Recipe
from mlp.theano_compat.blas import choose_blas

BestThreads = Callable[[Iterable[tuple[str, str, str]]], Mapping[tuple[str, str, str], int]]


class Data(NamedTuple):
    """Directory with the dataset, and the digest that its processes check; None for runs that need no data."""

    directory: Path | None
    digest: str | None


def begin(
    runs_dir: Path,
    options: dict[str, list[str]],
    warn: Callable[[State], None],
    *,
    quick: bool,
    data: Path | None,
    backends: tuple[str, ...],
    variants: tuple[str, ...],
    devices: tuple[str, ...],
    harnesses: tuple[str, ...],
    threads: int | None,
    counts: str | None,
    best_threads: BestThreads | None = None,
    batch_size: int,
    epochs: int | None,
    processes: int | None,
    seeds: str | None,
    settings: tuple[str, ...],
    tell: Callable[[str], None] = lambda sentence: None,
) -> tuple[RunFolder, Data]:
    """Check all input before measuring, then open the record of a new run.

    ``options`` are those given on the command line, for the record; ``warn`` gets the state of the repository, ``tell``
    the progress of checks that take long; ``best_threads`` returns the threads of each of the stacks (backend, variant,
    device) on a CPU, instead of ``threads``.  Raises BenchError or MlpError for invalid input.
    """
    check_alone()
    _check_harnesses(harnesses)
    _check_at_least_1(threads=threads, processes=processes)
    _check_scaling(harnesses, counts, threads)
    passed = read_passed(settings)
    effort = _effort(quick, processes, seeds, harnesses)
    recipe = _recipe(batch_size, epochs)
    with planning(passed):
        choice = _choose(harnesses, backends, variants, devices)
        optimizations, facts = _usable_optimizations(), fingerprint() | {"blas": _blas()}
    if best_threads is not None:
        _take_best_threads(choice, best_threads)
    named = backends or variants or devices or processes or seeds
    has_limit = quick and not named  # harnesses named explicitly are measured in full
    if has_limit:
        leave_out_slow_starts(choice)

    dataset, where = _dataset(data, needed=set(harnesses) != {"ceilings"})
    shared = {
        "harnesses": harnesses or (QUICK_HARNESSES if quick else FULL_HARNESSES),
        "stacks": tuple(choice.stacks),
        "dataset": dataset["identity"],
        "batch_size": recipe.batch_size,
        "num_epochs": recipe.num_epochs,
    }
    plan = make_plan(effort, threads=threads or usable_cores(), optimizations=optimizations, **shared)
    few = quick and not harnesses and counts is None
    plan += _scaling_plan(effort, counts, few, len(facts.get("gpus") or []), shared)
    _check_plan(harnesses, plan)
    first, candidates = first_round(plan) if quick else (plan, [])
    state = state_of(PROJECT)
    warn(state)
    conformance = check_plugins(choice.stacks, threads or usable_cores(), passed, tell)
    header = RunHeader(
        schema_version=SCHEMA_VERSION,
        mlp_bench=__version__,
        run_id=new_run_id(state.commit),
        started_at=now(),
        status="running",
        mode="quick" if quick else "full",
        dataset=dataset,
        recipe=asdict(recipe),
        commit=state.facts,
        machine=facts,
        plan=tuple(planned.to_entry() for planned in first),
        candidates=tuple(planned.to_entry() for planned in candidates),
        budget_seconds=budget_seconds(planned.case for planned in plan) if has_limit else None,
        options=options,
        skipped=tuple(choice.skipped),
        dropout_masks={f"{stack.backend}/{stack.variant}": stack.masks for stack in choice.stacks if stack.masks},
        environment=Environment(passed, tuple(dropped(passed=passed))),
        left_out=() if harnesses else (HARNESSES_LEFT_OUT if quick else SCALING_LEFT_OUT,),
        conformance=conformance,
    )
    return RunFolder.create(runs_dir, header), where


def _check_harnesses(harnesses: tuple[str, ...]) -> None:
    for harness in harnesses:
        if harness not in EVERY_HARNESS:
            raise BenchError(f"unknown harness {harness!r}: choose from {', '.join(EVERY_HARNESS)}.")


def _check_scaling(harnesses: tuple[str, ...], counts: str | None, threads: int | None) -> None:
    """Raise BenchError for more threads than can run at once, and for counts without a harness for them."""
    if threads is not None:
        check_threads(threads, usable_cores(), "--threads")
    if counts is not None and harnesses and not set(harnesses) & set(SCALING):
        raise BenchError(f"--counts is of the harnesses {', '.join(SCALING)}: add --harness, or leave it out.")
    if counts is not None:
        scaling_counts(read_counts(counts))


def _scaling_plan(
    effort: Effort, counts: str | None, few: bool, num_gpus: int, shared: dict[str, Any]
) -> list[PlannedCase]:
    """Return the cases of the scaling harnesses; raise BenchError if more is asked for than there is."""
    asked = () if counts is None else read_counts(counts)
    scaling = scaling_counts(asked, num_gpus=num_gpus)
    if "devices" in shared["harnesses"]:
        check_devices(scaling, shared["stacks"], asked)
    return scaling_plan(effort, counts=scaling.with_few_threads() if few else scaling, **shared)


def _recipe(batch_size: int, num_epochs: int | None) -> Recipe:
    num_epochs = CANONICAL.num_epochs if num_epochs is None else num_epochs
    recipe = replace(CANONICAL, batch_size=batch_size, num_epochs=num_epochs)
    recipe.check_batch_fits(datasets.VALIDATION_EXAMPLES, "validation set")
    return recipe


def _choose(
    harnesses: tuple[str, ...], backends: tuple[str, ...], variants: tuple[str, ...], devices: tuple[str, ...]
) -> Choice:
    """Return the stacks to measure: none if only loading or ceilings are asked for, which need no compiler either."""
    if set(harnesses) in ({"data"}, {"ceilings"}) and not (backends or variants or devices):
        return Choice()
    return select_stacks(backends, variants, devices)


def _take_best_threads(choice: Choice, best_threads: BestThreads) -> None:
    on_cpu = {stack: (stack.backend, stack.variant, stack.device) for stack in choice.stacks if stack.device == "cpu"}
    threads = best_threads(list(on_cpu.values()))
    choice.stacks = [
        replace(stack, threads=threads[on_cpu[stack]]) if stack in on_cpu else stack for stack in choice.stacks
    ]


def _dataset(data: Path | None, needed: bool) -> tuple[dict[str, Any], Data]:
    """Return the dataset as a record has it, with its directory and digest; ceilings need none."""
    if not needed:
        return {"identity": NO_DATASET, "origin": None, "sha256": None}, Data(None, None)
    source = datasets.locate(data)
    identity = datasets.identify(source.directory)
    record = {"identity": identity.name, "origin": source.origin, "sha256": identity.sha256}
    return record, Data(source.directory, identity.digest)


def _effort(quick: bool, processes: int | None, seeds: str | None, harnesses: tuple[str, ...]) -> Effort:
    effort = QUICK if quick else FULL
    effort = effort if seeds is None else effort.with_seeds(read_seeds(seeds))
    if harnesses:
        effort = effort.with_framework_ceilings()
    return effort if processes is None else effort.with_processes(processes)


MAX_SEEDS = 1000


def read_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds: ``10`` is seeds 1 to 10; ``6-15`` and ``7,9`` name them.  Raise BenchError for anything else."""
    if re.fullmatch(r"\d{1,9}", text) and 1 <= int(text) <= MAX_SEEDS:
        return tuple(range(1, int(text) + 1))
    if re.fullmatch(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", text) and not text.isdigit():
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
        if sum(max(part) - min(part) + 1 for part in ends) <= MAX_SEEDS:
            seeds = tuple(dict.fromkeys(seed for part in ends for seed in range(part[0], part[-1] + 1)))
            if seeds:
                return seeds
    raise BenchError(
        f"--seeds {text!r} names no seeds: give a count, 1 to {MAX_SEEDS:,}, or the seeds, e.g. 6-15 or 7,9."
    )


def _check_at_least_1(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise BenchError(f"--{name} must be at least 1, got {count}.")


def _usable_optimizations() -> tuple[str, ...]:
    """Return the optimizations active in theano/tuned on this machine, ignoring the caller's ablation variable."""
    return tuple(state.optimization.name for state in optimization_states(without="") if state.active)


def _check_plan(harnesses: tuple[str, ...], plan: list[PlannedCase]) -> None:
    """Raise BenchError if the ablation was requested and cannot be planned, or compiled code cannot be loaded here."""
    if "ablation" in harnesses and not any(planned.case.harness == "ablation" for planned in plan):
        raise BenchError(
            "the ablation cannot be planned: it compares theano/tuned with theano/as_published on cpu, so both must be "
            "among the chosen stacks, and with --quick it needs --processes."
        )
    if any(planned.case.cache for planned in plan):
        check_fit_for_code()


def reopen(
    path: Path, data: Path | None = None, seeds: str | None = None, settings: tuple[str, ...] = ()
) -> tuple[RunFolder, Data]:
    """Reopen an earlier run; raise BenchError if data, machine, commit or environment differ."""
    folder = RunFolder.open(path)
    header = folder.header
    dataset, where = _dataset(data, needed=header.dataset_identity != NO_DATASET)
    with planning(header.environment.passed):
        here = fingerprint()
    reasons = []
    if header.dataset.get("sha256") != dataset["sha256"]:
        reasons.append(f"its dataset is {header.dataset_identity}, here is {dataset['identity']}")
    reasons += [
        f"its {name} is {header.machine.get(name)}, here is {here[name]}"
        for name in ("cpu_model", "usable_cores", "python", "packages")
        if header.machine.get(name) != here[name]
    ]
    commit = state_of(PROJECT).commit
    if header.commit.id != commit:
        reasons.append(f"it was measured at commit {header.commit.id}, this is {commit}")
    if settings and read_passed(settings) != (header.environment.passed or {}):
        reasons.append("it was measured with other variables than --env says")
    if reasons:
        raise BenchError(f"run {folder.path.name} cannot be resumed: {'; '.join(reasons)}. Start a new run instead.")
    if any(planned.case.cache for planned in planned_cases(header.plan)):
        check_fit_for_code()
    _note_dropped(folder)
    if seeds is not None:
        _add_seeds(folder, read_seeds(seeds))
    return folder, where


def _add_seeds(folder: RunFolder, seeds: tuple[int, ...]) -> None:
    """Plan reference runs of more seeds, and add them to the command that reproduces the run."""
    plan = planned_cases(folder.header.plan)
    if not any(planned.case.harness == "reference" for planned in plan):
        raise BenchError(f"run {folder.path.name} has no reference run to add seeds to: start a new run with --seeds.")
    plan += more_seeds(plan, seeds)
    changes: dict[str, Any] = {"plan": [planned.to_entry() for planned in plan]}
    if folder.header.options is not None:
        known = dict.fromkeys(planned.case.seed for planned in plan if planned.case.harness == "reference")
        changes["options"] = {**folder.header.options, "--seeds": [",".join(map(str, known))]}
    folder.update_header(**changes)


def _note_dropped(folder: RunFolder) -> None:
    """Add the currently dropped variables to those of the start of the run."""
    known = folder.header.environment
    passed = known.passed or {}
    names = dict.fromkeys([*known.dropped, *dropped(passed=passed)])
    folder.update_header(environment=Environment(passed, tuple(names)))


def _blas() -> dict[str, Any]:
    blas = choose_blas()
    return {"name": blas.name, "note": blas.note}
