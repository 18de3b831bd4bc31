"""Sections of the harnesses that time one thing each: loading, compilation, epochs and steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench.document.section import Section
from bench.records.frames import Frames
from bench.records.select import estimate_of
from bench.records.stack_key import StackKey, by_stack, or_none
from bench.report.run.rates import bytes_rate, examples_rate
from bench.report.run.tables import (
    ESTIMATE_HEADERS,
    estimate_cells,
    estimates,
    groups_sentences,
    interval_sentences,
    narrowed,
    stack_of,
    without_columns_of,
)
from bench.stats import estimates
from bench.units import MISSING, format_interval, format_number, format_seconds


def loading_sections(frames: Frames) -> list[Section]:
    found = list(estimates(frames, "data", [*StackKey._fields, "measurement"]))
    rows = [
        [_loaded(keys), *estimate_cells(measured), bytes_rate(samples, measured)] for keys, samples, measured in found
    ]
    sentences = _about({_loaded(keys): measured for keys, _, measured in found})
    headers = ["measurement", *ESTIMATE_HEADERS, "rate"]
    return [Section("Loading", sentences, headers, rows, ["loading"])] if rows else []


def _about(measured: Mapping[str, estimates.Estimate]) -> list[str]:
    return [*interval_sentences(measured.values()), *groups_sentences(measured)]


def _loaded(keys: dict[str, Any]) -> str:
    """Return the measurement, with the stack of its process if any: a framework changes memory allocation."""
    return keys["measurement"] if keys["backend"] is None else f"{keys['measurement']}, {stack_of(keys).name}"


def compile_sections(frames: Frames) -> list[Section]:
    """Return one row for each part, with the cold and the warm compile cache side by side."""
    parts: dict[tuple[str, str], dict[str, list[str]]] = {}
    found = list(estimates(frames, "compile", [*StackKey._fields, "cache", "measurement"]))
    for keys, _, measured in found:
        row = parts.setdefault((stack_of(keys).name_with_threads, keys["measurement"]), {})
        row[keys["cache"] or "no"] = [
            format_seconds(measured.center),
            format_interval(measured.low, measured.high),
            str(measured.num_processes),
        ]
    caches = [name for name in ("cold", "warm", "no") if any(name in row for row in parts.values())]
    headers = ["backend", "measurement"]
    headers += [text for name in caches for text in (f"{name} cache", f"95 % interval, {name}", f"processes, {name}")]
    rows = [
        [*names, *(cell for name in caches for cell in row.get(name, [MISSING, MISSING, "0"]))]
        for names, row in parts.items()
    ]
    sentences = interval_sentences(measured for _, _, measured in found)
    section = Section("Import, graph and compilation", sentences, headers, rows, ["compile"])
    return [narrowed(section)] if rows else []


def epoch_sections(frames: Frames) -> list[Section]:
    rows, found = [], {}
    for keys, samples, measured in estimates(frames, "epoch", [*StackKey._fields, "measurement"]):
        if keys["measurement"] == "train_step":
            p50, p95, p99 = np.percentile(samples["seconds"], [50, 95, 99])
            rate = f"p50 {format_seconds(p50)}, p95 {format_seconds(p95)}, p99 {format_seconds(p99)}"
        else:
            rate = examples_rate(keys["measurement"], samples, measured)
        name = stack_of(keys).name_with_threads
        found[f"{name}, {keys['measurement']}"] = measured
        rows.append([name, keys["measurement"], *estimate_cells(measured), rate])
    headers = ["backend", "measurement", *ESTIMATE_HEADERS, "rate"]
    plots = ["throughput", "train_epoch", "validate_epoch", "train_step"]
    return [narrowed(Section("Epochs and steps", _about(found), headers, rows, plots))] if rows else []


# --- the two clocks of an epoch ---------------------------------------------------------------------------------------

EARLY_EPOCHS = 4  # of a reference run; the harness trains a network for as many
MOST_APART = 0.05


def both_epochs_sections(frames: Frames) -> list[Section]:
    """Compare the harness's training epoch with those of the reference runs."""
    runs = dict(by_stack(frames.epochs))
    samples = frames.samples[(frames.samples["harness"] == "epoch") & (frames.samples["measurement"] == "train_epoch")]
    rows, apart = [], []
    for stack, own in by_stack(samples):
        if stack not in runs:
            continue
        alone = estimate_of(own).center
        early = runs[stack]["epoch"] <= EARLY_EPOCHS
        whole, first, later = (
            _median(runs[stack][chosen]["train_seconds"]) for chosen in (early | ~early, early, ~early)
        )
        if whole is None:
            continue
        if abs(whole / alone - 1) > MOST_APART:
            apart.append(f"{stack.name} {format_number(whole / alone)}")
        times = [format_seconds(seconds) for seconds in (alone, whole, first, later)]
        rows.append([stack.name, *times, format_number(whole / alone)])
    if not rows:
        return []
    headers = ["stack", "harness", "reference run", f"its epochs 1 to {EARLY_EPOCHS}", "its later epochs"]
    notices = [f"More than 5 % apart, as reference run over harness: {'; '.join(apart)}."] if apart else []
    section = Section("Epochs of the harness and of the reference run", [TWO_EPOCHS], [*headers, "times as long"], rows)
    return [replace(without_columns_of(section, MISSING), notices=notices)]


TWO_EPOCHS = (
    "Median training epochs. The harness times the first epochs of a fresh network in succession; a reference run "
    "validates after each and samples its memory. Later epochs work on a trained network: for pixels that are rarely "
    "nonzero the squared gradients of RMSProp decay by 0.9 a step, after 611 steps without any to subnormal numbers, "
    "and stay subnormal; JAX flushes these to 0, NumPy, Theano and PyTorch compute with them, and no stack is "
    "configured otherwise. The ranking is by the harness, the reference clock by the reference run."
)


def _median(seconds: pd.Series) -> float | None:
    return or_none(seconds.median())
