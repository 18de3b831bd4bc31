"""Report of a bisection: headline, tables, JSON, and a log that ``git bisect replay`` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bench.advice import bench_command
from bench.document.section import Section
from bench.document.table import INTEGER, SHARE, Column
from bench.gate.bisect.commits import MEASURED, CommitInfo, CommitRange
from bench.gate.verdict import Metric, wording
from bench.gate.verdict.bisection.posterior import Posterior
from bench.gate.verdict.bisection.search import Culprit, Outcome, SearchResult
from bench.gate.verdict.samples import from_scale
from bench.units import format_percent, format_seconds

MOST_PROBABLE = 10  # rows
UNLIKELY = 0.001  # probability below which a hypothesis is not listed


class BisectionExit(IntEnum):
    """Exit codes of ``python -m bench bisect``."""

    FOUND = 0
    NO_STEP = 1
    UNDECIDED = 4


EXITS = {Outcome.NO_STEP: BisectionExit.NO_STEP, Outcome.UNDECIDED: BisectionExit.UNDECIDED}


@dataclass(frozen=True)
class Bisection:
    """Finished bisection; ``failures`` maps positions that could not be measured to the reasons.

    ``num_processes`` and ``num_blocks`` count all measurements, ``seconds`` those of this session; ``notes`` are
    further sentences.
    """

    commits: CommitRange
    infos: Mapping[str, CommitInfo]
    metric: Metric
    result: SearchResult
    failures: Mapping[int, str]
    num_blocks: int
    num_processes: int
    seconds: float
    confidence: float
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> BisectionExit:
        return EXITS.get(self.result.outcome, BisectionExit.FOUND)

    def name(self, position: int) -> str:
        """Return ``abc1234 (subject)``."""
        commit = self.commits.commits[position]
        info = self.infos.get(commit)
        return commit[:12] if info is None else f"{info.short} ({info.subject})"

    def name_of_group(self, positions: Sequence[int]) -> str:
        if len(positions) == 1:
            return self.name(positions[0])
        return f"one of {len(positions)} commits that cannot be told apart: {', '.join(map(self.name, positions))}"


def headline(done: Bisection) -> str:
    """Return one line: the outcome, its probability, and the culprits."""
    result, metric = done.result, done.metric.name
    sure = format_percent(result.probability, 1)
    if result.outcome is Outcome.NO_STEP:
        return f"{metric}: no step from {done.commits.good} to {done.commits.bad} ({sure})"
    if result.outcome is Outcome.UNDECIDED:
        return f"{metric}: undecided, {result.reason}; the most probable is {_most_probable(done)}"
    names = "; and ".join(done.name_of_group(step.parts) for step in result.steps)
    return f"{metric}: {result.outcome} ({sure}): {names}"


def sections(done: Bisection) -> list[Section]:
    """Return the outcome, the most probable culprits, skipped commits and the log."""
    parts = [Section("Result", sentences(done))]
    columns = ["commit", "date", "author", "subject", Column("probability", SHARE)]
    rows = [_row(done, positions, probability) for positions, probability in probable(done.result.posterior)]
    parts.append(Section("Most probable", [], columns, rows))
    if done.failures:
        columns = [Column("position", INTEGER), "commit", "reason"]
        rows = [[place, done.name(place), reason] for place, reason in sorted(done.failures.items())]
        parts.append(Section("Commits that cannot be measured", [], columns, rows))
    return parts


def sentences(done: Bisection) -> list[str]:
    result, commits = done.result, done.commits
    found = [
        f"{commits.num_between} commits from {done.name(0)} to {commits.bad}, along first parents; {commits.last} of "
        f"them change {MEASURED}/, the code that is measured.",
        f"{result.outcome.capitalize()}: {result.reason}.",
    ]
    found += [_ratio(done, step) for step in result.steps if step.ratio is not None]
    culprits = [done.infos.get(commits.commits[step.parts[-1]]) for step in result.steps]
    found += [_merge(info) for info in culprits if info and info.is_merge]
    if result.outcome is Outcome.TWO_STEPS:
        found.append(f"Two steps are not confirmed against their parents: {bench_command('gate')} compares each.")
    if result.outcome is not Outcome.NO_STEP:
        size = wording.change(done.metric, from_scale(done.metric, result.posterior.step))
        found.append(f"The whole step, if there is one, is about {size}.")
    found.append(
        f"{done.num_processes} processes in {done.num_blocks} blocks; {format_seconds(done.seconds)} in this session, "
        f"building included. An outcome is stated at a probability of {format_percent(done.confidence, 1)}."
    )
    return [*found, *done.notes]


def probable(posterior: Posterior) -> list[tuple[tuple[tuple[int, ...], ...], float]]:
    """Return the most probable hypotheses: no step (), one in a group of positions, two in two; and probabilities."""
    likely = [entry for entry in posterior.weights.items() if entry[1] >= UNLIKELY]
    ranked = sorted(likely, key=lambda entry: -entry[1])[:MOST_PROBABLE]
    return [(tuple(map(posterior.group, intervals)), probability) for intervals, probability in ranked]


def to_json(done: Bisection) -> dict[str, Any]:
    """Return the bisection as JSON-serializable values."""
    result, commits = done.result, done.commits.commits
    return {
        "headline": headline(done),
        "exit_code": int(done.exit_code),
        "outcome": result.outcome.value,
        "probability": result.probability,
        "confidence": done.confidence,
        "metric": done.metric.name,
        "steps": [
            {"commits": [commits[one] for one in step.parts], "ratio_to_parent": step.ratio} for step in result.steps
        ],
        "most_probable": [
            {"commits": [[commits[one] for one in group] for group in groups], "probability": probability}
            for groups, probability in probable(result.posterior)
        ],
        "not_measurable": {commits[place]: reason for place, reason in sorted(done.failures.items())},
        "commits": list(commits),
        "num_between": done.commits.num_between,
        "num_processes": done.num_processes,
        "num_blocks": done.num_blocks,
        "seconds": done.seconds,
        "sentences": sentences(done),
    }


def to_log(done: Bisection, lines: Sequence[str]) -> str:
    """Return a log for ``git bisect replay``, with ``lines`` as comments; good and bad are stated at the confidence."""
    commits, posterior = done.commits.commits, done.result.posterior
    mean, variance = posterior.levels
    log = [f"# {line}" for line in lines]
    log += [f"# {sentence}" for sentence in sentences(done)]
    log += [f"git bisect start '{commits[-1]}' '{commits[0]}'"] if done.result.outcome is not Outcome.NO_STEP else []
    for position in range(1, done.commits.last):
        if position in done.failures:
            log.append(f"git bisect skip {commits[position]}")
        elif position in posterior.hypotheses.positions and variance[position] < (1 - done.confidence):
            if mean[position] <= 1 - done.confidence:
                log.append(f"git bisect good {commits[position]}")
            elif mean[position] >= done.confidence:
                log.append(f"git bisect bad {commits[position]}")
    log += [f"# first bad commit: {done.name_of_group(step.parts)}" for step in done.result.steps]
    return "\n".join(log) + "\n"


def progress_line(posterior: Posterior, names: Sequence[str]) -> str:
    """Return the state of a search in a line: ``no step 0.1 %; two steps 3.0 %; most probable: ...``."""
    interval = int(posterior.one_step.argmax()) + 1
    group = posterior.group(interval)
    where = names[group[0]] if len(group) == 1 else f"{names[group[0]]} to {names[group[-1]]}, {len(group)} commits"
    shares = [format_percent(one, 1) for one in (posterior.no_step, posterior.two_steps)]
    best = format_percent(float(posterior.one_step[interval - 1]), 1)
    return f"no step {shares[0]}; two steps {shares[1]}; one step {best} in {where}"


def _most_probable(done: Bisection) -> str:
    groups, probability = probable(done.result.posterior)[0]
    names = " and ".join(
        done.name(group[-1]) if len(group) == 1 else f"one of {len(group)} commits up to {done.name(group[-1])}"
        for group in groups
    )
    return f"{names or 'no step'} ({format_percent(probability, 1)})"


def _row(done: Bisection, groups: tuple[tuple[int, ...], ...], probability: float) -> list[Any]:
    if not groups:
        return ["no step", None, None, None, probability]
    ends = [[done.infos.get(done.commits.commits[one]) for one in (group[0], group[-1])] for group in groups]
    short = ["..".join(dict.fromkeys(one.short for one in pair if one)) for pair in ends]
    last = ends[-1][-1]
    about = [last.date, last.author, last.subject] if last and all(len(one) == 1 for one in groups) else [None] * 3
    return [" and ".join(short), *about, probability]


def _ratio(done: Bisection, step: Culprit) -> str:
    return f"{done.name(step.parts[-1])} is {wording.change(done.metric, step.ratio)}, its parent, in fresh blocks."


def _merge(info: CommitInfo) -> str:
    mainline, branch = (parent[:12] for parent in info.parents[:2])
    return (
        f"{info.short} is a merge: to search the branch that it merged, bisect from their common ancestor, "
        + bench_command(f"bisect $(git merge-base {mainline} {branch}) {branch}")
    )
