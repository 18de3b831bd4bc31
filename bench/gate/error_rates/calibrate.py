"""Error rates of the gate on this machine: complete gate runs of the base against itself and against injections.

The rows are interleaved, one run of each before the second of any, so that an interrupted calibration covers all of
them; the file is rewritten after every run, and every run is kept like any other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import click
from rich.console import Console

from bench.errors import BenchError
from bench.gate import emit, run_file
from bench.gate.config import GateConfig
from bench.gate.error_rates.calibration import Calibration, CalibrationRow, calibration_sentence, write_calibration
from bench.gate.options import request_of
from bench.gate.processes.session import Session, opened
from bench.gate.report import Exit, exit_code, headline
from bench.gate.run import measured_and_kept
from bench.gate.verdict import Decision, Verdict
from bench.machine import fingerprint
from bench.measure.runner import now

DEFAULT_TRIALS = 2
SHOWN_BY = {  # kind of injection: the measures that it affects
    "seconds": frozenset(
        {"train_epoch", "train_epoch_running", "train_step_1", "train_step_100", "train_step", "end_to_end"}
    ),
    "bytes": frozenset({"peak_memory"}),
}


@dataclass(frozen=True)
class Row:
    """Row of a calibration: ``kind`` is ``seconds`` or ``bytes``, ``inject`` the factor on B (1.0: A against A)."""

    kind: str
    inject: float

    @property
    def label(self) -> str:
        if self.inject == 1:
            return "A against A"
        return f"{self.inject - 1:.0%} more {'time' if self.kind == 'seconds' else 'memory'}"

    @property
    def injected_into(self) -> frozenset[str]:
        """Measures that the injection makes worse."""
        return frozenset() if self.inject == 1 else SHOWN_BY[self.kind]


NOTHING = Row("seconds", 1.0)
ROWS = tuple(Row(kind, inject) for kind in SHOWN_BY for inject in (1.02, 1.05, 1.10, 1.20))


def calibrate(console: Console, config: GateConfig, options: dict[str, Any]) -> int:
    """Run the gate repeatedly on one side with and without injections; write and print the rates."""

    def gate_run(session: Session, row: Row) -> Decision:
        injected = session.injected(**{"seconds" if row.kind == "seconds" else "bytes_": row.inject - 1})
        run_path = run_file.new_path(options["runs_dir"], session.base.commit)
        outcome, _ = measured_and_kept(injected, config, run_path, status.update)
        return outcome.decision

    rows = rows_for(config.measures)
    request = request_of(options, config)
    request = replace(request, candidate=request.base, inject_seconds=0, inject_bytes=0)
    decisions: dict[Row, list[Decision]] = {row: [] for row in rows}
    started_at, facts, path = now(), fingerprint.fingerprint(), None
    with console.status("filling the compile cache") as status, opened(request) as session:
        for trial in range(options["trials"] or DEFAULT_TRIALS):
            for row in rows:
                decisions[row].append(gate_run(session, row))
                calibration = Calibration(
                    machine=fingerprint.folder_name(facts),
                    commit=session.base.commit,
                    date=started_at,
                    budget_seconds=config.budget_seconds,
                    rows=tuple(counted(one, decisions[one]) for one in rows if decisions[one]),
                    environment=_environment(session, config, facts),
                )
                path = write_calibration(options["runs_dir"] / "calibration", calibration, path)
                click.echo(f"run {trial + 1}, {row.label}: {headline(decisions[row][-1])}", err=True)
    if not emit.json_only(options["json_path"], json.loads(path.read_text(encoding="utf-8"))):
        console.print(calibration_sentence(calibration), markup=False, highlight=False)
        console.print(f"calibration: {path}", markup=False, highlight=False)
    return Exit.PASS


def rows_for(measures: tuple[str, ...]) -> tuple[Row, ...]:
    """Return the rows whose injection affects at least one of ``measures``; raise BenchError if there are none."""
    kinds = {kind for kind, shown_by in SHOWN_BY.items() if shown_by & set(measures)}
    if not kinds:
        able = ", ".join(sorted(frozenset().union(*SHOWN_BY.values())))
        raise BenchError(f"nothing can be injected into {', '.join(measures)}: judge one of {able}.")
    return (NOTHING, *(row for row in ROWS if row.kind in kinds))


def counted(row: Row, decisions: list[Decision]) -> CalibrationRow:
    """Count the runs that found the injection, called another metric regressed, or stayed undecided."""
    red = [
        {one.metric.name for one in decision.judgements if one.verdict is Verdict.REGRESSED} for decision in decisions
    ]
    return CalibrationRow(
        kind=row.kind,
        inject=row.inject,
        runs=len(decisions),
        found=sum(bool(names & row.injected_into) for names in red),
        false_alarms=sum(bool(names - row.injected_into) for names in red),
        undecided=sum(exit_code(decision, undecided_passes=False) is Exit.UNDECIDED for decision in decisions),
    )


def _environment(session: Session, config: GateConfig, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": facts,
        "stack": session.launcher.stack.label,
        "threads": session.launcher.threads,
        "dataset": session.primed.dataset["identity"],
        "metrics": list(config.measures),
        "packages": session.primed.packages,
        "dirty": session.base.dirty,
    }
