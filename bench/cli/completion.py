"""``python -m bench completion``: shell completion of ``mlp-bench``."""

from __future__ import annotations

import shutil

import click
from click.shell_completion import get_completion_class

from bench import cli

PROGRAM = "mlp-bench"  # console script of this project; the same as python -m bench
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@cli.one_sentence
def completion(shell: str) -> None:
    """Print the script that completes mlp-bench in SHELL: commands, options, run ids, backends, variants, harnesses.

    mlp-bench is the same as python -m bench, and is on PATH once the environment is activated.

    \b
    Examples:
      eval "$(mlp-bench completion bash)"     in ~/.bashrc
      eval "$(mlp-bench completion zsh)"      in ~/.zshrc, after compinit
      mlp-bench completion fish | source      in ~/.config/fish/config.fish

    \b
    Exit codes:
      0  the script was printed
      2  unknown shell
    """
    if shutil.which(PROGRAM) is None:
        cli.warn(f"{PROGRAM} is not on PATH, so there is nothing to complete yet: source .venv/bin/activate")
    complete = get_completion_class(shell)
    cli.write(complete(cli.main, {}, PROGRAM, cli.COMPLETE_VARIABLE).source())
