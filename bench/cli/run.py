"""``python -m bench run``: measure, then report."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from bench import __version__, cli
from bench.cli import candidates as completions
from bench.errors import BenchError, RecordError
from bench.measure.case import FULL, HARNESSES, QUICK, QUICK_HARNESSES, Effort, Planned, make_plan, more_seeds
from mlp.recipe import CANONICAL

NOT_MEASURED = ("data", "resume", "runs_dir", "as_json")  # options that say where and how, and not what


@click.command()
@click.option("--quick", is_flag=True, help="A first answer: two minutes, with a GPU four. Marked as such.")
@click.option("--data", type=cli.PATH, default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    help="Backend to measure, or all; repeat for several.",
    shell_complete=completions.backends,
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    help="Variant, e.g. scan or jax/scan, or all; repeat.",
    shell_complete=completions.variants,
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="cpu, cuda or cuda:<index>; repeat for several.",
    shell_complete=completions.devices,
)
@click.option(
    "--harness",
    "harnesses",
    multiple=True,
    help=f"One of {', '.join(HARNESSES)}; repeat. Default: all.",
    shell_complete=completions.harnesses,
)
@click.option("--threads", type=int, default=None, help="BLAS threads. Default: the usable cores.")
@click.option("--batch-size", type=int, default=CANONICAL.batch_size, show_default=True)
@click.option("--epochs", type=int, default=None, help="Epochs of the reference run. Default: 20.")
@click.option("--processes", type=int, default=None, help="Processes of each case of the harnesses epoch and ablation.")
@click.option(
    "--seeds",
    default=None,
    help="Seeds of the reference run: a count, or which, e.g. 6-15 or 7,9. Default: 5. With --resume: these, too.",
)
@click.option("--env", "settings", multiple=True, metavar="NAME=VALUE", help="Measure with this variable; repeat.")
@click.option(
    "--resume",
    default=None,
    metavar="ID",
    help="Go on with an earlier run: its id, or 'latest'.",
    shell_complete=completions.run_ids,
)
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON at the end; all else goes to stderr.")
@cli.one_sentence
def run(resume: str | None, runs_dir: Path, as_json: bool, **options: Any) -> None:
    """Measure: every case in fresh processes, interleaved; then write the report.

    Unless you choose, it measures what is there: Theano on the CPU, and on a machine with an NVIDIA GPU also JAX and
    PyTorch, on both devices.

    \b
    Examples:
      python -m bench run --quick
      python -m bench run --quick --backend all
      python -m bench run --backend jax --variant scan --device cuda
      python -m bench run --harness epoch --threads 1
      python -m bench run --resume latest
      python -m bench run --harness reference --variant tuned --seeds 6-15
      python -m bench run --quick --json > summary.json

    \b
    Exit codes:
      0    everything was measured
      1    something failed while measuring (the rest is on record), or a stack learns worse than the canonical one
      2    bad input; nothing was measured
      3    every process failed
      130  interrupted; what was measured is kept and reported
    """
    from bench.report.run.load import REMEDY, start_notice
    from bench.report.write import print_report, write_report

    folder, data = _reopen(runs_dir, resume, options) if resume else _begin(runs_dir, **options)
    cli.tell_environment(folder.header["environment"])
    console = cli.errors if as_json else cli.console
    console.print(f"run {folder.path.name}", highlight=False)
    if busy := start_notice(folder.header["machine"]):
        cli.warn(f"{busy} {REMEDY}")
    interrupted = False
    try:
        _measure(folder, *data, console)
    except KeyboardInterrupt:
        interrupted = True
        cli.errors.print(f"interrupted; what was measured is kept: make bench RESUME={folder.path.name} goes on")
    try:
        written = f"report: {write_report(folder.path)}, and report.html beside it"
    except RecordError as error:
        if as_json:  # it is read from what was written
            raise
        written = f"warning: {error}"
    print_report(folder.path, console)
    console.print(written, markup=False, highlight=False)
    if as_json:
        cli.write((folder.path / "summary.json").read_text(encoding="utf-8") + "\n")
    sys.exit(cli.INTERRUPTED if interrupted else _exit_code(folder))


def _measure(folder: Any, data_directory: Path, data_digest: str, console: cli.Console) -> None:
    from bench.measure.progress import RunProgress
    from bench.measure.runner import WorkerPool, execute, plan_of
    from bench.records import run_lock

    plan = [*plan_of(folder), *(Planned.from_json(entry) for entry in folder.header.get("candidates") or [])]
    quick = folder.header["mode"] == "quick"
    with (
        run_lock.held(folder.path),
        RunProgress(console) as progress,
        WorkerPool(plan, data_directory, quick, cli.warn, data_digest, _passed(folder.header)) as pool,
    ):
        execute(folder, pool.measure, progress)


def _passed(header: dict[str, Any]) -> dict[str, str]:
    return (header.get("environment") or {}).get("passed") or {}


def _begin(
    runs_dir: Path,
    *,
    quick: bool,
    data: Path | None,
    backends: tuple[str, ...],
    variants: tuple[str, ...],
    devices: tuple[str, ...],
    harnesses: tuple[str, ...],
    threads: int | None,
    batch_size: int,
    epochs: int | None,
    processes: int | None,
    seeds: str | None,
    settings: tuple[str, ...],
) -> tuple[Any, tuple[Path, str]]:
    """Check everything that can be checked before the first minute is spent, then open the record."""
    from bench.machine import fingerprint
    from bench.measure.choose import Choice, choose, leave_out_slow_starts
    from bench.measure.environment import check_fit_for_code, dropped, planning, read_passed
    from bench.measure.git import state_of
    from bench.measure.quick import HARNESSES_LEFT_OUT, budget_seconds, first_round
    from bench.measure.runner import new_run_id, now
    from bench.measure.worker import PROJECT
    from bench.records.run_folder import SCHEMA_VERSION, RunFolder
    from mlp.dataset import VALIDATION_EXAMPLES, identify, locate

    for harness in harnesses:
        if harness not in HARNESSES:
            raise BenchError(f"unknown harness {harness!r}: choose from {', '.join(HARNESSES)}.")
    _check_at_least_1(threads=threads, processes=processes)
    passed = read_passed(settings)
    effort = _effort(quick, processes, seeds, harnesses)
    num_epochs = CANONICAL.num_epochs if epochs is None else epochs
    recipe = replace(CANONICAL, batch_size=batch_size, num_epochs=num_epochs)
    recipe.check_batch_fits(VALIDATION_EXAMPLES, "validation set")
    only_data = set(harnesses) == {"data"} and not (backends or variants or devices)
    with planning(passed):
        choice = Choice() if only_data else choose(backends, variants, devices)  # loading needs no stack, no compiler
        levers, fingerprint = _usable_levers(), fingerprint.fingerprint() | {"blas": _blas()}
    named = backends or variants or devices or processes or seeds
    has_limit = quick and not named  # what is named is measured in full
    if has_limit:
        leave_out_slow_starts(choice)

    source = locate(data)
    identity = identify(source.directory)
    plan = make_plan(
        effort,
        harnesses=harnesses or (QUICK_HARNESSES if quick else HARNESSES),
        stacks=tuple(choice.stacks),
        threads=threads or fingerprint.usable_cores(),
        dataset=identity.name,
        levers=levers,
        batch_size=batch_size,
        num_epochs=num_epochs,
    )
    _check_planned(harnesses, plan)
    if any(planned.case.cache for planned in plan):
        check_fit_for_code()
    first, candidates = first_round(plan) if quick else (plan, [])
    state = state_of(PROJECT)
    cli.tell_state(state)
    header = {
        "schema_version": SCHEMA_VERSION,
        "mlp_bench": __version__,
        "run_id": new_run_id(state.commit),
        "started_at": now(),
        "finished_at": None,
        "status": "running",
        "mode": "quick" if quick else "full",
        "dataset": {"identity": identity.name, "origin": source.origin, "sha256": identity.sha256},
        "recipe": asdict(recipe),
        "commit": state.to_json(),
        "machine": fingerprint,
        "plan": [planned.to_json() for planned in first],
        "candidates": [planned.to_json() for planned in candidates],
        "budget_seconds": budget_seconds(planned.case for planned in plan) if has_limit else None,
        "options": _options_given(click.get_current_context()),
        "skipped": [asdict(skipped) for skipped in choice.skipped],
        "dropout_masks": {f"{stack.backend}/{stack.variant}": stack.masks for stack in choice.stacks if stack.masks},
        "environment": {"passed": passed, "dropped": dropped(passed=passed)},
        "left_out": [HARNESSES_LEFT_OUT] if quick and not harnesses else [],
    }
    return RunFolder.create(runs_dir, header), (source.directory, identity.digest)


def _options_given(context: click.Context) -> dict[str, list[str]]:
    """Each option that was given and says what to measure, with its values as texts; a switch has none."""
    given = {}
    for option in context.command.params:
        said = context.get_parameter_source(option.name) is not click.core.ParameterSource.DEFAULT
        if said and option.name not in NOT_MEASURED:
            value = context.params[option.name]
            values = value if isinstance(value, tuple) else () if option.is_flag else (value,)
            given[option.opts[0]] = [str(one) for one in values]
    return given


def _effort(quick: bool, processes: int | None, seeds: str | None, harnesses: tuple[str, ...]) -> Effort:
    effort = QUICK if quick else FULL
    effort = effort if seeds is None else effort.with_seeds(read_seeds(seeds))
    if harnesses:
        effort = effort.with_framework_ceilings()
    return effort if processes is None else effort.with_processes(processes)


MAX_SEEDS = 1000


def read_seeds(text: str) -> tuple[int, ...]:
    """``10`` is seeds 1 to 10; ``6-15`` and ``7,9`` name them.  Raises BenchError for anything else."""
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


def _usable_levers() -> tuple[str, ...]:
    """What theano/tuned uses on this machine, whatever the caller's shell leaves out."""
    from mlp.backends.theano.tuned.levers import lever_states

    return tuple(state.lever.name for state in lever_states(without="") if state.active)


