"""``python -m bench``: the commands, one file each.

Results go to stdout, everything else to stderr.  ``EXIT_CODES`` below is the one table of how a command can end.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console as RichConsole

from bench.advice import OF_CHECKOUT, PROGRAM
from bench.errors import BenchError
from bench.measure.signals import ends_on_signals, know_exit_codes
from bench.records import files
from bench.records.paths import absolute, settle
from bench.records.streams import never_fail, one_line, open_closed, to_nowhere
from bench.version import __version__
from mlp.errors import MlpError

if TYPE_CHECKING:
    from bench.measure.git import State
    from bench.records.header import Environment

Item = TypeVar("Item")

FAILED, BAD_INPUT, NOTHING_MEASURED, UNDECIDED, INTERRUPTED = 1, 2, 3, 4, 130
EXIT_CODES = {
    0: "success",
    FAILED: "a measurement failed (the rest is on record), a stack learns worse than the canonical one or does not "
    "conform, a requirement is missing, a host is an outlier, the gate saw a regression, or a bisection no step",
    BAD_INPUT: "bad input: one sentence on stderr says what, where, and what to do next",
    NOTHING_MEASURED: "nothing was measured",
    UNDECIDED: "the gate or a bisection could not decide",
    INTERRUPTED: "interrupted; the measurements are kept",
}
RUNS, RECORDS = Path("results/runs"), Path("results/records")
STDOUT = Path("-")  # as the value of an option that names a file
# In the order of ``--help``.  The command ``x`` is the function ``x`` of ``bench/cli/x.py``, imported lazily.
COMMANDS = ("run", "report", "gate", "bisect", "compare", "history", "board", "export", "profile", "doctor", "conform")
COMMANDS += ("fleet", "completion")

COMPLETE_VARIABLE = "_MLP_BENCH_COMPLETE"  # what click derives from the name mlp-bench
WIDE = 160  # columns without a terminal: logs and pipes scroll


class Console(RichConsole):
    """Console that survives a closed stdout: ``make bench | head`` shows some lines and still measures to the end.

    The same holds for a full disk.  Colours follow NO_COLOR, see no-color.org.
    """

    def on_broken_pipe(self) -> None:
        to_nowhere(self.file)
        self.quiet = True

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.on_broken_pipe()
            if not self.stderr:
                warn(f"stdout cannot be written ({error.strerror}), and what follows is not shown.")


class AbsolutePath(click.Path):
    """Path parameter, made absolute because measuring processes run in other folders; ``-`` stays stdout."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        return path if path == STDOUT else absolute(path)


PATH = AbsolutePath()


open_closed()
never_fail(sys.stdout, sys.stderr)
console = Console(soft_wrap=True, width=None if getattr(sys.stdout, "isatty", bool)() else WIDE)  # some lack it
errors = Console(stderr=True, soft_wrap=True)


def write(text: str) -> None:
    """Write ``text`` to stdout unchanged, for results that programs read."""
    files.write(files.STDOUT, text)


def write_json(value: Any) -> None:
    write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def progress(items: Sequence[Item], what: str) -> Iterable[Item]:
    """Iterate ``items`` with a transient progress bar on stderr, if that is a terminal."""
    from rich.progress import track

    return track(items, what, console=errors, transient=True, disable=not errors.is_terminal)


def warn(sentence: str) -> None:
    errors.print(f"warning: {one_line(sentence)}", markup=False, highlight=False)


def tell_error(error: BaseException) -> None:
    errors.print(f"error: {one_line(str(error))}", markup=False, highlight=False)


def warn_unknown_commit(state: State) -> None:
    """Warn if git cannot give the commit."""
    if state.reason:
        warn(f"the commit is not on record: {state.reason}")


def warn_dropped(environment: Environment) -> None:
    """Warn of variables of the caller that are not passed to the measured processes."""
    if environment.dropped:
        names = ", ".join(environment.dropped)
        warn(f"set here, and not passed to the measured processes: {names} (--env NAME=VALUE passes one on purpose)")


def run_folder(word: str | None, runs_dir: Path) -> Path:
    """Return the folder of a run named by its folder, its id in ``runs_dir`` or its record; default: the latest."""
    from bench.records.find import find_run

    return find_run(word, runs_dir, RECORDS)


def one_sentence(command: Any) -> Any:
    """Print a user-facing error as one sentence on stderr without a traceback, and exit with code 2.

    A signal that ends the command first ends its processes and removes its scratch folders.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            with ends_on_signals():
                return command(*args, **kwargs)
        except (MlpError, BenchError) as error:
            tell_error(error)
            sys.exit(BAD_INPUT)
        except KeyboardInterrupt:
            errors.print("interrupted", markup=False)
            sys.exit(INTERRUPTED)

    return wrapped


class Commands(click.Group):
    """Lazily imported commands of ``COMMANDS``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return _as_called(getattr(importlib.import_module(f"bench.cli.{cmd_name}"), cmd_name))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Raise UsageError for an unknown command, which names the one that was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            if close := get_close_matches(args[0], COMMANDS, n=1):
                error.message += f" Did you mean '{close[0]}'?"
            raise

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Report the failed import of a package anywhere below as a sentence, and exit with code 2."""
        _check_current_folder()
        try:
            return super().main(*args, **kwargs)
        except ImportError as error:
            if (error.name or "").partition(".")[0] in ("bench", "mlp"):
                raise
            from bench.measure.environment import hint
            from bench.measure.process import why_not_imported

            errors.print(f"error: {hint(why_not_imported(error), {})}", markup=False, highlight=False)
            sys.exit(BAD_INPUT)


def _as_called(command: click.Command) -> click.Command:
    """Name commands in the help of ``command`` as they are called here: ``mlp-bench run`` in an installation."""
    command.help = (command.help or "").replace(OF_CHECKOUT, PROGRAM)
    return command


def _check_current_folder() -> None:
    """Exit with one sentence if the current folder is gone: no relative path could be made absolute."""
    try:
        os.getcwd()
    except OSError as error:
        errors.print(f"error: the current folder is gone ({error.strerror}): change to another one.", markup=False)
        sys.exit(BAD_INPUT)


EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())


@click.command(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlp-bench")
def main() -> None:
    """Measure neural-network training on one fully understood workload, and compare it with a 2016 reference.

    \b
    Examples:
      python -m bench run --quick
      python -m bench report --json | jq .ranking
      python -m bench export latest --format pytest-benchmark
      python -m bench run --help
    """
    settle(os.environ)
    know_exit_codes()


_as_called(main)
