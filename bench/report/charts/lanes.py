"""Chart of every sample as a dot: a row for each measurement, a lane for each process, with its median."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bench.document.chart import Chart, figure, hover_text, rows_layout, scatter
from bench.records.stack_key import StackKey, groups
from bench.report.charts.style import ACCENT, VERMILION
from bench.report.run.ablation import ablation_rows
from bench.report.run.analysis import RunAnalysis
from bench.roofline.ceilings import HARNESS as CEILINGS
from bench.units import format_seconds

MAX_DOTS = 60  # of one process in one row; a browser becomes slow from about ten thousand on
LOG_FROM = 20  # ratio of longest to shortest sample from which the axis is logarithmic
HALF_ROW = 0.34  # distance of the outermost lanes from the middle of their row
SERIES_LOOKS = {"cold": (VERMILION, "square-open")}

EPOCH_TITLES = {
    "train_epoch": "Training epochs",
    "validate_epoch": "Validation epochs",
    "train_step": "Training steps",
}


def loading_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    samples = analysis.frames.samples
    samples = samples[samples["harness"] == "data"]
    return lanes_chart(name, "Loading", samples, lambda rows: str(rows["measurement"].iloc[0]), ["measurement"])


def compile_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    samples = analysis.frames.samples
    chosen = (samples["harness"] == "compile") & (samples["measurement"] == "compile")
    return lanes_chart(name, "Compilation, cache cold and warm", samples[chosen], _stack_name, series="cache")


def epoch_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    samples = analysis.frames.samples
    chosen = (samples["harness"] == "epoch") & (samples["measurement"] == name)
    return lanes_chart(name, EPOCH_TITLES[name], samples[chosen], _stack_name)


def ceilings_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    """Draw a row for each kind of work and engine; the host's own libraries are not named."""
    samples = analysis.frames.samples
    samples = samples[samples["harness"] == CEILINGS]
    return lanes_chart(name, "Ceilings", samples, _ceiling_name, [*StackKey._fields, "measurement"])


