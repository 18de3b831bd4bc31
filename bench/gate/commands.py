"""What ``python -m bench gate`` can do: compare two sides, or one of the other questions; each ends in an exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.errors import BenchError, RecordError
from bench.gate import emit, instructions, kept, live
from bench.gate.block import Block
from bench.gate.config import GateConfig, parse_duration, read_config
from bench.gate.error_rates.calibration import calibration_sentence, latest_calibration
from bench.gate.processes.launch import SideError
from bench.gate.processes.session import Request, Session, opened, stack_of
from bench.gate.processes.sides import Side, Wanted
from bench.gate.report import GateReport, exit_code, failure_sentences, headline, nothing_measured, report_of
from bench.machine import fingerprint
from bench.measure.environment import dropped
from bench.measure.git import state_of
from bench.measure.runner import now
from bench.measure.worker import PROJECT
from bench.report.run.context import environment_notices

MAIN = "main"  # the base, unless somebody says a word about the sides
INJECTIONS = ("inject", "inject_memory")
MODES = ("baseline", "calibrate", "trace", "record_noise", "again")
MODE_OPTIONS = {"trace": "--replay"}  # where the option is not called as its mode


def run(console: Console, **options: Any) -> int:
    """Do what the options ask for; raises BenchError for options that do not go together."""
    chosen = [mode for mode in MODES if options[mode]]
    if len(chosen) > 1:
        names = [MODE_OPTIONS.get(mode, f"--{mode.replace('_', '-')}") for mode in chosen]
        raise BenchError(f"{' and '.join(names)} are different questions: ask one at a time.")
    emit.check_targets(options)
    config = config_of(options)
    try:
        return _mode(chosen[0] if chosen else "compare")(console, config, options)
    except SideError as error:
        emit.write(nothing_measured(str(error), config.metrics()), options)
        raise


def _mode(name: str) -> Callable[[Console, GateConfig, dict[str, Any]], int]:
    """The function of a mode, its module imported only now: a replay needs none of what measures."""
    if name in ("compare", "again"):
        return {"compare": compare, "again": again}[name]
    if name == "calibrate":
        from bench.gate.error_rates.calibrate import calibrate

        return calibrate
    if name == "baseline":
        from bench.gate.baseline import against_record

        return against_record
    from bench.gate.error_rates import record_noise

    return {"record_noise": record_noise.record, "trace": record_noise.replay_trace}[name]


def config_of(options: dict[str, Any]) -> GateConfig:
    """pyproject.toml's configuration, overruled by the command line."""
    config = read_config(PROJECT / "pyproject.toml")
    changes: dict[str, Any] = {}
    if options["budget"] is not None:
        changes["budget_seconds"] = parse_duration(options["budget"])
    if options["undecided"] is not None:
        changes["undecided_passes"] = options["undecided"] == "pass"
    config = GateConfig(**{**vars(config), **changes})
    return config.with_measures(options["metrics"]) if options["metrics"] else config


def request_of(options: dict[str, Any], config: GateConfig, default: str | None = None) -> Request:
    """Both sides and the stack; the base is revision ``default`` where no option says a word about the sides."""
    check_injections(options)
    if options["against"] and options["revision_a"]:
        raise BenchError("--against and --revision-a both name the base's revision: give one of them.")
    said = any(options[f"{what}_{side}"] for what in ("revision", "python", "env") for side in "ab")
    said = said or any(options[name] != 1 for name in INJECTIONS)
    revision = options["against"] or options["revision_a"] or (None if said else default)
    return Request(
        base=Wanted(revision, options["python_a"], options["env_a"]),
        candidate=Wanted(options["revision_b"], options["python_b"], options["env_b"]),
        stack=stack_of(options["backend"], options["variant"], options["device"]),
        measures=config.measures,
        data=options["data"],
        threads=options["threads"],
        inject_seconds=options["inject"] - 1,
        inject_bytes=options["inject_memory"] - 1,
        project=PROJECT,
    )


def check_injections(options: dict[str, Any]) -> None:
    for name in INJECTIONS:
        if not 1 <= options[name] < 10:
            raise BenchError(f"--{name.replace('_', '-')} is a factor from 1 to 10, e.g. 1.05, got {options[name]:g}.")


def compare(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """Two sides, live."""
    request = request_of(options, config, default=MAIN)
    path = kept.new_path(options["runs_dir"], state_of(PROJECT).commit)
    why_no_instructions = instructions.why_not(request.stack.device)
    with console.status("checking both sides and filling their compile caches") as status, opened(request) as session:
        context = context_of(session, config)
        if why_no_instructions is None:
            session.count_instructions = instructions.of_a_step
        outcome, where = measured_and_kept(session, config, path, status.update)
    advice = instructions.sentence(outcome.blocks, why_no_instructions)
    more = [*environment_notices(context), calibration_here(context, options["runs_dir"]), advice, where]
    report = report_of(outcome, (session.base, session.candidate), config.undecided_passes, more, context)
    emit.emit(report, console, options)
    return report.exit_code


def measured_and_kept(
    session: Session, config: GateConfig, path: Path, say: Callable[[str], None]
) -> tuple[live.Outcome, str]:
    """Run the gate; what it measured is kept at ``path``, even if somebody interrupts it.  Also a sentence on that.

    A file that cannot be written costs the file and not the verdict.
    """
    metrics, context, blocks = config.metrics(), context_of(session, config), []

    def measure(number: int, kind: str, roles: tuple[str, ...], measures: tuple[str, ...]) -> Block:
        say(f"measuring block {number + 1} ({kind})")
        blocks.append(session.measure(number, kind, roles, measures))
        return blocks[-1]

    def keep() -> str:
        try:
            written = kept.write_run(path, context, metrics, blocks)
        except RecordError as error:
            return f"What was measured could not be kept: {error}"
        return f"What was measured is kept in {written}."

    try:
        outcome = live.run(measure, metrics, config.budget_seconds, session.clock)
    except KeyboardInterrupt:
        if blocks:
            click.echo(keep(), err=True)
        raise
    return outcome, keep()


def calibration_here(context: dict[str, Any], runs_dir: Path) -> str:
    """How often this gate is wrong on this machine, by its latest calibration: committed, or measured here."""
    folders = [PROJECT / "results" / "calibration", runs_dir / "calibration"]
    return calibration_sentence(latest_calibration(fingerprint.folder_name(context["machine"]), folders))


def again(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """The decision of a kept run, made again from its turns."""
    context, metrics, blocks = kept.read_run(options["again"])
    decision = live.rejudge(blocks, metrics)
    outcome = live.Outcome(decision, blocks, sum(block.seconds for block in blocks))
    sentences = [f"Judged again from {options['again']}; nothing was measured.", *failure_sentences(outcome)]
    code = exit_code(decision, config.undecided_passes)
    emit.emit(GateReport(headline(decision), tuple(sentences), decision.judgements, code, context), console, options)
    return code


def context_of(session: Session, config: GateConfig) -> dict[str, Any]:
    """Who measured what, where: beside the numbers in every file."""
    return {
        "started_at": now(),
        "machine": fingerprint.fingerprint(),
        "stack": asdict(session.launcher.stack),
        "threads": session.launcher.threads,
        "budget_seconds": config.budget_seconds,
        "sides": {side.name: _side(side) for side in (session.base, session.candidate)},
        "dataset": session.primed.dataset,
        "recipe": session.primed.recipe,
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
