"""Sections of a history: a line for each series, then a line for each run and metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.document.section import Section, named
from bench.document.table import INTEGER, SECONDS, SECONDS_INTERVAL, Column
from bench.records.moments import minute
from bench.records.stack_key import NO_STACK
from bench.report.compare.comparable import StackMeasurement
from bench.report.history.series import History, Series
from bench.stats.change_points import MIN_RUNS, Trend, TrendShape
from bench.units import format_number

BARS = "▁▂▃▄▅▆▇█"
MOST_NOTES, MOST_CONDITIONS = 10, 10
AROUND = 3  # runs on either side of a change
MAX_TREND_RUNS = 60  # width of the sparkline; the latest runs are shown
HEADLINES = (
    "first_load",
    "load",
    "compile, cold cache",
    "compile, warm cache",
    "train_epoch",
    "validate_epoch",
    "reference clock",
)


def is_headline(metric: StackMeasurement) -> bool:
    """Return whether the metric is shown by default: e.g. the reference clock as a whole, but not its phases."""
    name, _, rest = metric.measurement.partition(", ")
    return metric.measurement in HEADLINES or (name in HEADLINES and rest.endswith("epochs") and "," not in rest)


def history_sections(
    history: History, wanted: Callable[[StackMeasurement], bool] = is_headline, everything: bool = False
) -> list[Section]:
    """Return the sections of the series whose metric is ``wanted``: all if ``everything``, else the changed ones."""
    chosen = [series for series in history.series if wanted(series.metric)]
    shown = chosen if everything else [series for series in chosen if series.changed]
    return [
        _summary(chosen, shown),
        *_conditions(history, shown, everything),
        *_runs(shown, everything),
        *_notes(history, everything),
    ]


def _notes(history: History, everything: bool) -> list[Section]:
    """Return a sentence for each problem, with the runs that share it."""
    runs: dict[str, list[str]] = {}
    for run, problem in history.problems:
        runs.setdefault(problem, []).append(run)
    sentences = []
    for problem, names in runs.items():
        sentences.append(f"{', '.join(names) if everything else named(names)}: {problem}.")
    hidden = [] if everything else sentences[MOST_NOTES:]
    kept = sentences[: len(sentences) - len(hidden)]
    more = [f"{len(hidden)} more: use --all to list them."] if hidden else []
    return [Section("Notes on the runs", [*kept, *more])] if kept else []


def _summary(chosen: list[Series], shown: list[Series]) -> Section:
    sentences = [
        f"A series is one measurement of one stack under the same conditions; a change needs "
        f"{MIN_RUNS} runs, and steps at least three runs on either side.",
        "Steps and drifts are found on the logarithms, by absolute residuals and the penalty of asv; of series without "
        "any change, 1 to 2 in 100 are reported as changed.",
    ]
    if not chosen:
        sentences.append("No run measured the chosen metrics.")
    elif len(shown) < len(chosen):
        sentences.append(_unchanged(chosen))
    rows = [
        [
            *_names(series),
            len(series.points),
            sparkline([point.center for point in series.points]),
            series.points[-1].center,
            verdict(series),
        ]
        for series in shown
    ]
    columns = [*NAMES, Column("runs", INTEGER), "trend", Column("latest", SECONDS), "change"]
    return Section("Changes over time", sentences, columns, rows)


def _unchanged(chosen: list[Series]) -> str:
    """Return the counts of changed, unchanged and short series."""
    few = [series for series in chosen if series.trend.shape is TrendShape.TOO_FEW]
    constant = sum(series.trend.shape is TrendShape.CONSTANT for series in chosen)
    counts = [f"{sum(series.changed for series in chosen)} of {len(chosen)} series changed"]
    counts += [f"{constant} did not"] if constant else []
    if few:
        most = max(len(one.points) for one in few)
        counts.append(f"{len(few)} had too few runs (at most {most} of {MIN_RUNS})")
    return f"{', '.join(counts)}: --all lists them all, run by run."


def verdict(series: Series) -> str:
    """Return the verdict in words, with the first run after each step, and what several steps or a drift add up to."""
    found: Trend = series.trend
    if found.shape is TrendShape.TOO_FEW:
        return f"too few runs: {len(series.points)} of {MIN_RUNS}"
    if found.shape is TrendShape.DRIFT:
        return f"drifts by a factor of {found.ratio_per_run:.3f} per run, {format_number(found.total_ratio)} in all"
    steps = [
        f"a factor of {format_number(step.ratio)} from {series.points[step.index].run} on{_because(series, step.index)}"
        for step in found.steps
    ]
    in_all = [f"{format_number(found.total_ratio)} in all"] if len(steps) > 1 else []
    return "; ".join([*steps, *in_all]) or found.shape.value


def _because(series: Series, index: int) -> str:
    reasons = series.changed_since(index)
    return f" ({'; '.join(reasons)})" if reasons else ""


def sparkline(seconds: list[float]) -> str:
    """Return the latest runs as bars from the shortest to the longest duration; all of one height if equal."""
    shown = seconds[-MAX_TREND_RUNS:]
    low, high = min(shown), max(shown)
    if high == low:
        return BARS[len(BARS) // 2] * len(shown)
    return "".join(BARS[round((value - low) / (high - low) * (len(BARS) - 1))] for value in shown)


def _conditions(history: History, shown: list[Series], everything: bool) -> list[Section]:
    """Return the section of the conditions of the shown series, or of all if there are few."""
    if len(history.conditions) == 1:
        return []
    numbers = {series.conditions.number for series in shown}
    few = len(history.conditions) <= MOST_CONDITIONS
    listed = [one for one in history.conditions if everything or few or one.number in numbers]
    sentences = [
        f"The runs were measured under {len(history.conditions)} conditions, so each metric has a series of its own "
        "under each."
    ]
    rows = [[one.name, ", ".join(one.differs_by).replace("_", " ") or None] for one in listed]
    return [Section("Conditions", sentences, ["conditions", "differences from the previous conditions"], rows)]


def _runs(shown: list[Series], everything: bool) -> list[Section]:
    rows = [row for series in shown for row in _run_rows(series, everything)]
    columns = [*NAMES, "started", "run", Column("processes", INTEGER), Column("median", SECONDS)]
    columns += [Column("95 % interval", SECONDS_INTERVAL), "change"]
    around = [] if everything else [f"The {AROUND} runs before and after each change; --all lists every run."]
    return [Section("Run by run", around, columns, rows)] if rows else []


def _run_rows(series: Series, everything: bool) -> list[list[Any]]:
    """Return the rows of a series, oldest run first."""
    steps = {step.index: step.ratio for step in series.trend.steps}
    last = len(series.points)
    changes = [*steps] or [0, last]  # a drift changes all the way
    near = {number for at in changes for number in range(max(0, at - AROUND), min(last, at + AROUND))}
    return [
        [
            *_names(series),
            minute(point.started_at),
            point.run,
            point.seconds.num_processes,
            point.seconds.center,
            (point.seconds.low, point.seconds.high),
            f"a factor of {format_number(steps[number])} from here on" if number in steps else "",
        ]
        for number, point in enumerate(series.points)
        if everything or number in near
    ]


NAMES = [Column("conditions", INTEGER), "stack", "measurement"]


def _names(series: Series) -> list[Any]:
    """Return the values of ``NAMES``."""
    metric = series.metric
    return [series.conditions.number, metric.stack if metric.stack != NO_STACK else None, metric.measurement]
