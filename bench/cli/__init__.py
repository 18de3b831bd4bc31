"""``python -m bench``: the commands, a file for each.  Each reads as: find out what is wanted, do it, say how it ended.

Exit codes: 0 fine; 1 something failed while measuring (the rest is on record), or a stack learns worse than the
canonical one; 2 bad input; 3 nothing was measured; 130 interrupted.  ``gate`` has one more: 4, undecided.
"""

from __future__ import annotations

import importlib
import sys
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.errors import BenchError
from mlp.errors import MlpError

FAILED, BAD_INPUT, NOTHING_MEASURED, INTERRUPTED = 1, 2, 3, 130
RUNS = Path("results/runs")
# In the order of ``--help``.  The command ``x`` is the function ``x`` of ``bench/cli/x.py``, loaded when it is called.
COMMANDS = ("run", "report", "gate", "readme", "doctor")

WIDE = 160  # columns where nobody's terminal sets a limit: logs and pipes scroll
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True, soft_wrap=True)


def one_sentence(command: Any) -> Any:
    """Turn an error made for the user into its sentence on stderr and exit code 2: never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (MlpError, BenchError) as error:
            errors.print(f"error: {error}", markup=False, highlight=False)
            sys.exit(BAD_INPUT)
        except KeyboardInterrupt:
            errors.print("interrupted", markup=False)
            sys.exit(INTERRUPTED)

    return wrapped


class Commands(click.Group):
    """The commands of ``COMMANDS``; a command's file is imported when it is called, or listed in ``--help``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"bench.cli.{cmd_name}"), cmd_name)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure neural-network training on one fully understood workload, and compare it with a 2016 reference."""