def _check_planned(harnesses: tuple[str, ...], plan: list[Planned]) -> None:
    """Whoever names the ablation must hear why it is not measured before a minute is spent on the rest."""
    if "ablation" in harnesses and not any(planned.case.harness == "ablation" for planned in plan):
        raise BenchError(
            "the ablation cannot be planned: it compares theano/tuned with theano/as_published on cpu, so both must be "
            "among the chosen stacks, and with --quick it needs --processes."
        )


def _reopen(runs_dir: Path, resume: str, options: dict[str, Any]) -> tuple[Any, tuple[Path, str]]:
    """An earlier run, after checking that going on would not mix what cannot be compared."""
    from bench.machine import fingerprint
    from bench.measure.environment import check_fit_for_code, planning, read_passed
    from bench.measure.git import state_of
    from bench.measure.worker import PROJECT
    from bench.records.run_folder import RunFolder
    from mlp.dataset import identify, locate

    folder = RunFolder.open(cli.run_folder(resume, runs_dir))
    source = locate(options["data"])
    identity = identify(source.directory)
    header = folder.header
    with planning(_passed(header)):
        here = fingerprint.fingerprint()
    reasons = []
    if header["dataset"]["sha256"] != identity.sha256:
        reasons.append(f"its dataset is {header['dataset']['identity']}, here is {identity.name}")
    reasons += [
        f"its {name} is {header['machine'].get(name)}, here is {here[name]}"
        for name in ("cpu_model", "usable_cores", "python", "packages")
        if header["machine"].get(name) != here[name]
    ]
    commit = state_of(PROJECT).commit
    if header["commit"]["id"] != commit:
        reasons.append(f"it was measured at commit {header['commit']['id']}, this is {commit}")
    if options["settings"] and read_passed(options["settings"]) != _passed(header):
        reasons.append("it was measured with other variables than --env says")
    if reasons:
        raise BenchError(f"run {folder.path.name} cannot be resumed: {'; '.join(reasons)}. Start a new run instead.")
    if any(Planned.from_json(entry).case.cache for entry in header["plan"]):
        check_fit_for_code()
    _note_dropped(folder)
    if options["seeds"] is not None:
        _add_seeds(folder, read_seeds(options["seeds"]))
    return folder, (source.directory, identity.digest)


