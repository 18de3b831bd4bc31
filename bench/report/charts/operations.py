"""Chart of a training step's time by kind of operation, a bar for each profiled stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from bench.document.chart import Chart, bar, figure, hover_text, label, rows_layout
from bench.report.charts.style import KINDS, REST
from bench.report.run.profiles import CHART, StepOfStack, kinds_of
from bench.units import format_percent, format_seconds, number_of

UNATTRIBUTED = "not attributed"


def operations_chart(steps: Sequence[StepOfStack]) -> Chart | None:
    """Draw bars whose parts add up to the profiled step; None if no step was profiled completely."""
    steps = [step for step in steps if step.seconds_by_kind and step.profiled_seconds]
    if not steps:
        return None
    layout = rows_layout([step.stack.name for step in steps], "profiled training step, s")
    layout["xaxis"]["rangemode"] = "tozero"
    return Chart(
        CHART,
        "Profiled training step, by kind of operation",
        _alt(steps),
        # The unattributed part may be negative, and then lies left of the axis.
        figure(_bars(steps), barmode="relative", **layout),
        _data(steps),
    )


def _parts(step: StepOfStack) -> dict[str, float]:
    return {**step.seconds_by_kind, UNATTRIBUTED: step.unattributed_seconds}


def _bars(steps: Sequence[StepOfStack]) -> Iterator[Any]:
    for kind in [*kinds_of(steps), UNATTRIBUTED]:
        drawn = [(row, step, _parts(step)[kind]) for row, step in enumerate(steps) if kind in _parts(step)]
        colour, pattern = KINDS.get(kind, REST)
        yield bar(
            x=[seconds for _, _, seconds in drawn],
            y=[row for row, _, _ in drawn],
            orientation="h",
            name=label(kind),
            marker={"color": colour, "pattern": {"shape": pattern, "size": 6}},
            customdata=[[hover_text(step.stack.name), _hover(kind, step, seconds)] for _, step, seconds in drawn],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]} of the step (%{x:.6g} s)<extra></extra>",
            width=0.6,
        )


def _hover(kind: str, step: StepOfStack, seconds: float) -> str:
    return hover_text(f"{kind}: {format_seconds(seconds)}, {format_percent(step.share(seconds), 1)}")


def _data(steps: Sequence[StepOfStack]) -> pd.DataFrame:
    rows = [
        {"stack": step.stack.name, "kind": kind, "seconds": seconds, "share": step.share(seconds)}
        for step in steps
        for kind, seconds in _parts(step).items()
    ]
    return pd.DataFrame(rows)


def _alt(steps: Sequence[StepOfStack]) -> str:
    best = steps[0]
    parts = ", ".join(f"{kind} {format_percent(best.share(seconds), 1)}" for kind, seconds in _parts(best).items())
    return (
        f"Stacked bars of a profiled training step for {number_of(len(steps), 'stack')}, by kind of operation. The "
        f"shortest is {best.stack.name} with {format_seconds(best.profiled_seconds)}: {parts}."
    )
