"""``python -m bench profile``: time of training, evaluation and compilation by operation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import cli
from bench.cli.candidates import run_ids
from bench.errors import BenchError, RecordError
from bench.records import files
from mlp.recipe import CANONICAL

if TYPE_CHECKING:
    from bench.measure.case import Stack
    from bench.records.profile import Profile
    from bench.records.run_folder import RunFolder
    from mlp.dataset import Identity

PROFILES = Path("results/profiles")
DEFAULT_BACKEND = "theano"


@click.command()
@click.option("--backend", "backends", multiple=True, help=f"Backend to profile; repeat. Default: {DEFAULT_BACKEND}.")
@click.option("--variant", "variants", multiple=True, help="Variant, e.g. tuned or jax/scan; repeat.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:<index>.")
@click.option("--data", type=cli.PATH, default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--steps", type=click.IntRange(min=1), default=20, show_default=True, help="Calls in each timed round.")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True, help="Plain and profiled rounds.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="BLAS threads. Default: the usable cores.")
@click.option("--batch-size", type=int, default=CANONICAL.batch_size, show_default=True, help="Examples per minibatch.")
@click.option("--env", "settings", multiple=True, metavar="NAME=VALUE", help="Profile with this variable; repeat.")
@click.option("--ceilings/--no-ceilings", default=True, help="Measure ceilings and loading, too (20 s more each).")
@click.option("--diff", "compared", nargs=2, type=cli.PATH, default=None, help="Compare two profiles.")
@click.option(
    "--run", "run_id", default=None, shell_complete=run_ids, help="Explain this run: id, folder, record or latest."
)
@click.option("--runs-dir", type=cli.PATH, default=cli.RUNS, show_default=True, help="Folder of the runs.")
@click.option("--output", type=cli.PATH, default=None, help=f"Default: {PROFILES}, or the run's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the profiles as JSON instead.")
@cli.one_sentence
def profile(
    output: Path | None,
    run_id: str | None,
    runs_dir: Path,
    as_json: bool,
    compared: tuple[Path, Path] | None,
    **options: Any,
) -> None:
    """Profile stacks down to the operation: a training step, an evaluation, and compilation, cold and warm.

    Each stack is profiled in fresh processes, plain and profiled steps in turn, which gives the profiling overhead.
    A profile is written to OUTPUT/<id>/<stack>/: profile.json, operations.csv, findings.csv, trace.json (opens in
    ui.perfetto.dev), roofline.svg, and flame_graph.html of the driver.  With --run it goes to profiles/<stack>/ in the
    run's folder, and into the run's report; a run of another machine, data, recipe or commit is refused.  --diff
    measures nothing: it compares two such folders, operation by operation.

    \b
    Examples:
      python -m bench profile
      python -m bench profile --backend theano --variant as_published
      python -m bench profile --backend jax --backend torch --steps 50
      python -m bench profile --run latest --variant tuned
      python -m bench profile --diff PROFILES/theano-as_published-cpu PROFILES/theano-tuned-cpu

    \b
    Exit codes: 0 complete; 1 incomplete, as stated in the profile; 2 bad input; 130 interrupted, the measurements so
    far are written.
    """
    if run_id and (output or compared):
        raise BenchError("--run says where the profiles go, so leave out --output; and --diff measures none.")
    if output is not None and files.is_stdout(output):
        raise BenchError("a profile is a folder of files: name one with --output.")
    if compared:
        _show_diff(*compared, as_json)
        return
    from bench.records.run_folder import RunFolder

    run = RunFolder.open(cli.run_folder(run_id, runs_dir)) if run_id else None
    if run is not None:
        files.check({"--run": run.path / "profile"})
    made, interrupted = _profile_all(run, output or PROFILES, as_json, options)
    if as_json:
        cli.write_json([asdict(one) for one in made])
    if interrupted:
        sys.exit(cli.INTERRUPTED)
    sys.exit(0 if all(one.complete for one in made) else cli.FAILED)


def _profile_all(
    run: RunFolder | None, output: Path, as_json: bool, options: dict[str, Any]
) -> tuple[list[Profile], bool]:
    """Return the profiles, and True if interrupted.  The report of ``run`` is written in any case."""
    made: list[Profile] = []
    interrupted = False
    try:
        for one, folder in _profiles(run, output, **options):
            made.append(one)
            if not as_json:
                _show(one, folder)
    except KeyboardInterrupt:
        interrupted = True
        kept = run.path if run else output
        cli.errors.print(f"interrupted; what was profiled until then is kept in {kept}", markup=False)
    except BenchError:
        if run is not None and made:
            _report(run)
        raise
    if run is not None:
        _report(run)
    return made, interrupted


def _profiles(
    run: RunFolder | None, output: Path, *, steps: int, rounds: int, ceilings: bool, **chosen: Any
) -> Iterator[tuple[Profile, Path]]:
    """Check all input before measuring, then profile one stack after another."""
    from bench.measure.profiling.driver import folder_name
    from bench.report.run.profiles import FOLDER

    stacks, new_profile, (directory, dataset) = _prepared(**chosen)
    profile_id = None
    for stack in stacks:
        started = new_profile(stack, profile_id=profile_id)
        if run is not None and profile_id is None:
            _check_explains(run, started, dataset.sha256)
        if run is None and profile_id is None:  # two profiles started in the same second must not share a folder
            made = files.new_folder(output / started.profile_id, "name another with --output")
            started = replace(started, profile_id=made.name)
        profile_id = started.profile_id
        folder = (run.path / FOLDER if run else output / profile_id) / folder_name(started)
        if run is not None and _is_complete(folder):
            _not_profiled(stack.label, f"the run has its profile. Remove {folder} to make it again")
            continue
        cli.errors.print(f"profiling {stack.label}", markup=False, highlight=False)
        effort = {"num_calls": steps, "num_rounds": rounds}
        yield _profile(stack, started, folder, (directory, dataset.digest), ceilings, **effort), folder


def _prepared(
    *,
    backends: tuple[str, ...],
    variants: tuple[str, ...],
    device: str,
    data: Path | None,
    threads: int | None,
    batch_size: int,
    settings: tuple[str, ...],
) -> tuple[list[Stack], Callable[..., Profile], tuple[Path, Identity]]:
    """Check the options; return the stacks, a function that starts the profile of one, and the data."""
    from bench.machine.fingerprint import usable_cores
    from bench.measure.choose import select_stacks
    from bench.measure.environment import check_fit_for_code, dropped, planning, read_passed
    from bench.measure.git import state_of
    from bench.measure.process import PROJECT
    from bench.measure.profiling.driver import new_profile
    from bench.records.header import Environment
    from mlp.dataset import VALIDATION_EXAMPLES, identify, locate

    recipe = replace(CANONICAL, batch_size=batch_size)
    recipe.check_batch_fits(VALIDATION_EXAMPLES, "validation set")
    passed = read_passed(settings)
    with planning(passed):
        choice = select_stacks(backends or (DEFAULT_BACKEND,), variants, (device,))
    if any(stack.caches_code for stack in choice.stacks):
        check_fit_for_code()
    environment = Environment(passed, tuple(dropped(passed=passed)))
    cli.warn_dropped(environment)
    for skipped in choice.skipped:
        _not_profiled(skipped.what, f"{skipped.reason}. {skipped.remedy}")
    directory = locate(data).directory
    dataset = identify(directory)
    cli.warn_unknown_commit(state_of(PROJECT))
    about = {"threads": threads or usable_cores(), "dataset": dataset.name, "environment": environment}
    return choice.stacks, partial(new_profile, recipe=recipe, **about), (directory, dataset)


def _not_profiled(what: str, why: str) -> None:
    cli.errors.print(f"not profiled: {what}: {why}", markup=False, highlight=False)


def _check_explains(run: RunFolder, started: Profile, sha256: dict[str, str]) -> None:
    """Raise BenchError before measuring if a profile made here would not explain ``run``."""
    from bench.report.profile.explains import reasons_against

    reasons = reasons_against(run.header, started, sha256)
    if reasons:
        raise BenchError(
            f"run {run.path.name} would not be explained by a profile made here: {'; '.join(reasons)}. Measure a run "
            "here first, or leave out --run."
        )


def _is_complete(folder: Path) -> bool:
    """Return True if ``folder`` has a complete profile; interrupted or damaged ones are measured again."""
    from bench.records.profile_file import load

    try:
        return load(folder).complete
    except RecordError:
        return False


def _profile(
    stack: Stack, started: Profile, folder: Path, data: tuple[Path, str], ceilings: bool, **effort: int
) -> Profile:
    """Profile one stack, with its ceilings measured before and after it; save partial results if interrupted."""
    from bench.measure.profiling.context import ContextRun
    from bench.measure.profiling.driver import collect
    from bench.records.profile_file import FILE_NAME, load
    from bench.report.profile.outputs import write_outputs

    with ContextRun(stack, started, *data) if ceilings else nullcontext() as aside:
        try:
            if aside is not None:
                aside.measure()
            one = collect(started, folder, *data, caches_code=stack.caches_code, **effort)
            if aside is not None:
                aside.measure()
                one = aside.added_to(one)
        except KeyboardInterrupt:
            if (folder / FILE_NAME).exists():
                write_outputs(load(folder), folder)
                cli.errors.print(f"interrupted; what was measured is in {folder}", markup=False, highlight=False)
            raise
    return write_outputs(one, folder)


def _show_diff(before: Path, after: Path, as_json: bool) -> None:
    from bench.document.section import to_terminal
    from bench.records.profile_file import load
    from bench.report.profile.diff import diff, first_line, sections

    found = diff(load(before), load(after))
    if as_json:
        for note in found.notes:
            cli.warn(note)
        cli.write(found.frame().to_json(orient="records", indent=1) + "\n")
        return
    to_terminal(first_line(found), sections(found), cli.console)


def _show(one: Profile, folder: Path) -> None:
    from bench.document.section import to_terminal
    from bench.report.profile.sections import first_line, sections

    to_terminal(first_line(one), sections(one), cli.console)
    cli.console.print(f"\nprofile: {folder}\n", markup=False, highlight=False)


def _report(run: RunFolder) -> None:
    """Rewrite the report of ``run`` with its profiles."""
    from bench.report.write import write_report

    cli.errors.print(f"report: {write_report(run.path)}, and report.html beside it", markup=False, highlight=False)
