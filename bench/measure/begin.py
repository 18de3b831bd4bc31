"""Start of a run: what the options ask for is checked, planned and recorded before a process is started."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import BenchError
from bench.machine.cuda_device import num_visible
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
    ScalingCounts,
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


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """Options of a new run; None or empty where none was given.

    ``best_threads`` returns the threads of each of the stacks (backend, variant, device) on a CPU, instead of
    ``threads``.
    """

    quick: bool = False
    data: Path | None = None
    backends: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    harnesses: tuple[str, ...] = ()
    threads: int | None = None
    counts: str | None = None
    best_threads: BestThreads | None = None
    batch_size: int = CANONICAL.batch_size
    epochs: int | None = None
    processes: int | None = None
    seeds: str | None = None
    settings: tuple[str, ...] = ()

    @property
    def has_limit(self) -> bool:
        """True for a quick run that names no work of its own: named work is measured without a limit."""
        named = self.backends or self.variants or self.devices or self.processes or self.seeds
        return self.quick and not named

    @property
    def planned_harnesses(self) -> tuple[str, ...]:
        return self.harnesses or (QUICK_HARNESSES if self.quick else FULL_HARNESSES)

    @property
    def num_threads(self) -> int:
        return self.threads or usable_cores()


def begin(
    runs_dir: Path,
    request: RunRequest,
    options: dict[str, list[str]],
    warn: Callable[[State], None],
    tell: Callable[[str], None] = lambda sentence: None,
) -> tuple[RunFolder, Data]:
    """Check all input before measuring, then open the record of a new run.

    ``options`` are those given on the command line, for the record; ``warn`` gets the state of the repository, ``tell``
    the progress of checks that take long.  Raises BenchError or MlpError for invalid input.
    """
    check_alone()
    _check(request)
    passed, recipe = read_passed(request.settings), _recipe(request)
    with planning(passed):
        choice = _choose(request)
        # Of theano/tuned, active on this machine, ignoring the variable of the caller for the ablation.
        optimizations = tuple(one.optimization.name for one in optimization_states(without="") if one.active)
        blas = choose_blas()
        facts = fingerprint() | {"blas": {"name": blas.name, "note": blas.note}}
        num_gpus = num_visible(len(facts.get("gpus") or []))
    if request.best_threads is not None:
        _take_best_threads(choice, request.best_threads)
    if request.has_limit:
        leave_out_slow_starts(choice)
    effort, counts = _effort(request), _counts(request, choice, num_gpus)

    dataset, where = _dataset(request.data, needed=set(request.harnesses) != {"ceilings"})
    plan = _plan(request, choice, effort, counts, dataset["identity"], recipe, optimizations)
    first, candidates = first_round(plan) if request.quick else (plan, [])
    state = state_of(PROJECT)
    warn(state)
    header = RunHeader(
        schema_version=SCHEMA_VERSION,
        mlp_bench=__version__,
        run_id=new_run_id(state.commit),
        started_at=now(),
        status="running",
        mode="quick" if request.quick else "full",
        dataset=dataset,
        recipe=asdict(recipe),
        commit=state.facts,
        machine=facts,
        plan=tuple(planned.to_entry() for planned in first),
        candidates=tuple(planned.to_entry() for planned in candidates),
        budget_seconds=budget_seconds(planned.case for planned in plan) if request.has_limit else None,
        options=options,
        skipped=tuple(choice.skipped),
        dropout_masks={f"{stack.backend}/{stack.variant}": stack.masks for stack in choice.stacks if stack.masks},
        environment=Environment(passed, tuple(dropped(passed=passed))),
        left_out=() if request.harnesses else (HARNESSES_LEFT_OUT if request.quick else SCALING_LEFT_OUT,),
        conformance=check_plugins(choice.stacks, request.num_threads, passed, tell),
    )
    return RunFolder.create(runs_dir, header), where


def _check(request: RunRequest) -> None:
    """Raise BenchError for an unknown harness, counts below 1, and more threads than can run at once."""
    for harness in request.harnesses:
        if harness not in EVERY_HARNESS:
            raise BenchError(f"unknown harness {harness!r}: choose from {', '.join(EVERY_HARNESS)}.")
    for name in ("threads", "processes"):
        count = getattr(request, name)
        if count is not None and count < 1:
            raise BenchError(f"--{name} must be at least 1, got {count}.")
    if request.threads is not None:
        check_threads(request.threads, usable_cores(), "--threads")
    if request.counts is not None:
        if request.harnesses and not set(request.harnesses) & set(SCALING):
            raise BenchError(f"--counts is of the harnesses {', '.join(SCALING)}: add --harness, or leave it out.")
        read_counts(request.counts)


def _plan(
    request: RunRequest,
    choice: Choice,
    effort: Effort,
    counts: ScalingCounts,
    dataset: str,
    recipe: Recipe,
    optimizations: tuple[str, ...],
) -> list[PlannedCase]:
    """Return the cases of the run; raise BenchError for what cannot be planned here."""
    alone = counts.threads == (1,) and not request.harnesses  # one core has nothing to scale with
    shared: dict[str, Any] = {
        "harnesses": tuple(name for name in request.planned_harnesses if not (alone and name == "threads")),
        "stacks": tuple(choice.stacks),
        "dataset": dataset,
        "batch_size": recipe.batch_size,
        "num_epochs": recipe.num_epochs,
    }
    plan = make_plan(effort, threads=request.num_threads, optimizations=optimizations, **shared)
    plan += scaling_plan(effort, counts=counts, **shared)
    _check_plan(request.harnesses, plan)
    return plan


def _counts(request: RunRequest, choice: Choice, num_gpus: int) -> ScalingCounts:
    """Return the counts of the scaling harnesses; raise BenchError if more is asked for than there is."""
    asked = () if request.counts is None else read_counts(request.counts)
    counts = scaling_counts(asked, num_gpus=num_gpus)
    only_gpus = set(request.harnesses) == {"devices"} and all(stack.device != "cpu" for stack in choice.stacks)
    if not only_gpus:  # there may be more GPUs than threads can run
        check_threads(max(asked, default=1), counts.most_threads, "--counts")
    if "devices" in request.planned_harnesses:
        check_devices(counts, choice.stacks, asked)
    return counts.with_few_threads() if request.quick and not (asked or request.harnesses) else counts


def _recipe(request: RunRequest) -> Recipe:
    num_epochs = CANONICAL.num_epochs if request.epochs is None else request.epochs
    recipe = replace(CANONICAL, batch_size=request.batch_size, num_epochs=num_epochs)
    recipe.check_batch_fits(datasets.VALIDATION_EXAMPLES, "validation set")
    return recipe


def _choose(request: RunRequest) -> Choice:
    """Return the stacks to measure: none if only loading or ceilings are asked for, which need no compiler either."""
    named = request.backends, request.variants, request.devices
    if set(request.harnesses) in ({"data"}, {"ceilings"}) and not any(named):
        return Choice()
    return select_stacks(*named)


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


def _effort(request: RunRequest) -> Effort:
    effort = QUICK if request.quick else FULL
    if request.seeds is not None:
        effort = replace(effort, reference_seeds=read_seeds(request.seeds))
    if request.harnesses:
        effort = replace(effort, framework_ceilings=True)
    return effort if request.processes is None else effort.with_processes(request.processes)


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
        if any(planned.case.harness == "reference" for planned in planned_cases(folder.header.candidates)):
            raise BenchError(
                f"run {folder.path.name} has not chosen the stack of its reference run yet: resume it without --seeds, "
                f"then with them."
            )
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
