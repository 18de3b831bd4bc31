"""What the tuning of Theano is worth, lever by lever, and how far a step is from its eight matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from bench import stats
from bench.frames import Frames
from bench.render import Section
from bench.report.tables import ABLATION, interval_sentences, ratio_cells
from bench.samples import estimate_of, rounds_of
from bench.stack_key import groups
from bench.units import MISSING, format_interval, format_number, format_range, format_seconds

MEASUREMENTS = ("mean_train_step", "eight_products")


class RowKey(NamedTuple):
    """The columns of a case that tell the rows apart; no variant means the eight products alone."""

    variant: str | None
    without: str | None

    @property
    def name(self) -> str:
        if self.variant is None:
            return "eight products"
        return self.variant if self.without is None else f"without {self.without}"


TUNED, PUBLISHED, PRODUCTS = RowKey("tuned", None), RowKey("as_published", None), RowKey(None, None)


@dataclass(frozen=True)
class AblationRow:
    """One row; ``num_planned`` is None where the record plans no process of it, ``step`` where none measured it.

    ``time_ratio`` says how many times as long as that of ``tuned`` a step takes, over interleaved pairs; None for
    ``tuned`` itself, and where no round measured both.
    """

    name: str
    num_planned: int | None
    step: stats.Estimate | None
    time_ratio: stats.Ratio | None


@dataclass(frozen=True)
class Ablation:
    """All rows, and how many times as long as two of them a step of ``tuned`` takes; None where no round has both."""

    rows: list[AblationRow]
    tuned_to_products: stats.Ratio | None
    tuned_to_published: stats.Ratio | None


def ablation_rows(frames: Frames) -> dict[RowKey, pd.DataFrame]:
    """The samples of every row that was measured."""
    of_steps = (frames.samples["harness"] == ABLATION) & frames.samples["measurement"].isin(MEASUREMENTS)
    return {RowKey(**keys): rows for keys, rows in groups(frames.samples[of_steps], list(RowKey._fields))}


def ablation(header: dict[str, Any], frames: Frames) -> Ablation | None:
    """None where the run measured nothing of it."""
    samples = ablation_rows(frames)
    if not samples:
        return None
    planned = _planned_processes(header)
    rounds = {key: rounds_of(rows) for key, rows in samples.items()}
    tuned = rounds.get(TUNED, {})
    levers = dict.fromkeys(key for key in (*planned, *samples) if key.without)
    return Ablation(
        rows=[
            AblationRow(
                key.name,
                planned.get(key),
                estimate_of(samples[key]) if key in samples else None,
                None if key == TUNED else stats.paired_ratio(rounds.get(key, {}), tuned),
            )
            for key in (TUNED, *levers, PUBLISHED, PRODUCTS)
        ],
        tuned_to_products=stats.paired_ratio(tuned, rounds.get(PRODUCTS, {})),
        tuned_to_published=stats.paired_ratio(tuned, rounds.get(PUBLISHED, {})),
    )


def _planned_processes(header: dict[str, Any]) -> dict[RowKey, int]:
    return {
        RowKey(entry["case"].get("variant"), entry["case"].get("without")): entry["replicates"]
        for entry in header["plan"]
        if entry["case"].get("harness") == ABLATION
    }


def ablation_sections(header: dict[str, Any], frames: Frames) -> list[Section]:
    found = ablation(header, frames)
    if found is None:
        return []
    sentences = [
        _compared("its eight matrix products alone", found.tuned_to_products),
        _compared("one of theano/as_published", found.tuned_to_published),
        "Each lever of theano/tuned is left out alone, and the published way of doing its part takes its place. A step "
        "is a training epoch divided by its steps; the eight products go through the same BLAS, on its own threads, "
        "zeros and all. Ratios are over processes of the same interleaved round.",
    ]
    names = {row.name for row in found.rows}
    if "without products" in names:
        sentences.append("Without products the other operations have no team either: that row is worth threads, too.")
    if "without sparsity" in names:
        sentences.append(
            "What sparsity is worth depends on the data: it leaves out blank pixels, and units that ReLU or dropout "
            "stopped. It goes with products, so that the row without them is worth it, too."
        )
    sentences += interval_sentences([row.step for row in found.rows], [row.time_ratio for row in found.rows])
    sentences += _missing_sentences(found.rows)
    headers = ["what", "processes", "training step", "95 % interval, step", "times as long as tuned"]
    headers += ["95 % interval, ratio"]
    rows = [_cells(row) for row in found.rows]
    return [Section("What the tuning is worth", sentences, headers, rows, ["ablation"])]


def _compared(other: str, ratio: stats.Ratio | None) -> str:
    subject = "A training step of theano/tuned"
    if ratio is None:
        return f"{subject} has no ratio to {other}: no round measured both."
    rounds = "one round" if ratio.num_rounds == 1 else f"{ratio.num_rounds} rounds"
    interval = f"95 % interval {format_range(ratio.low, ratio.high)}, {rounds}"
    if ratio.low is None:
        interval = f"{rounds}, so no interval"
    return f"{subject} takes {format_number(ratio.center)} times as long as {other} ({interval})."


def _missing_sentences(rows: list[AblationRow]) -> list[str]:
    """A record without a plan for a row lacks it only where it has nothing of it."""
    missing = [
        f"{row.name} ({_num_measured(row)} of {row.num_planned} processes)" if row.num_planned else row.name
        for row in rows
        if _num_measured(row) < (row.num_planned or 1)
    ]
    return [f"Missing: {', '.join(missing)}. The rest is compared all the same."] if missing else []


def _num_measured(row: AblationRow) -> int:
    return 0 if row.step is None else row.step.num_processes


def _cells(row: AblationRow) -> list[str]:
    step = row.step
    cells = [MISSING, MISSING] if step is None else [format_seconds(step.center), format_interval(step.low, step.high)]
    return [row.name, str(_num_measured(row)), *cells, *ratio_cells(row.time_ratio)]