def _add_seeds(folder: Any, seeds: tuple[int, ...]) -> None:
    """Plan the reference runs of more seeds, and say so in the command that reproduces the run."""
    plan = [Planned.from_json(entry) for entry in folder.header["plan"]]
    if not any(planned.case.harness == "reference" for planned in plan):
        raise BenchError(f"run {folder.path.name} has no reference run to add seeds to: start a new run with --seeds.")
    plan += more_seeds(plan, seeds)
    changes: dict[str, Any] = {"plan": [planned.to_json() for planned in plan]}
    if "options" in folder.header:
        known = dict.fromkeys(planned.case.seed for planned in plan if planned.case.harness == "reference")
        changes["options"] = {**folder.header["options"], "--seeds": [",".join(map(str, known))]}
    folder.update_header(**changes)


def _note_dropped(folder: Any) -> None:
    """Add what is dropped now to what was when the run began."""
    from bench.measure.environment import dropped

    known = (folder.header.get("environment") or {}).get("dropped") or []
    passed = _passed(folder.header)
    names = list(dict.fromkeys([*known, *dropped(passed=passed)]))
    folder.update_header(environment={"passed": passed, "dropped": names})


def _blas() -> dict[str, Any]:
    from mlp.theano_compat.blas import choose_blas

    blas = choose_blas()
    return {"name": blas.name, "note": blas.note}


def _exit_code(folder: Any) -> int:
    from bench.records.frames import frames_of
    from bench.report.write import learns_worse

    states = [entry["status"] for entry in folder.replicates()]
    if "ok" not in states:
        return cli.NOTHING_MEASURED
    failed = "failed" in states or learns_worse(frames_of([folder]), folder.header)
    return cli.FAILED if failed else 0
