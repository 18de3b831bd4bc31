"""Error rates of the bisection on recorded noise, beside plain bisection and git-bayesect.

    python -m benchmarks.bisection results/noise/quiet.jsonl --trials 2000

Ranges have 8 to 256 commits, and the step is at a random one of them.  Plain bisection measures the middle beside both
ends in a fixed number of blocks, and decides by the nearer end; the number is the smallest with which it finds as many
culprits as ours, known only afterwards.  It checks neither that the ends differ nor its culprit.  Bisection by the gate
decides by a run of the gate, middle against good end, with the injected step as the effect that matters.  git-bayesect
gets a block of three processes for each of its tests, and stops at the same probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from bench.document.section import Section, to_terminal
from bench.document.table import INTEGER, NUMBER_TEXT, SHARE, Column
from bench.gate import live
from bench.gate.block import Block, Slot, Turn
from bench.gate.error_rates.bisection import (
    BUILD_SECONDS,
    METRIC,
    InjectedRange,
    ReplayedSearch,
    TraceLaboratory,
    one_step,
    replay_search,
    two_steps,
)
from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.resample import RecordedBlock, recorded_blocks
from bench.gate.verdict import Verdict
from bench.gate.verdict.bisection.posterior import NO_STEP, TWO_STEPS
from bench.stats.rate import Rate
from bench.units import format_seconds

LENGTHS = (8, 16, 32, 64, 128, 256)
STEPS = {"2%": 1.02, "5%": 1.05, "10%": 1.10}
PAIRS = ((1.05, 1.05), (1.10, 1.05), (1.05, 1.10))
BLOCKS = (1, 2, 3, 4, 6, 8, 12, 16, 24)  # of a decision of plain bisection
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
MAX_TESTS = 300
CURVE = "The most probable hypothesis after every block, in ranges drawn from the prior: how often it holds."

Draw = Callable[[np.random.Generator, int], InjectedRange]
Searched = tuple[bool, int, float]  # whether the culprit was found, processes, seconds


def scenarios() -> dict[str, Draw]:
    drawn: dict[str, Draw] = {"none": lambda random, last: InjectedRange(last)}
    drawn |= {name: lambda random, last, f=f: one_step(random, last, f) for name, f in STEPS.items()}
    drawn["two"] = lambda random, last: two_steps(random, last, PAIRS[random.integers(len(PAIRS))])
    kinds = {"none": NO_STEP, **dict.fromkeys(STEPS, (1 - NO_STEP - TWO_STEPS) / len(STEPS)), "two": TWO_STEPS}
    drawn["prior"] = lambda random, last: drawn[str(random.choice([*kinds], p=[*kinds.values()]))](random, last)
    return drawn


def drawn_range(draw: Draw, trial: int) -> InjectedRange:
    random = np.random.default_rng(trial)
    return draw(random, int(random.choice(LENGTHS)))


def rates(name: str, runs: Sequence[ReplayedSearch]) -> list:
    processes, seconds = [run.num_processes for run in runs], [run.seconds for run in runs]
    right, wrong = sum(run.is_right for run in runs), sum(run.is_wrong for run in runs)
    return [
        name,
        len(runs),
        *(str(Rate(count, len(runs))) for count in (right, wrong, len(runs) - right - wrong)),
        f"{np.median(processes):.0f}, {np.quantile(processes, 0.95):.0f}",
        f"{format_seconds(float(np.median(seconds)))}, {format_seconds(float(np.quantile(seconds, 0.95)))}",
    ]


def calibration_rows(runs: Sequence[ReplayedSearch]) -> list[list]:
    """Return for each bin of stated probabilities: looks, mean stated, and share that held."""
    stated = np.array([pair for run in runs for pair in run.stated], float)
    rows = []
    for low, high in pairwise(BINS):
        inside = stated[(stated[:, 0] >= low) & ((stated[:, 0] < high) | (high == 1))]
        if len(inside):
            rows.append([f"{low:g} to {high:g}", len(inside), float(inside[:, 0].mean()), float(inside[:, 1].mean())])
    return rows


def nearer_to_bad(laboratory: TraceLaboratory, position: int, num_blocks: int) -> bool:
    """Return whether the mean of ``position`` over blocks with both ends is nearer to the bad end."""
    last, excess = laboratory.commits.last, 0.0
    for _ in range(num_blocks):
        good, bad, middle = np.log(laboratory.measure((0, last, position)))
        excess += middle - (good + bad) / 2
    return excess > 0


def bisected(laboratory: TraceLaboratory, is_bad: Callable[[int], bool]) -> int:
    """Return the first bad commit by halving the range."""
    good, bad = 0, laboratory.commits.last
    while bad - good > 1:
        middle = (good + bad) // 2
        laboratory.build(middle)
        good, bad = (good, middle) if is_bad(middle) else (middle, bad)
    return bad


def plain(laboratory: TraceLaboratory, num_blocks: int) -> int:
    return bisected(laboratory, lambda middle: nearer_to_bad(laboratory, middle, num_blocks))


def by_the_gate(laboratory: TraceLaboratory, effect: float) -> int:
    def regressed(middle: int) -> bool:
        def measure_block(number: int, kind: str, roles: Sequence[str], _: Sequence[str]) -> Block:
            start = laboratory.seconds
            turns = laboratory.turns(tuple(middle if role == "B" else 0 for role in roles))
            recorded = [
                Turn(METRIC.name, round_, slot, start, float(value))
                for round_, row in enumerate(np.exp(turns))
                for slot, value in enumerate(row)
            ]
            slots = tuple(Slot(role, 1) for role in roles)
            return Block(number, kind, slots, tuple(recorded), laboratory.seconds - start)

        outcome = live.run(measure_block, [replace(METRIC, effect=effect)], 60.0, laboratory.clock)
        return outcome.decision.judgements[0].verdict is Verdict.REGRESSED

    return bisected(laboratory, regressed)


def bayesect(laboratory: TraceLaboratory, confidence: float = 0.99) -> int | None:
    """Return the culprit of git-bayesect's own inference and choice; None if it needs more than MAX_TESTS tests."""
    from git_bayesect import Bisector

    last, built = laboratory.commits.last, set()
    bisector = Bisector(np.ones(last + 1))  # index 0 is the newest commit; a culprit at ``last`` is the good end
    bisector.prior_weights[last] = 1e-12
    for end, fails in ((0, True), (last, False)):
        bisector.record(end, fails)
    for _ in range(MAX_TESTS):
        with np.errstate(divide="ignore", invalid="ignore"):
            index = bisector.select()
        best = int(np.argmax(bisector.distribution))
        if bisector.distribution[best] >= confidence:
            return last - best
        position = last - index
        if position not in built | {0, last}:
            built.add(position)
            laboratory.build(position)
        bisector.record(index, nearer_to_bad(laboratory, position, 1) if 0 < position < last else position == last)
    return None


