"""One live run of the gate: measured, judged, and kept even if it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench.errors import RecordError
from bench.gate import live, run_file
from bench.gate.block import Block
from bench.gate.config import GateConfig
from bench.gate.processes.session import Session
from bench.gate.processes.sides import Side
from bench.machine import fingerprint
from bench.machine.fitness import fitness_now
from bench.measure.environment import dropped
from bench.measure.runner import now


def measured_and_kept(
    session: Session, config: GateConfig, path: Path, say: Callable[[str], None]
) -> tuple[live.GateOutcome, str]:
    """Run the gate and save its measurements at ``path``, also if it is cut short; return a sentence on that, too.

    A write error is reported in the sentence and does not affect the verdict.
    """
    metrics, context, blocks = config.metrics(), context_of(session, config), []

    def measure(number: int, kind: str, roles: tuple[str, ...], measures: tuple[str, ...]) -> Block:
        say(f"measuring block {number + 1} ({kind})")
        blocks.append(session.measure(number, kind, roles, measures))
        return blocks[-1]

    def keep() -> str:
        try:
            written = run_file.write_run(path, context, metrics, blocks)
        except RecordError as error:
            return f"What was measured could not be kept: {error}"
        return f"What was measured is kept in {written}."

    try:
        outcome = live.run(measure, metrics, config.budget_seconds, session.clock)
    except BaseException:  # an interruption or, e.g., a full disk
        if blocks:
            click.echo(keep(), err=True)
        raise
    return outcome, keep()


def context_of(session: Session, config: GateConfig) -> dict[str, Any]:
    """Return the metadata written to every file: start time, machine, stack, sides, dataset, recipe, environment."""
    return {
        "started_at": now(),
        "machine": fingerprint.fingerprint(),
        "fitness": {"start": fitness_now()},
        "stack": asdict(session.launcher.stack),
        "threads": session.launcher.threads,
        "budget_seconds": config.budget_seconds,
        "sides": {side.name: _side(side) for side in (session.base, session.candidate)},
        "dataset": session.primed.dataset,
        "recipe": session.primed.recipe,
        "tuning": session.primed.tuning,
        "environment": {"dropped": dropped()},
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "label": side.label,
        "revision": side.revision,
        "commit": side.commit,
        "dirty": side.dirty,
        "variables": dict(side.variables),
        "injected_slowdown": side.slowdown,
        "injected_bytes": side.held_bytes,
    }
