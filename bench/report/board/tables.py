"""Data of the board's views as flat rows, the same for CSV and JSON; beside a missing value stands its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.records import csv_cells
from bench.report.board.changes import changes_of
from bench.report.board.machines import BoardMachine
from bench.report.board.record import BoardRecord, StackResult
from bench.report.board.rows import BoardRow, PlacedRank
from bench.report.run.copies import HARNESS as COPIES
from bench.report.run.copies import copy_rows
from bench.report.run.devices import HARNESS as DEVICES
from bench.report.run.devices import device_rows
from bench.report.run.threads import HARNESS as THREADS
from bench.report.run.threads_sections import thread_rows
from bench.roofline.ceilings import HARNESS as CEILINGS

Row = dict[str, Any]


def to_csv(rows: Sequence[Row]) -> str:
    """Return a header and the rows, which have equal fields; without rows nothing."""
    return csv_cells.to_csv(list(rows[0]), [list(row.values()) for row in rows]) if rows else ""


def ranking_row(row: BoardRow) -> Row:
    runs = row.runs
    record, result, total = runs.record, runs.result, runs.total
    return {
        **_rank("rank", row.rank),
        **_rank("hardware_rank", row.hardware_rank),
        "machine": runs.machine.label,
        "machine_address": runs.machine.address,
        **runs.stack._asdict(),
        "comparison_key": result.comparison_key.value,
        "comparison_key_missing_because": result.comparison_key.missing_because,
        "canonical": result.not_canonical_because is None,
        "not_canonical_because": result.not_canonical_because,
        "num_epochs": result.num_epochs,
        "seconds": total.center,
        "low_seconds": total.low,
        "high_seconds": total.high,
        "interval_missing_because": None if total.low is not None else f"{runs.measured} only",
        "over": "runs" if runs.is_over_runs else "processes",
        "num_values": len(runs.values),
        "num_runs": len(runs.runs),
        **_accuracy(result),
        **_fitness(record),
        **_origin(record),
        "oldest_started_at": runs.runs[0][0].started_at,
        "notes": "; ".join(record.notes) or None,
    }


def _rank(name: str, placed: PlacedRank) -> Row:
    rank = placed.rank
    return {
        name: None if rank is None else rank.number,
        f"{name}_shared": None if rank is None else rank.shared,
        f"{name}_missing_because": placed.missing_because,
    }


def _accuracy(result: StackResult) -> Row:
    return {
        "mean_test_accuracy": result.mean_test_accuracy,
        "agrees_with_published": result.agrees,
        "learning": None if result.learning is None else result.learning.value,
        "is_reference_of_learning": result.stack.is_canonical,
    }


def _fitness(record: BoardRecord) -> Row:
    return {"fitness": record.fitness.value, "fitness_missing_because": record.fitness.missing_because}


def _origin(record: BoardRecord) -> Row:
    return {
        "run_id": record.run_id,
        "started_at": record.started_at,
        "commit": record.commit,
        "uncommitted_changes": record.uncommitted_changes,
        "verified_here": record.verified_here,
        "record": record.source,
    }


def run_rows(machine: BoardMachine) -> list[Row]:
    """Return the runs of a machine, oldest first, with the facts that changed since the run before."""
    changes = changes_of([record.facts for record in machine.records])
    return [
        {
            **_origin(record),
            "mode": record.mode,
            "status": record.status,
            **_fitness(record),
            "stacks": "; ".join(result.stack.name for result in record.results) or None,
            "changes": "; ".join(changed) or None,
            "notes": "; ".join(record.notes) or None,
        }
        for record, changed in zip(machine.records, changes, strict=True)
    ]


def phase_rows(rows: Sequence[BoardRow]) -> list[Row]:
    """Return the median phases of the newest run of each stack; ``rest`` is in none, ``import`` outside the clock."""
    found = []
    for row in rows:
        phases, origin = row.runs.result.phases, {"run_id": row.runs.record.run_id}
        parts = {**phases.seconds_by_phase, "rest": phases.rest_seconds, "total": phases.total_seconds}
        parts["import"] = phases.import_seconds
        named = {**row.runs.stack._asdict(), **origin}
        found += [{**named, "part": part, "seconds": seconds} for part, seconds in parts.items()]
    return found


def history_rows(rows: Sequence[BoardRow]) -> list[Row]:
    """Return the reference clock of every run of a machine, with the step that begins there."""
    found = []
    for row in rows:
        series = row.runs.series
        steps = {step.index: step.ratio for step in series.trend.steps}
        for number, (record, result) in enumerate(row.runs.runs):
            named = {**row.runs.stack._asdict(), "comparison_key": result.comparison_key.value}
            origin = {"run_id": record.run_id, "started_at": record.started_at, "commit": record.commit}
            total = {"seconds": result.total.center, "low_seconds": result.total.low, "high_seconds": result.total.high}
            more = {"num_processes": result.total.num_processes, "step_ratio": steps.get(number)}
            found.append({**named, **origin, **total, **more})
    return found


def ceiling_data(machine: BoardMachine) -> list[Row]:
    """Return the ceilings of the newest run that measured any, one row for each engine."""
    return [
        {"run_id": machine.newest_with(CEILINGS).run_id, "device": device, "threads": ceilings.threads, **measured}
        for device, ceilings in machine.ceilings.items()
        for measured in ceilings.to_json()["measured"]
    ]


def scaling_data(machine: BoardMachine) -> dict[str, list[Row]]:
    """Return {harness: its rows} of the scaling harnesses, each from the newest run that measured it."""
    found = {
        THREADS: thread_rows(machine.thread_scalings),
        COPIES: copy_rows(machine.copy_scalings),
        DEVICES: device_rows(machine.device_points),
    }
    return {
        harness: [{"run_id": machine.newest_with(harness).run_id, **row} for row in rows]
        for harness, rows in found.items()
    }


def machine_row(machine: BoardMachine) -> Row:
    return {
        "machine": machine.label,
        "machine_address": machine.address,
        "num_records": len(machine.records),
        "oldest_started_at": machine.records[0].started_at,
        "newest_started_at": machine.newest.started_at,
        "newest_record": machine.newest.source,
        **_fitness(machine.newest),
    }
