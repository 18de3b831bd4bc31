"""Layout for four or more runs: a row for each run, with common facts stated once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.document.section import Section, named
from bench.document.table import NUMBER_TEXT, Column
from bench.records.stack_key import NO_STACK
from bench.report.compare.comparable import REFERENCE_CLOCK, StackMeasurement
from bench.report.compare.comparison import Comparison, Score
from bench.report.compare.facts import differences
from bench.report.compare.metric_ratios import MetricRatio
from bench.stats.unpaired import SpeedRatio
from bench.units import format_number, format_number_with_range, format_seconds

MANY_RUNS = 4
MARK = "A ratio in brackets shows no difference: its interval includes 1, or there is none."


def is_many(comparison: Comparison) -> bool:
    return len(comparison.sides) >= MANY_RUNS


def score_ends(scores: Sequence[Score], base: str) -> str:
    """Return a sentence with the best and the worst score and the number of runs that differ from the base."""
    best, worst = max(scores, key=_center), min(scores, key=_center)
    differ = sum(score.speed.differs for score in scores)
    if not differ:
        return f"By {scores[0].measurement}, none of {len(scores)} runs differs from {base}."
    return (
        f"By {scores[0].measurement}, of {len(scores)} runs {best.run} is the fastest, {_times(best.speed)} times as "
        f"fast as {base}, and {worst.run} the slowest, {_times(worst.speed)} times; {differ} differ from {base}."
    )


def _center(score: Score) -> float:
    return score.speed.center


def _times(ratio: SpeedRatio) -> str:
    return format_number_with_range(ratio.center, ratio.low, ratio.high)


def score_rows(comparison: Comparison) -> tuple[list[Column | str], list[list[str | None]]]:
    """Return (columns, rows): a row for each run, a column for each mean of several stacks."""
    cells = {(score.run, score.measurement): _cell(score.speed) for score in comparison.scores if len(score.stacks) > 1}
    means = list(dict.fromkeys(measurement for _, measurement in cells))
    rows = [[other.name, *(cells.get((other.name, name)) for name in means)] for other in comparison.others]
    return ["run", *(Column(name, NUMBER_TEXT) for name in means)], rows if means else []


def ratio_sections(comparison: Comparison, details: bool = False) -> list[Section]:
    """Return a table for each stack: the base's seconds, then the speed ratio of each run."""
    found = []
    chosen = [ratio for ratio in comparison.ratios if _is_detail(ratio.metric) == details]
    for stack in dict.fromkeys(ratio.metric.stack for ratio in chosen):
        own = [ratio for ratio in chosen if ratio.metric.stack == stack]
        found.append(_of_stack(comparison, stack, own, details))
    return found


def _is_detail(metric: StackMeasurement) -> bool:
    """Return whether to list the metric among the details: also phases of the reference clock, to limit the columns."""
    return metric.is_detail or metric.measurement.startswith(f"{REFERENCE_CLOCK}, ")


def _of_stack(comparison: Comparison, stack: str, ratios: list[MetricRatio], details: bool) -> Section:
    base = comparison.base.name
    what = list(dict.fromkeys(ratio.metric.measurement for ratio in ratios))
    seconds = {ratio.metric.measurement: format_seconds(ratio.base_seconds.center) for ratio in ratios}
    cells = {(ratio.run, ratio.metric.measurement): _cell(ratio.speed) for ratio in ratios}
    rows = [[f"{base}, the base", *(seconds[name] for name in what)]]
    for one in comparison.others:
        note = comparison.code_note(one.name, stack)
        row = [one.name if not note else f"{one.name} (code {note})", *(cells.get((one.name, name)) for name in what)]
        rows.append(row)
    of = "in detail" if details else "times as fast as the base"
    columns = ["run", *(Column(name, NUMBER_TEXT) for name in what)]
    return Section(f"{stack if stack != NO_STACK else 'Loading'}, {of}", [MARK], columns, rows)


def _cell(ratio: SpeedRatio) -> str:
    return format_number(ratio.center) if ratio.differs else f"({format_number(ratio.center)})"


def difference_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return (columns, rows): a row for each value of each differing fact, with the runs that have it."""
    names = [side.name for side in comparison.sides]
    rows = []
    for one in differences(comparison.sides):
        values = ((name, (value,)) for name, value in zip(names, one.values, strict=True))
        rows += [[one.fact, value, having] for having, value in grouped(values)]
    return ["fact", "value", "runs"], rows


def grouped(entries: Iterable[tuple[str, tuple[str, ...]]]) -> list[list[str]]:
    """Group (run, texts) into rows, where runs with the same texts share one row."""
    runs: dict[tuple[str, ...], list[str]] = {}
    for run, texts in entries:
        runs.setdefault(texts, []).append(run)
    return [[named(names), *texts] for texts, names in runs.items()]
