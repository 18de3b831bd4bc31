"""Cost of a longer distance between the cores for each stack of a run."""

from __future__ import annotations

from statistics import median

from bench.records.stack_key import by_stack
from bench.report.core_states import format_distance, states_notice
from bench.report.run.analysis import RunAnalysis
from bench.stats.estimates import INTERVAL_FROM
from bench.units import format_number

MIN_PROCESSES = 2  # at each of two distances, to say what the longer one costs
RULE = f"Ratios of a round are formed at one distance; all are kept where fewer than {INTERVAL_FROM} would remain."


def core_state_notices(analysis: RunAnalysis) -> list[str]:
    """Return at most one notice: the states of a run, what they cost each stack, and the rule of its ratios."""
    notice = states_notice(list(analysis.core_states.values()))
    return [] if notice is None else [" ".join([notice, *_slower(analysis), RULE])]


def _slower(analysis: RunAnalysis) -> list[str]:
    """Return the ratio of each stack's training epoch at the longest distance to that at the shortest, by medians."""
    samples, states = analysis.frames.samples, analysis.core_states
    epochs = samples[(samples["harness"] == "epoch") & (samples["measurement"] == "train_epoch")]
    parts = []
    for stack, rows in by_stack(epochs):
        by_state: dict[float, list[float]] = {}
        for process, seconds in rows.groupby("process", observed=True)["seconds"].median().items():
            if (ns := states[process].ns) is not None:
                by_state.setdefault(ns, []).append(float(seconds))
        enough = [ns for ns, values in by_state.items() if len(values) >= MIN_PROCESSES]
        near, far = min(enough, default=None), max(enough, default=None)
        if near != far:
            ratio = format_number(median(by_state[far]) / median(by_state[near]))
            ends = f"at {format_distance(far)} as at {format_distance(near)}"
            parts.append(f"{stack.name} takes {ratio} times as long {ends}")
    return [f"A training epoch of {', of '.join(parts)} (medians of processes)."] if parts else []
