"""Shell completion: candidates for run ids, backends, variants, devices, harnesses and formats.

Each is a ``shell_complete`` callback of click, see "Overriding Value Completion" in its documentation.  Errors give an
empty list without a message, which would disturb the line being typed.
"""

from __future__ import annotations

from pathlib import Path

import click

from bench import cli


def run_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the runs of ``--runs-dir``, the latest first."""
    runs_dir = Path(ctx.params.get("runs_dir") or cli.RUNS)
    found = sorted((path.parent.name for path in runs_dir.glob("*/run.json")), reverse=True)
    return [run_id for run_id in ("latest", *found) if run_id.startswith(incomplete)] if found else []


def backends(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from mlp.backends import names

    return [name for name in (*names(), "all") if name.startswith(incomplete)]


def variants(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return variants as ``backend/variant``, restricted to the chosen backends, if any."""
    from mlp.backends import load_usable, names

    chosen = [name for name in ctx.params.get("backends") or () if name in names()] or names()
    found = [f"{one.name}/{variant.name}" for one in load_usable(chosen)[0] for variant in one.variants]
    return [name for name in (*found, "all") if name.startswith(incomplete)]


def devices(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ("cpu", "cuda") if name.startswith(incomplete)]


def harnesses(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from bench.measure.case import EVERY_HARNESS

    return [name for name in EVERY_HARNESS if name.startswith(incomplete)]


def formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from bench.records.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]
