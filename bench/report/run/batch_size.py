"""Scaling of a training step with the batch size: all stacks, crossovers, and each stack's linear fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bench.document.section import Section
from bench.document.table import INTEGER, NUMBER, Column
from bench.records.frames import Frames
from bench.records.stack_key import StackKey, by_stack
from bench.report.run.comparisons import DevicePair, device_pairs
from bench.report.run.tables import ESTIMATE_COLUMNS, estimate_cells, estimate_of, interval_sentences
from bench.stats import estimates
from bench.stats.crossover import Crossover, HalfPeak, Lead, crossover, half_peak
from bench.units import format_number, format_percent, format_seconds_with_interval
from mlp.recipe import CANONICAL

StepEstimates = Mapping[StackKey, Mapping[int, estimates.Estimate]]  # batch size -> seconds of a training step
StepCurves = Mapping[StackKey, Mapping[int, float]]  # the same, medians only


def step_estimates(frames: Frames) -> StepEstimates:
    """Return the estimated duration of a training step at each batch size, for each stack."""
    steps = frames.samples[[*StackKey._fields, "harness", "batch_size", "process", "seconds"]]
    return {
        stack: {int(size): estimate_of(rows) for size, rows in samples.groupby("batch_size", observed=True)}
        for stack, samples in by_stack(steps[steps["harness"] == "batch_size"])
    }


def crossovers(curves: StepCurves) -> list[tuple[DevicePair, Crossover]]:
    """Return the batch size from which the GPU is ahead, for each CPU/GPU pair; the fastest are those at batch 500."""
    seconds = {stack: curve[CANONICAL.batch_size] for stack, curve in curves.items() if CANONICAL.batch_size in curve}
    found = [(pair, crossover(curves[pair.cpu], curves[pair.gpu])) for pair in device_pairs(seconds)]
    return [(pair, crossing) for pair, crossing in found if crossing is not None]


def all_stacks_sections(curves: StepCurves, crossings: list[tuple[DevicePair, Crossover]]) -> list[Section]:
    """Return the curves of all stacks in one table, if there are several."""
    if len(curves) < 2:
        return []
    sizes = sorted({size for curve in curves.values() for size in curve})
    rows = [[size, *(size / curve[size] if size in curve else None for curve in curves.values())] for size in sizes]
    sentences = [crossover_sentence(pair, crossing) for pair, crossing in crossings]
    columns = [Column("batch size", INTEGER), *(Column(stack.name, NUMBER) for stack in curves)]
    return [Section("Batch size: examples/s of a training step", sentences, columns, rows, ["batch_size"])]


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


def batch_law(samples: pd.DataFrame) -> estimates.BatchLaw | None:
    """Fit ``a + b B`` to the medians of processes; None with fewer than three batch sizes that all of them measured."""
    medians = samples.groupby(["process", "batch_size"], observed=True)["seconds"].median().unstack()
    medians = medians.dropna(axis="columns")
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


def scalings(frames: Frames, curves: StepCurves) -> list[Scaling]:
    found = []
    for stack, samples in by_stack(frames.samples[frames.samples["harness"] == "batch_size"]):
        law = batch_law(samples)
        knee = None if law is None else law.knee_batch_size
        measured = None if law is not None and law.holds else half_peak(curves[stack])
        found.append(Scaling(stack, law, knee, measured))
    return found


def stack_sections(measured: StepEstimates, found: list[Scaling]) -> list[Section]:
    """Return each stack's table and law; with the plot if there is only one stack."""
    sections = [_stack_section(one, measured[one.stack]) for one in found]
    for section in sections:
        section.folded = len(sections) > 1
    return sections


def _stack_section(scaling: Scaling, measured: Mapping[int, estimates.Estimate]) -> Section:
    rows = [[size, *estimate_cells(one), size / one.center] for size, one in measured.items()]
    columns = [Column("batch size", INTEGER), *ESTIMATE_COLUMNS, Column("examples/s", NUMBER)]
    sentences = [] if scaling.law is None else _law_sentences(scaling.law)
    sentences += _half_peak_sentences(scaling.half_peak) + interval_sentences(measured.values())
    return Section(f"Batch size: {scaling.stack.name_with_threads}", sentences, columns, rows, ["batch_size"])


def _law_sentences(law: estimates.BatchLaw) -> list[str]:
    a = format_seconds_with_interval(law.a_seconds, law.a_low, law.a_high)
    b = format_seconds_with_interval(law.b_seconds, law.b_low, law.b_high)
    sentence = f"t(B) = a + b*B with a = {a} of overhead and b = {b} per example"
    if law.knee_batch_size is not None:
        sentence += f"; half of its greatest throughput is reached at B = {format_number(law.knee_batch_size)}"
    fit = f"The law misses the measured medians by at most {format_percent(law.worst_residual, 1)}"
    fit += "." if law.holds else f", more than {format_percent(estimates.MAX_RESIDUAL, 0)}: it does not hold here."
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
