"""``python -m bench profile``: where the time goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import cli
from mlp.recipe import CANONICAL

if TYPE_CHECKING:
    from bench.case import Stack
    from bench.profile.operations import Profile

PROFILES = Path("results/profiles")
DEFAULT_BACKEND = "theano"


@click.command()
@click.option("--backend", "backends", multiple=True, help=f"Backend to profile; repeat. Default: {DEFAULT_BACKEND}.")
@click.option("--variant", "variants", multiple=True, help="Variant, e.g. tuned or jax/scan; repeat.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:<index>.")
@click.option("--data", default=None, help="Directory with the four MNIST files (or set MNIST_DIR).")
@click.option("--steps", type=click.IntRange(min=1), default=20, show_default=True, help="Calls in each timed round.")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True, help="Plain and profiled rounds.")
@click.option("--threads", type=click.IntRange(min=1), default=None, help="BLAS threads. Default: the usable cores.")
@click.option("--batch-size", type=int, default=CANONICAL.batch_size, show_default=True)
@click.option("--ceilings/--no-ceilings", default=True, help="Measure ceilings and loading, too (20 s more each).")
@click.option(
    "--diff", "compared", nargs=2, type=click.Path(path_type=Path), default=None, help="Compare two profiles."
)
@click.option("--output", type=click.Path(path_type=Path), default=PROFILES, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the profiles as JSON instead.")
@cli.one_sentence
def profile(output: Path, as_json: bool, compared: tuple[Path, Path] | None, **options: Any) -> None:
    """Profile stacks down to the operation: a training step, an evaluation, and compilation, cold and warm.

    Each stack is profiled in fresh processes, plain and profiled steps in turn, so that what profiling costs is known.
    A profile is written to OUTPUT/<id>/<stack>/: profile.json, operations.csv, findings.csv, trace.json (opens in
    ui.perfetto.dev), roofline.svg, and flame_graph.html of the driver.  --diff measures nothing: it compares two such
    folders, operation by operation.

    \b
    Examples:
      python -m bench profile
      python -m bench profile --backend theano --variant as_published
      python -m bench profile --backend jax --backend torch --steps 50
      python -m bench profile --diff PROFILES/theano-as_published-cpu PROFILES/theano-tuned-cpu

    \b
    Exit codes: 0 complete; 1 something is missing, and the profile says what; 2 bad input; 130 interrupted, and what
    was measured until then is written.
    """
    if compared:
        _show_diff(*compared, as_json)
        return
    made: list[Profile] = []
    interrupted = False
    try:
        for one in _profiles(output, **options):
            made.append(one)
            if not as_json:
                _show(one, output)
    except KeyboardInterrupt:
        interrupted = True
        cli.errors.print(f"interrupted; what was profiled until then is kept in {output}", markup=False)
    if as_json:
        cli.write_json([asdict(one) for one in made])
    if interrupted:
        sys.exit(cli.INTERRUPTED)
    sys.exit(0 if all(one.complete for one in made) else cli.FAILED)


def _profiles(
    output: Path,
    *,
    backends: tuple[str, ...],
    variants: tuple[str, ...],
    device: str,
    data: str | None,
    steps: int,
    rounds: int,
    threads: int | None,
    batch_size: int,
    ceilings: bool,
) -> Iterator[Profile]:
    """Check everything that can be checked before the first minute is spent, then profile one stack after another."""
    from bench.machine import usable_cores
    from bench.profile.collect.driver import new_profile
    from bench.stacks import choose
    from mlp.dataset import VALIDATION_EXAMPLES, identify, locate

    recipe = replace(CANONICAL, batch_size=batch_size)
    recipe.check_batch_fits(VALIDATION_EXAMPLES, "validation set")
    choice = choose(backends or (DEFAULT_BACKEND,), variants, (device,))
    for skipped in choice.skipped:
        cli.errors.print(f"not profiled: {skipped.what}: {skipped.reason}. {skipped.remedy}", markup=False)
    source = locate(data)
    dataset = identify(source.directory).name
    profile_id = None
    for stack in choice.stacks:
        started = new_profile(stack, recipe, threads=threads or usable_cores(), dataset=dataset, profile_id=profile_id)
        profile_id = started.profile_id
        cli.errors.print(f"profiling {stack.label}", markup=False, highlight=False)
        yield _profile(stack, started, output, source.directory, ceilings, num_calls=steps, num_rounds=rounds)


def _profile(
    stack: Stack, started: Profile, output: Path, data_directory: Path, ceilings: bool, **effort: int
) -> Profile:
    """One stack, with its ceilings measured before and after it.  An interruption leaves what was measured until then,
    and goes on to the caller."""
    from bench.profile.collect.aside import Aside
    from bench.profile.collect.driver import collect, folder_of
    from bench.profile.outputs import write_outputs
    from bench.profile.storage import FILE_NAME, load

    folder = folder_of(started, output)
    with Aside(stack, started, data_directory) if ceilings else nullcontext() as aside:
        try:
            if aside is not None:
                aside.measure()
            one = collect(started, folder, data_directory, caches_code=stack.caches_code, **effort)
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
    from bench.profile.diff import diff, first_line, sections
    from bench.profile.storage import load
    from bench.render import to_terminal

    found = diff(load(before), load(after))
    if as_json:
        cli.write(found.frame().to_json(orient="records", indent=1) + "\n")
        return
    to_terminal(first_line(found), sections(found), cli.console)


def _show(one: Profile, output: Path) -> None:
    from bench.profile.collect.driver import folder_of
    from bench.profile.table import first_line, sections
    from bench.render import to_terminal

    to_terminal(first_line(one), sections(one), cli.console)
    cli.console.print(f"\nprofile: {folder_of(one, output)}\n", markup=False, highlight=False)
