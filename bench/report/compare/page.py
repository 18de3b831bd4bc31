"""Comparison as one self-contained HTML file: the sections, and the speed of each stack as a plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import pandas as pd

from bench.document.chart import error_bars, figure, hover_text, label, rows_layout, scatter
from bench.document.html import Chart, Page
from bench.document.section import named
from bench.report.charts.style import COLOURS, GREY, line_across
from bench.report.compare.comparable import REFERENCE_CLOCK, TRAIN_EPOCH, VALIDATE_EPOCH
from bench.report.compare.comparison import Comparison
from bench.report.compare.many import grouped, is_many
from bench.report.compare.metric_ratios import MetricRatio
from bench.report.compare.sections import PLOTS, comparison_sections, detail_sections, first_line, headline
from bench.units import MISSING, format_number, format_range

PLOTTED = dict(zip((TRAIN_EPOCH, VALIDATE_EPOCH, REFERENCE_CLOCK), PLOTS, strict=True))
ROW_SHARE = 0.5  # of a row's height, over which the runs of one stack are spread
LEAST_RATIO, MOST_RATIO = 0.5, 2.0  # the axis shows at least from half to twice as fast
MARGIN = 1.05  # between the largest ratio and the end of the axis
# Powers of ten, the default ticks of a logarithmic axis, are too far apart for ratios around 1.
TICKS, FEW_TICKS_UP_TO = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0), 5.0


def comparison_page(comparison: Comparison) -> Page:
    """Return all that Markdown shows, with the batch sizes folded."""
    charts = {chart.name: chart for measurement in PLOTTED if (chart := _chart(comparison, measurement)) is not None}
    details = detail_sections(comparison)
    for section in details:
        section.folded = True
    cpus = ((side.name, (str(side.facts.get("cpu_model") or MISSING),)) for side in comparison.sides)
    return Page(
        title=f"mlp-bench comparison, {first_line(comparison)}",
        headline=headline(comparison),
        sections=[*comparison_sections(comparison), *details],
        charts=charts,
        facts=[(runs, cpu) for runs, cpu in grouped(cpus)],
    )


def _chart(comparison: Comparison, measurement: str) -> Chart | None:
    """Plot a row for each stack and a colour for each run, or the reverse for many runs.  None without ratios."""
    ratios = [ratio for ratio in comparison.ratios if ratio.metric.measurement == measurement]
    if not ratios:
        return None
    base = comparison.base.name
    stacks = list(dict.fromkeys(ratio.metric.stack for ratio in ratios))
    runs = [other.name for other in comparison.others]
    by_run, by_stack = (attrgetter("run"), runs), (attrgetter("metric.stack"), stacks)
    (row_of, rows), (trace_of, traced) = (by_run, by_stack) if is_many(comparison) else (by_stack, by_run)
    layout = _layout(ratios, rows)
    traces = [
        _trace(name, [ratio for ratio in ratios if trace_of(ratio) == name], rows, row_of, number, len(traced))
        for number, name in enumerate(traced)
    ]
    best = max(ratios, key=lambda ratio: ratio.speed.center)
    alt = (
        f"Speed ratio to {base} of the {measurement} of {len(stacks)} stacks in {named(runs)}, with "
        f"95 % intervals; the largest is {format_number(best.speed.center)}, {best.metric.stack} in {best.run}."
    )
    title = f"{measurement}: times as fast as {base}, with 95 % interval"
    return Chart(PLOTTED[measurement], title, alt, figure(traces, **layout), _data(ratios, base))


def _layout(ratios: Sequence[MetricRatio], rows: Sequence[str]) -> dict[str, Any]:
    low, high = _range(ratios)
    layout = rows_layout(rows, "times as fast", log=(low, high))
    layout["xaxis"]["range"] = [math.log10(low / MARGIN), math.log10(high * MARGIN)]
    if high <= FEW_TICKS_UP_TO and low >= 1 / FEW_TICKS_UP_TO:
        layout["xaxis"] |= {"tickvals": [*TICKS], "ticktext": [format_number(tick) for tick in TICKS]}
    layout["shapes"] = [line_across("x", 1) | {"line": {"color": GREY, "dash": "dot"}}]
    return layout


def _range(ratios: Sequence[MetricRatio]) -> tuple[float, float]:
    """Return the range of the logarithmic axis, on which half and twice as fast are equally far from 1."""
    values = [value for one in ratios for value in (one.speed.low, one.speed.center, one.speed.high) if value]
    return min(*values, LEAST_RATIO), max(*values, MOST_RATIO)


def _trace(
    name: str,
    ratios: Sequence[MetricRatio],
    rows: Sequence[str],
    row_of: Callable[[MetricRatio], str],
    number: int,
    count: int,
) -> Any:
    """Return trace ``number`` of ``count``, each at a height of its own in every row, so that none hides another."""
    speeds = [ratio.speed for ratio in ratios]
    offset = ROW_SHARE * ((number + 0.5) / count - 0.5)
    return scatter(
        x=[speed.center for speed in speeds],
        y=[rows.index(row_of(ratio)) + offset for ratio in ratios],
        mode="markers",
        name=label(name),
        marker={"color": COLOURS[number % len(COLOURS)], "size": 9},
        error_x=error_bars([(speed.center, speed.low, speed.high) for speed in speeds]),
        text=[
            f"{hover_text(ratio.run)}<br>{hover_text(ratio.metric.stack)}<br>95 % interval "
            f"{format_range(ratio.speed.low, ratio.speed.high)}"
            for ratio in ratios
        ],
        hovertemplate="%{text}<br>%{x:.4g} times as fast<extra></extra>",
    )


def _data(ratios: Sequence[MetricRatio], base: str) -> pd.DataFrame:
    rows = [
        {
            **{"stack": ratio.metric.stack, "run": ratio.run, "base": base},
            **{"base_seconds": ratio.base_seconds.center, "seconds": ratio.seconds.center},
            **{"times_as_fast": ratio.speed.center, "low": ratio.speed.low, "high": ratio.speed.high},
        }
        for ratio in ratios
    ]
    return pd.DataFrame(rows)
