"""Scaling of a training step with the batch size: all stacks, crossovers, and each stack's linear fit."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bench.document.section import Section
from bench.records.frames import Frames
from bench.records.stack_key import StackKey, by_stack
from bench.report.run.comparisons import DevicePair, device_pairs
from bench.report.run.tables import estimate_cells, estimate_of, interval_sentences
from bench.stats import estimates
from bench.stats.crossover import Crossover, HalfPeak, Lead, crossover, half_peak
from bench.units import MISSING, format_interval, format_number, format_percent, format_seconds
from mlp.recipe import CANONICAL


def step_curves(frames: Frames) -> dict[StackKey, dict[int, float]]:
    """{stack: {batch size: seconds of one training step}}."""
    return {
        stack: {int(size): estimate_of(rows).center for size, rows in samples.groupby("batch_size", observed=True)}
        for stack, samples in by_stack(frames.samples[frames.samples["harness"] == "batch_size"])
    }


def crossovers(frames: Frames) -> list[tuple[DevicePair, Crossover]]:
    """Return the batch size from which the GPU is ahead, for each CPU/GPU pair; the fastest are those at batch 500."""
    curves = step_curves(frames)
    seconds = {stack: curve[CANONICAL.batch_size] for stack, curve in curves.items() if CANONICAL.batch_size in curve}
    found = [(pair, crossover(curves[pair.cpu], curves[pair.gpu])) for pair in device_pairs(seconds)]
    return [(pair, crossing) for pair, crossing in found if crossing is not None]


def all_stacks_sections(frames: Frames) -> list[Section]:
    """Return the curves of all stacks in one table, if there are several."""
    curves = step_curves(frames)
    if len(curves) < 2:
        return []
    sizes = sorted({size for curve in curves.values() for size in curve})
    rows = [
        [f"{size:,}", *(format_number(size / curve[size]) if size in curve else MISSING for curve in curves.values())]
        for size in sizes
    ]
    sentences = [crossover_sentence(pair, crossing) for pair, crossing in crossovers(frames)]
    headers = ["batch size", *(stack.name for stack in curves)]
    return [Section("Batch size: examples/s of a training step", sentences, headers, rows, ["batch_size"])]


def crossover_sentence(pair: DevicePair, crossing: Crossover) -> str:
    who = f"{pair.gpu.name} against {pair.cpu.name}"
    if crossing.lead is Lead.ALWAYS:
        return f"{who}: the GPU is ahead at every measured batch size, up to {crossing.largest:,}."
    if crossing.lead is Lead.NEVER:
        return f"{who}: there is no batch size up to {crossing.largest:,} from which the GPU stays ahead."
    return (
        f"{who}: the GPU is ahead from a batch size of about {format_number(crossing.batch_size)} on (between the "
        f"measured {crossing.below:,} and {crossing.above:,})."
    )


def process_medians(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds of a training step by process (rows) and batch size (columns) that all of them measured."""
    medians = samples.groupby(["process", "batch_size"], observed=True)["seconds"].median().unstack()
    return medians.dropna(axis="columns")


def batch_law(medians: pd.DataFrame) -> estimates.BatchLaw | None:
    """Fit ``a + b B`` to ``process_medians``; None with fewer than three batch sizes."""
    if len(medians.columns) < 3:
        return None
    return estimates.fit_batch_law([int(size) for size in medians.columns], medians.to_numpy().tolist())


@dataclass(frozen=True)
class Scaling:
    """Scaling of a stack's step: its linear law, and the batch size of half the throughput, by the law or as measured.

    ``knee_batch_size`` is None if the law does not hold, ``half_peak`` if it does.
    """

    stack: StackKey
    law: estimates.BatchLaw | None
    knee_batch_size: float | None
    half_peak: HalfPeak | None


def scalings(frames: Frames) -> list[Scaling]:
    curves = step_curves(frames)
    found = []
    for stack, samples in by_stack(frames.samples[frames.samples["harness"] == "batch_size"]):
        law = batch_law(process_medians(samples))
        knee = None if law is None else law.knee_batch_size
        measured = None if law is not None and law.holds else half_peak(curves[stack])
        found.append(Scaling(stack, law, knee, measured))
    return found


def stack_sections(frames: Frames) -> list[Section]:
    """Return each stack's table and law; with the plot if there is only one stack."""
    chosen = frames.samples[frames.samples["harness"] == "batch_size"]
    found = [_stack_section(stack, samples) for stack, samples in by_stack(chosen)]
    for section in found:
        section.folded = len(found) > 1
    return found


def _stack_section(stack: StackKey, samples: pd.DataFrame) -> Section:
    medians = process_medians(samples)
    estimates = {size: estimate_of(rows) for size, rows in samples.groupby("batch_size", observed=True)}
    rows = [
        [f"{size:,}", *estimate_cells(measured), format_number(size / measured.center)]
        for size, measured in estimates.items()
    ]
    headers = ["batch size", "processes", "samples", "step", "95 % interval", "examples/s"]
    law = batch_law(medians)
    curve = {int(size): measured.center for size, measured in estimates.items()}
    sentences = [] if law is None else _law_sentences(law)
    if law is None or not law.holds:
        sentences += _half_peak_sentences(half_peak(curve))
    sentences += interval_sentences(estimates.values())
    return Section(f"Batch size: {stack.name_with_threads}", sentences, headers, rows, ["batch_size"])


def _law_sentences(law: estimates.BatchLaw) -> list[str]:
    a, b = format_seconds(law.a_seconds), format_seconds(law.b_seconds)
    if law.a_low is not None:
        a += f" ({format_interval(law.a_low, law.a_high)})"
    if law.b_low is not None:
        b += f" ({format_interval(law.b_low, law.b_high)})"
    sentence = f"t(B) = a + b*B with a = {a} of overhead and b = {b} per example"
    if law.knee_batch_size is not None:
        sentence += f"; half of its greatest throughput is reached at B = {format_number(law.knee_batch_size)}"
    fit = f"The law misses the measured medians by at most {format_percent(law.worst_residual, 1)}"
    fit += "." if law.holds else f", more than {format_percent(stats.MAX_RESIDUAL, 0)}: it does not hold here."
    return [sentence + ".", fit]


def _half_peak_sentences(half: HalfPeak | None) -> list[str]:
    if half is None:
        return []
    peak = f"Half of the measured peak of {format_number(half.peak_examples_per_second)} examples/s is reached"
    if half.batch_size is None:
        return [f"{peak} at the smallest batch size, {half.above:,}."]
    return [
        f"{peak} at B = {format_number(half.batch_size)}, between the measured {half.below:,} and {half.above:,}: "
        "interpolated linearly in B."
    ]
