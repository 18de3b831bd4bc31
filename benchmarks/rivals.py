"""Decision rules of other tools on the same recorded noise, by their own code where it can be imported.

Each rule takes the turns of every process of both sides, in seconds, and returns True if the candidate regressed.  Two
arrangements of the same processes are replayed: ``in turn``, all of the base and then all of the candidate, which is
these tools' default, and ``interleaved``, both sides concurrently as in our own blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import click
import numpy as np
from rich.console import Console

from bench.document.section import Section, to_terminal
from bench.gate.error_rates.noise_trace import Trace, read_trace
from bench.gate.error_rates.replay import Replay, replay_section
from bench.gate.error_rates.resample import ROLES, RecordedBlock, recorded_blocks
from bench.stats.rate import Rate

Processes = Sequence[Sequence[float]]
Rule = Callable[[Processes, Processes], bool]

MAX_TRIALS = 500  # their code judges one run at a time
NUM_COMPARED = ROLES.count("A") + ROLES.count("B")  # processes of a block
PYPERF_VALUES = 3  # per process, pyperf's default


def asv(base: Processes, candidate: Processes) -> bool:
    """``asv continuous`` with its default factor of 1.1: Mann-Whitney U over all samples, and the ratio of medians."""
    from asv.commands.compare import _is_result_better
    from asv_runner.statistics import compute_stats

    samples = [[turn for process in side for turn in process] for side in (base, candidate)]
    (base_time, base_stats), (time, stats) = (compute_stats(side, 1) for side in samples)
    return _is_result_better(base_time, time, (base_stats, samples[0]), (stats, samples[1]), 1.1)


def pyperf(base: Processes, candidate: Processes) -> bool:
    """``pyperf compare_to``: Student's t at 95 % over all values, and the larger mean; no least difference."""
    from pyperf._utils import is_significant

    before, after = ([turn for process in side for turn in process[:PYPERF_VALUES]] for side in (base, candidate))
    significant, _ = is_significant(before, after)
    return significant and fmean(after) > fmean(before)


def pytest_benchmark(base: Processes, candidate: Processes) -> bool:
    """``--benchmark-compare-fail=mean:5%`` of one process with one saved run of one process."""
    from pytest_benchmark.utils import parse_compare_fail

    check = parse_compare_fail("mean:5%")
    return check.fails({"mean": fmean(candidate[0])}, {"mean": fmean(base[0])}) is not None


def github_action_benchmark(threshold: float) -> Rule:
    """Reimplementation of its rule (not a Python package): an alert if current / previous exceeds the threshold.

    The source is src/write/findAlerts.ts, with 200 % as the default; from Python it reads pytest-benchmark's ops, which
    are 1 / mean.
    """
    return lambda base, candidate: fmean(candidate[0]) / fmean(base[0]) > threshold


RULES: dict[str, Rule] = {
    "asv continuous": asv,
    "pyperf compare_to": pyperf,
    "pytest-benchmark mean:5%": pytest_benchmark,
    "github-action-benchmark 200 % (retold)": github_action_benchmark(2.0),
    "github-action-benchmark 110 % (retold)": github_action_benchmark(1.1),
}


def replay_rivals(
    trace: Trace, inject: float = 1.0, trials: int = MAX_TRIALS, budget_seconds: float = 60.0, seed: int = 0
) -> tuple[list[Replay], list[str]]:
    """Return two Replays, in turn and interleaved, for each installed tool, and a sentence for each missing one.

    Every run is a window of blocks that fits ``budget_seconds``; at most MAX_TRIALS runs are judged.  A rule that uses
    one process of a side gets the same windows, though it would need less time.

    Raises RecordError if the trace is too short.
    """
    blocks = recorded_blocks(trace)
    found, missing = [], []
    for name, rule in RULES.items():
        try:
            for arrangement, arrange in (("in turn", in_turn), ("interleaved", interleaved)):
                random = np.random.default_rng(seed)
                counted, seconds = 0, []
                for _ in range(min(trials, MAX_TRIALS)):
                    window = draw_window(blocks, budget_seconds, random)
                    base, candidate = arrange(window, random)
                    counted += rule(base, [[turn * inject for turn in process] for process in candidate])
                    seconds.append(sum(block.seconds for block in window))
                found.append(_counted(f"{name}, {arrangement}", trace, inject, counted, seconds))
        except ImportError as error:  # not installed, or a version with its rule elsewhere
            package = name.split()[0]
            missing.append(f"The rule of {package} was not replayed ({error}): pip install {package}.")
    return found, missing


def _counted(rule: str, trace: Trace, inject: float, regressed: int, seconds: Sequence[float]) -> Replay:
    return Replay(
        rule=rule,
        trace=trace.name,
        inject=inject,
        num_metrics=1,
        regressed=Rate(regressed, len(seconds)),
        undecided=None,
        unfit=None,
        improved=None,
        median_seconds=float(np.median(seconds)),
        p95_seconds=float(np.quantile(seconds, 0.95)),
    )


def draw_window(
    blocks: Sequence[RecordedBlock], budget_seconds: float, random: np.random.Generator
) -> Sequence[RecordedBlock]:
    """Return consecutive blocks from a random start that fit the budget: an even number, at least two."""
    ends = np.cumsum([block.seconds for block in blocks])
    first = int(random.integers(np.searchsorted(ends, ends[-1] - budget_seconds, side="right") + 1))
    first = min(first, len(blocks) - 2)
    start_seconds = ends[first - 1] if first else 0.0
    count = int(np.searchsorted(ends, start_seconds + budget_seconds, side="right")) - first
    return blocks[first : first + max(2, count - count % 2)]


def in_turn(window: Sequence[RecordedBlock], random: np.random.Generator) -> tuple[Processes, Processes]:
    """Return all processes of the first half of the window as base, those of the second half as candidate."""
    half = len(window) // 2
    sides = window[:half], window[half:]
    return tuple([process for block in side for process in _processes(block, random)] for side in sides)


def interleaved(window: Sequence[RecordedBlock], random: np.random.Generator) -> tuple[Processes, Processes]:
    """Split the processes of every block at random into base and candidate."""
    base, candidate = [], []
    for block in window:
        processes = _processes(block, random)
        base += processes[: NUM_COMPARED // 2]
        candidate += processes[NUM_COMPARED // 2 :]
    return base, candidate


def _processes(block: RecordedBlock, random: np.random.Generator) -> list[list[float]]:
    """Return the turns of NUM_COMPARED processes of the block, chosen at random."""
    columns = list(zip(*block.turns, strict=True))
    drawn = random.permutation(len(columns))[:NUM_COMPARED]
    return [[turn for turn in columns[place] if turn is not None] for place in drawn]


@click.command()
@click.argument("trace", type=click.Path(exists=True, path_type=Path))
@click.option("--inject", type=float, default=1.0, show_default=True, help="Slow side B down by this factor.")
@click.option("--trials", type=int, default=MAX_TRIALS, show_default=True, help="Runs resampled from the trace.")
def main(trace: Path, inject: float, trials: int) -> None:
    """Count how often the rules of other tools call a regression on the recorded noise of TRACE."""
    replays, missing = replay_rivals(read_trace(trace), inject=inject, trials=trials)
    section = replay_section(replays)
    to_terminal(f"{trials} runs replayed from {trace}", [section, Section("Not replayed", missing)], Console())


if __name__ == "__main__":
    main()