def _ceiling_name(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    if pd.isna(first["backend"]):
        return first["measurement"]
    return f"{first['measurement']}, {first['backend']} on {first['device']}"


def ablation_chart(name: str, analysis: RunAnalysis) -> Chart | None:
    named = {row: rows.assign(row=row.name) for row, rows in ablation_rows(analysis.frames).items()}
    if not named:
        return None
    samples = pd.concat(named.values())
    return lanes_chart(name, "Training steps of the ablation", samples, lambda rows: rows["row"].iloc[0], ["row"])


def _stack_name(rows: pd.DataFrame) -> str:
    return StackKey.of(rows.iloc[0]).name


def lanes_chart(
    name: str,
    what: str,
    samples: pd.DataFrame,
    row_name: Callable[[pd.DataFrame], str],
    columns: list[str] | None = None,
    series: str | None = None,
) -> Chart | None:
    """Draw lanes; ``columns`` (default: those of a stack) identify the rows, ``series`` the kinds of dots."""
    if samples.empty:
        return None
    used = [*StackKey._fields, *(columns or []), series, "measurement", "process", "round", "sample_index", "seconds"]
    samples = samples[samples.columns.intersection(used, sort=False)]  # fewer columns are sliced faster
    found = [rows for _, rows in groups(samples, columns or list(StackKey._fields))]
    found.sort(key=lambda rows: rows["seconds"].median())
    names = [row_name(rows) for rows in found]
    shown = pd.concat([_lanes(rows, y, row, series) for y, (rows, row) in enumerate(zip(found, names, strict=True))])
    low, high = shown["seconds"].min(), shown["seconds"].max()
    kinds = list(dict.fromkeys(shown["series"]))
    traces = [trace for kind in kinds for trace in _traces(shown[shown["series"] == kind], kind)]
    layout = rows_layout(names, "seconds", log=(low, high) if high > LOG_FROM * low else None)
    thinned = f"; of more than {MAX_DOTS} samples of a process, {MAX_DOTS} evenly chosen ones"
    title = f"{what}: every sample, a lane for each process"
    title += " and a tick at its median" if len(traces) > len(kinds) else ""
    title += thinned if len(shown) < len(samples) else ""
    return Chart(name, title, _alt(what, names, found), figure(traces, **layout), _data(shown, series))


def _lanes(rows: pd.DataFrame, y: int, name: str, series: str | None) -> pd.DataFrame:
    """Return the drawn samples of one row, with their row, their lane's height and their process's median."""
    processes = sorted(rows["process"].unique())
    heights = {
        process: y + (HALF_ROW * (2 * index / (len(processes) - 1) - 1) if len(processes) > 1 else 0)
        for index, process in enumerate(processes)
    }
    seconds, places = rows["seconds"].to_numpy(), rows.groupby("process", sort=True).indices
    kept = rows.iloc[np.concatenate([_evenly(seconds, of_process) for of_process in places.values()])]
    return kept.assign(
        row=name,
        series="" if series is None else kept[series].astype("object").fillna("no"),
        y=kept["process"].map(heights),
        median=kept["process"].map(rows.groupby("process")["seconds"].median()),
    )


def _evenly(seconds: np.ndarray, of_process: np.ndarray) -> np.ndarray:
    """Select at most ``MAX_DOTS`` places of one process's samples, including the shortest and the longest."""
    if len(of_process) <= MAX_DOTS:
        return of_process
    ordered = of_process[np.argsort(seconds[of_process], kind="stable")]
    chosen = [round(index * (len(ordered) - 1) / (MAX_DOTS - 1)) for index in range(MAX_DOTS)]
    return np.sort(ordered[chosen])


def _traces(shown: pd.DataFrame, kind: str) -> list[Any]:
    """Return the dots, and if any process has several, their medians."""
    color, symbol = SERIES_LOOKS.get(kind, (ACCENT, "circle"))
    of_kind = f", {hover_text(kind)} cache" if kind else ""
    medians = shown.drop_duplicates(["row", "process"])
    several = len(medians) < len(shown)
    dots = {"color": color, "symbol": symbol, "size": 5 if several else 8, "opacity": 0.5 if several else 0.8}
    ticks = {"color": color, "symbol": "line-ns-open", "size": 10, "line": {"width": 2}}
    found = [_scatter(shown, "seconds", f"one sample{of_kind}", dots, of_kind)]
    return [*found, _scatter(medians, "median", f"median of a process{of_kind}", ticks, of_kind)] if several else found


def _scatter(shown: pd.DataFrame, column: str, what: str, marker: dict[str, Any], of_kind: str) -> Any:
    rows = zip(shown["row"], shown["process"], strict=True)
    texts = {row: hover_text(row) for row in shown["row"].unique()}
    return scatter(
        x=shown[column].tolist(),
        y=shown["y"].tolist(),
        mode="markers",
        name=what,
        marker=marker,
        text=[f"{texts[row]}{of_kind}, process {process}" for row, process in rows],
        hovertemplate=f"%{{text}}<br>{what}: %{{x:.6g}} s<extra></extra>",
    )


def _alt(what: str, names: list[str], found: list[pd.DataFrame]) -> str:
    parts = "; ".join(
        f"{name}, {rows['process'].nunique()} processes, {format_seconds(rows['seconds'].min())} to "
        f"{format_seconds(rows['seconds'].max())}"
        for name, rows in zip(names, found, strict=True)
    )
    return f"{what}, every sample as a dot: {parts}."


def _data(shown: pd.DataFrame, series: str | None) -> pd.DataFrame:
    kinds = [] if series is None else ["series"]
    shown = shown[["row", "measurement", "process", "round", *kinds, "sample_index", "seconds"]]
    return shown.rename(columns={"series": series})
