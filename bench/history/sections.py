"""A history as sections of text and tables: a line for each series, then a line for each run and metric."""

from __future__ import annotations

from collections.abc import Callable

from bench.compare.comparable import NO_STACK, Metric
from bench.history.change_points import MIN_RUNS, Course, Shape
from bench.history.series import History, Series
from bench.render import Section
from bench.units import MISSING, format_interval, format_number, format_seconds

BARS = "▁▂▃▄▅▆▇█"
MAX_TREND_RUNS = 60  # characters of a terminal's line; the latest count
HEADLINES = ("load", "compile, cold cache", "compile, warm cache", "train_epoch", "validate_epoch", "reference clock")


def is_headline(metric: Metric) -> bool:
    """What is shown unless somebody asks for more: the reference clock as a whole, and not phase by phase."""
    name, _, rest = metric.measurement.partition(", ")
    return metric.measurement in HEADLINES or (name in HEADLINES and rest.endswith("epochs") and "," not in rest)


def history_sections(history: History, wanted: Callable[[Metric], bool] = is_headline) -> list[Section]:
    """Sections of the series whose metric is ``wanted``."""
    chosen = [series for series in history.series if wanted(series.metric)]
    notes = [f"{text}." for text in history.problems]
    return [
        _summary(history, chosen),
        *_conditions(history),
        *_runs(chosen),
        *([Section("What to know about the runs", notes)] if notes else []),
    ]


def _summary(history: History, chosen: list[Series]) -> Section:
    sentences = [
        f"A series is one measurement of one stack under the same conditions; a change needs "
        f"{MIN_RUNS} runs, and steps at least three runs on either side.",
        "Steps and drifts are found on the logarithms, by absolute residuals and the penalty of asv; of series without "
        "any change, 1 to 2 in 100 are taken for ones that changed.",
    ]
    if not chosen:
        sentences.append("No run measured what was asked for.")
    rows = [
        [
            *_names(series),
            str(len(series.points)),
            sparkline([point.seconds.center for point in series.points]),
            format_seconds(series.points[-1].seconds.center),
            verdict(series),
        ]
        for series in chosen
    ]
    headers = ["conditions", "stack", "what", "runs", "trend", "latest", "what it did"]
    return Section("What changed over time", sentences, headers if rows else [], rows)


def verdict(series: Series) -> str:
    """In words, with the run from which on."""
    found: Course = series.course
    if found.shape is Shape.TOO_FEW:
        return f"too few runs to tell: {len(series.points)} of {MIN_RUNS}"
    if found.shape is Shape.DRIFT:
        return f"drifts, from each run to the next {found.ratio_per_run:.3f} times as long"
    steps = [
        f"{format_number(step.ratio)} times as long from {series.points[step.index].run} on" for step in found.steps
    ]
    return "; ".join(steps) or found.shape.value


def sparkline(seconds: list[float]) -> str:
    """The latest runs as bars from the shortest to the longest duration; all of one height where none differs."""
    shown = seconds[-MAX_TREND_RUNS:]
    low, high = min(shown), max(shown)
    if high == low:
        return BARS[len(BARS) // 2] * len(shown)
    return "".join(BARS[round((value - low) / (high - low) * (len(BARS) - 1))] for value in shown)


def _conditions(history: History) -> list[Section]:
    if len(history.conditions) == 1:
        return []
    sentences = [
        "The runs were not all measured under the same conditions, so each metric has a series of its own under each."
    ]
    rows = [[one.name, ", ".join(one.differs_by).replace("_", " ") or MISSING] for one in history.conditions]
    return [Section("Conditions", sentences, ["conditions", "differs from the ones before in"], rows)]


def _runs(chosen: list[Series]) -> list[Section]:
    rows = [row for series in chosen for row in _run_rows(series)]
    headers = ["conditions", "stack", "what", "started", "run", "processes", "median", "95 % interval", "change"]
    return [Section("Run by run", [], headers, rows)] if rows else []


def _run_rows(series: Series) -> list[list[str]]:
    """Oldest first."""
    steps = {step.index: step.ratio for step in series.course.steps}
    return [
        [
            *_names(series),
            point.started_at[:16].replace("T", " "),
            point.run,
            str(point.seconds.num_processes),
            format_seconds(point.seconds.center),
            format_interval(point.seconds.low, point.seconds.high),
            f"{format_number(steps[number])} times as long from here on" if number in steps else "",
        ]
        for number, point in enumerate(series.points)
    ]


def _names(series: Series) -> list[str]:
    metric = series.metric
    return [str(series.conditions.number), metric.stack if metric.stack != NO_STACK else MISSING, metric.measurement]
