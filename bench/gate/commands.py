"""Modes of ``python -m bench gate``: comparing two sides and the others; each returns an exit code."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from bench.errors import BenchError
from bench.gate import emit, instructions, live, run_file
from bench.gate.baseline import against_record
from bench.gate.config import GateConfig
from bench.gate.error_rates import record_noise
from bench.gate.error_rates.calibrate import calibrate
from bench.gate.error_rates.calibration import calibration_sentence, latest_calibration
from bench.gate.options import MAIN, config_of, request_of
from bench.gate.processes.launch import SideError
from bench.gate.processes.session import opened
from bench.gate.report import GateReport, exit_code, failure_sentences, headline, nothing_measured, report_of
from bench.gate.run import context_of, measured_and_kept
from bench.machine import fingerprint
from bench.measure.git import state_of
from bench.measure.worker import PROJECT
from bench.records.fitness import hindrances
from bench.records.header import Environment
from bench.report.run.context import environment_notices

MODE_OPTIONS = {"trace": "--replay"}  # options whose name differs from that of their mode


def run(console: Console, **options: Any) -> int:
    """Run the mode that the options select; raise BenchError for conflicting options."""
    chosen = [mode for mode in MODES if options[mode]]
    if len(chosen) > 1:
        names = [MODE_OPTIONS.get(mode, f"--{mode.replace('_', '-')}") for mode in chosen]
        raise BenchError(f"{' and '.join(names)} exclude each other: give one of them.")
    emit.check_targets(options)
    config = config_of(options)
    try:
        return (MODES[chosen[0]] if chosen else compare)(console, config, options)
    except SideError as error:
        emit.write(nothing_measured(str(error), config.metrics()), options)
        raise


def compare(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """Compare two sides live."""
    request = request_of(options, config, default=MAIN)
    path = run_file.new_path(options["runs_dir"], state_of(PROJECT).commit)
    why_no_instructions = instructions.why_not(request.stack.device)
    with console.status("checking both sides and filling their compile caches") as status, opened(request) as session:
        context = context_of(session, config)
        if why_no_instructions is None:
            session.count_instructions = instructions.of_a_step
        outcome, where = measured_and_kept(session, config, path, status.update)
    advice = instructions.sentence(outcome.blocks, why_no_instructions)
    notices = environment_notices(Environment(dropped=tuple(context["environment"]["dropped"])))
    hindered = [f"This machine hinders measuring: {one.detail}." for one in hindrances(context["fitness"]["start"])]
    folders = [PROJECT / "results" / "calibration", options["runs_dir"] / "calibration"]
    rates = calibration_sentence(latest_calibration(fingerprint.folder_name(context["machine"]), folders))
    more = [*notices, *hindered, rates, advice, where]
    report = report_of(outcome, (session.base, session.candidate), config.undecided_passes, more, context)
    emit.emit(report, console, options)
    return report.exit_code


def again(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """Recompute the decision of a kept run from its turns."""
    context, metrics, blocks = run_file.read_run(options["again"])
    decision = live.rejudge(blocks, metrics)
    outcome = live.GateOutcome(decision, blocks, sum(block.seconds for block in blocks))
    sentences = [f"Judged again from {options['again']}; nothing was measured.", *failure_sentences(outcome)]
    code = exit_code(decision, config.undecided_passes)
    emit.emit(GateReport(headline(decision), tuple(sentences), decision.judgements, code, context), console, options)
    return code


MODES = {
    "baseline": against_record,
    "calibrate": calibrate,
    "trace": record_noise.replay_trace,
    "record_noise": record_noise.record,
    "again": again,
}
