"""Chart of a reference run's phases, a bar for each stack, beside the published reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.document.chart import Chart, bar, figure, hover_text, rows_layout, scatter
from bench.records.stack_key import StackKey, by_stack
from bench.report.charts.style import DOT, GREY, PHASES
from bench.report.run.analysis import RunAnalysis
from bench.report.run.reference_runs import PhaseMedians
from bench.units import format_seconds, number_of
from mlp.recipe import REFERENCE

PUBLISHED = "2016 reference"


def phases_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Draw medians as bars and totals of processes as dots; the reference only for whole canonical runs."""
    medians = sorted(analysis.phase_medians, key=lambda one: one.total_seconds)
    if not medians:
        return None
    compared = analysis.is_comparable
    stacks = [one.stack for one in medians]
    rows = [*([PUBLISHED] if compared else []), *(stack.name for stack in stacks)]
    first = len(rows) - len(stacks)
    totals = {stack: list(results["total_seconds"]) for stack, results in by_stack(analysis.frames.results)}
    traces = [*([_published()] if compared else []), *_bars(medians, first), _dots(totals, stacks, first)]
    layout = rows_layout(rows, "reference clock, s")
    layout["xaxis"]["rangemode"] = "tozero"
    return Chart(
        name,
        "Reference run, phase by phase: bars are medians, dots are single processes",
        _alt(medians, compared),
        figure(traces, barmode="stack", **layout),
        _data(medians, totals, compared),
    )


def _published() -> Any:
    return bar(
        x=[REFERENCE.total_seconds],
        y=[0],
        orientation="h",
        marker={"color": GREY, "opacity": 0.55, "pattern": {"shape": "/", "size": 6}},
        hovertemplate=f"{PUBLISHED}, phases not published: %{{x}} s<extra></extra>",
        width=0.6,
        showlegend=False,
    )


def _bars(medians: list[PhaseMedians], first: int) -> Iterator[Any]:
    """Yield a trace for each phase that any stack has, and one for the rest, from row ``first`` on."""
    found = dict.fromkeys(phase for one in medians for phase in one.seconds_by_phase)
    order = [*(phase for phase in PHASES if phase in found), *(phase for phase in found if phase not in PHASES)]
    for phase in [*order, None]:
        of_phase = [one.rest_seconds if phase is None else one.seconds_by_phase.get(phase) for one in medians]
        title = "rest, unexplained" if phase is None else phase
        share = [
            ""
            if seconds is None
            else f"{hover_text(title)}: {format_seconds(seconds)}, {seconds / total:.1%} of the run"
            for seconds, total in zip(of_phase, (one.total_seconds for one in medians), strict=True)
        ]
        yield bar(
            x=of_phase,
            y=list(range(first, first + len(medians))),
            orientation="h",
            name=hover_text(title),
            marker={"color": PHASES.get(phase, "#9AA0A6")},
            customdata=[[hover_text(one.stack.name), text] for one, text in zip(medians, share, strict=True)],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]} (%{x:.6g} s)<extra></extra>",
            width=0.6,
        )


def _dots(totals: dict[StackKey, list[float]], stacks: list[StackKey], first: int) -> Any:
    points = [(row, stack, seconds) for row, stack in enumerate(stacks, first) for seconds in totals[stack]]
    return scatter(
        x=[seconds for _, _, seconds in points],
        y=[row for row, _, _ in points],
        mode="markers",
        marker=DOT,
        name="total of one process",
        text=[hover_text(stack.name) for _, stack, _ in points],
        hovertemplate="%{text}<br>total of one process: %{x:.6g} s<extra></extra>",
    )


def _data(medians: list[PhaseMedians], totals: dict[StackKey, list[float]], compared: bool) -> pd.DataFrame:
    rows = [(PUBLISHED, "published", "total", REFERENCE.total_seconds)] if compared else []
    for one in medians:
        parts = {**one.seconds_by_phase, "rest": one.rest_seconds, "total": one.total_seconds}
        rows += [(one.stack.name, "median", phase, seconds) for phase, seconds in parts.items()]
        rows += [(one.stack.name, "process", "total", seconds) for seconds in totals[one.stack]]
    return pd.DataFrame(rows, columns=["stack", "statistic", "phase", "seconds"])


def _alt(medians: list[PhaseMedians], compared: bool) -> str:
    beside = f", beside the reference of {REFERENCE.total_seconds} s" if compared else ""
    best = medians[0]
    parts = ", ".join(f"{phase} {format_seconds(seconds)}" for phase, seconds in best.seconds_by_phase.items())
    return (
        f"Stacked bars of the phases of the reference run for {number_of(len(medians), 'stack')}{beside}. The shortest "
        f"is {best.stack.name} with {format_seconds(best.total_seconds)}: {parts}."
    )
