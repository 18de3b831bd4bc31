"""Noise traces: recording the noise of this machine with an unchanged program, and replaying gate runs from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.document.section import to_terminal
from bench.gate import emit
from bench.gate.block import Block
from bench.gate.config import GateConfig
from bench.gate.error_rates.noise_trace import TraceTurn, TraceWriter, check_new, read_trace
from bench.gate.error_rates.replay import replay, replay_section
from bench.gate.live import COMPARISON
from bench.gate.measures import MEASURES
from bench.gate.options import check_injections, request_of
from bench.gate.processes.session import opened
from bench.gate.report import Exit
from bench.machine import fingerprint
from bench.measure.runner import now
from bench.records import files
from bench.units import format_seconds

MEASURE = "train_epoch"  # most verdicts depend on its turns
DEFAULT_TRIALS = 2000


def record(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """Record blocks of one side against itself for the whole budget, one line per turn of the training epoch.

    The processes measure all metrics of a gate run, so that a block takes equally long.
    """
    request = request_of(options, config)
    request = replace(request, candidate=request.base, inject_seconds=0, inject_bytes=0)
    measures = tuple(dict.fromkeys((*config.measures, MEASURE)))
    path: Path = options["record_noise"]
    check_new(path)
    with console.status("filling the compile cache") as status, opened(request) as session:
        header = {
            "metric": MEASURE,
            "stack": request.stack.label,
            "threads": session.launcher.threads,
            "steps_per_turn": session.program.steps_per_turn,
            "turns_per_epoch": session.program.turns_per_epoch,
            "recorded_at": now(),
            "commit": session.base.commit,
            "dirty": session.base.dirty,
            "dataset": session.primed.dataset["identity"],
            "machine": fingerprint.fingerprint(),
        }
        start, num_blocks = session.clock(), 0
        with TraceWriter(path, header) as writer:
            while session.clock() - start < config.budget_seconds:
                status.update(f"block {num_blocks + 1}, {format_seconds(session.clock() - start)}")
                block = session.measure(num_blocks, "comparison", COMPARISON, measures)
                for turn in turns_of(block, num_blocks * len(COMPARISON), start, session.program.turns_per_epoch):
                    writer.append(turn)
                num_blocks += 1
    click.echo(f"{path}: {num_blocks} blocks of {len(COMPARISON)} processes", err=files.is_stdout(path))
    return Exit.PASS if num_blocks else Exit.NOTHING_MEASURED


def turns_of(block: Block, first_process: int, start_seconds: float, turns_per_epoch: int) -> list[TraceTurn]:
    """Return the lines of one block: seconds of each turn; processes are counted over the whole trace."""
    return [
        TraceTurn(
            t_start_seconds=round(turn.t_start_seconds - start_seconds, 6),
            side=block.slots[turn.slot].role,
            process=first_process + turn.slot,
            block=block.number,
            round=turn.round,
            seconds=round(turn.value / turns_per_epoch, 9),
            core_distance_ns=turn.core_distance_ns,
            scheduler=turn.scheduler,
        )
        for turn in block.turns
        if turn.measure == MEASURE and turn.value is not None
    ]


def replay_trace(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """Replay the gate on a recorded trace; print and write its rates."""
    check_injections(options)
    trace = read_trace(options["trace"])
    trials = options["trials"] or DEFAULT_TRIALS
    effect = next((one.effect for one in config.metrics() if one.name == MEASURE), MEASURES[MEASURE].effect)
    about = {"effect": effect, "num_metrics": len(config.measures), "budget_seconds": config.budget_seconds}
    found = replay(trace, options["inject"], trials, **about)
    section = replay_section([found])
    section.sentences += trace.problems
    content = {"trace": str(options["trace"]), "replays": [found.to_json()], "notes": section.sentences}
    if not emit.json_only(options["json_path"], content):
        to_terminal(f"{trials} gate runs replayed from {options['trace']}", [section], console)
    return Exit.PASS