def rival_rows(blocks: Sequence[RecordedBlock], name: str, draw: Draw, ours: Sequence[ReplayedSearch]) -> list[list]:
    def replayed(method: Callable[[TraceLaboratory], int | None]) -> list[Searched]:
        found = []
        for trial in range(len(ours)):
            laboratory = TraceLaboratory(blocks, drawn_range(draw, trial), np.random.default_rng(trial))
            is_right = method(laboratory) == laboratory.commits.culprits[0]
            found.append((is_right, laboratory.num_processes, laboratory.seconds))
        return found

    def row(method: str, found: list[Searched]) -> list:
        right, processes, seconds = zip(*found, strict=True)
        rate, duration = str(Rate(sum(right), len(found))), format_seconds(float(np.median(seconds)))
        return [name, method, len(found), rate, f"{np.median(processes):.0f}", duration]

    rows = [row("ours", [(run.is_right, run.num_processes, run.seconds) for run in ours])]
    for num_blocks in BLOCKS:
        found = replayed(lambda laboratory, n=num_blocks: plain(laboratory, n))
        if sum(right for right, *_ in found) >= sum(run.is_right for run in ours) or num_blocks == BLOCKS[-1]:
            rows.append(row(f"plain, {num_blocks} blocks a decision", found))
            break
    rows.append(row("by the gate", replayed(lambda laboratory: by_the_gate(laboratory, STEPS[name] - 1))))
    return [*rows, row("git-bayesect", replayed(bayesect))]


@click.command()
@click.argument("trace", type=click.Path(exists=True, path_type=Path))
@click.option("--trials", type=int, default=2000, help="Replays of each row.")
@click.option("--rival-trials", type=int, default=200, help="Of each row of the comparison.")
@click.option("--budget", "budget_seconds", type=float, default=900.0, help="Seconds of one bisection.")
@click.option("--only", multiple=True, help="Only this injection: none, 2%, 5%, 10%, two, prior; repeat.")
def main(trace: Path, trials: int, rival_trials: int, budget_seconds: float, only: tuple[str, ...]) -> None:
    """Replay bisections on TRACE and print their rates, their calibration and their rivals'."""
    blocks = recorded_blocks(read_trace(trace))
    draws = {name: draw for name, draw in scenarios().items() if not only or name in only}
    runs = {
        name: [replay_search(blocks, drawn_range(draw, trial), trial, budget_seconds) for trial in range(trials)]
        for name, draw in draws.items()
    }
    texts = [Column(name, NUMBER_TEXT) for name in ("right", "wrong", "undecided", "processes", "time")]
    about = f"Wilson intervals at 95 %; medians and 95 % quantiles; {format_seconds(BUILD_SECONDS)} for each build."
    table = [rates(name, found) for name, found in runs.items()]
    if steps := [run for name in STEPS for run in runs.get(name, ())]:
        table.append(rates("one step", steps))
    parts = [Section("Bisections", [about], ["injected", Column("replays", INTEGER), *texts], table)]
    curve = ["stated", Column("looks", INTEGER), Column("mean", SHARE), Column("held", SHARE)]
    if "prior" in runs:
        parts.append(Section("Calibration", [CURVE], curve, calibration_rows(runs["prior"])))
    if rival_trials:
        rivalled = [name for name in STEPS if name in runs]
        rows = [row for name in rivalled for row in rival_rows(blocks, name, draws[name], runs[name][:rival_trials])]
        texts = [Column(name, NUMBER_TEXT) for name in ("right", "processes", "time")]
        parts.append(Section("Rivals", [], ["injected", "method", Column("replays", INTEGER), *texts], rows))
    to_terminal(f"Bisections replayed from {trace}", parts, Console(width=150))


if __name__ == "__main__":
    main()
