"""Progress display of a run: current case, results, processes done, time left."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from bench.measure.case import Case, PlannedCase
from bench.measure.runner import Progress, Step
from bench.measure.worker import WorkerResult
from bench.records.reference_clock import compared_with_2016, is_canonical_run
from bench.units import format_minutes, format_number, format_percent, format_seconds

CANONICAL = "theano/as_published on cpu"


class RunProgress(Progress):
    """Progress display: a live bar on a terminal, else a line per replicate; and a line for each result.

    The time left is the sum, over the remaining replicates, of the mean time of earlier replicates of the same case
    with any seed; without these, of the plan's estimate, scaled by the error of the estimates so far.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._remaining: list[PlannedCase] = []
        self._later_seconds = 0.0
        self._total = self._last_round = 0
        self._seen: dict[Case, list[float]] = defaultdict(list)
        self._guessed_seconds = self._measured_seconds = 0.0
        self._canonical_epochs: dict[int, float] = {}  # by interleaved round, in seconds
        self._bar: RichProgress | None = None
        if console.is_terminal and console.file.isatty():  # with FORCE_COLOR alone rich assumes a terminal
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=None, left="")

    def __enter__(self) -> RunProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar:
            self._bar.stop()

    def expect(self, steps: Sequence[Step], later_seconds: float) -> None:
        self._remaining = [step.planned for step in steps]
        self._later_seconds = later_seconds
        self._guessed_seconds = self._measured_seconds = 0.0  # new estimates are already based on measurements
        done, self._total = self._total, self._total + len(steps)
        if self._bar:
            self._bar.update(self._task, total=self._total)
        if steps:
            number = "1 process" if len(steps) == 1 else f"{len(steps)} processes"
            when = f"further processes after the first round: {number}" if done else number
            self._print(f"{when}{' at first' if later_seconds else ''}, {self._left()}")

    def start(self, planned: PlannedCase, round: int) -> None:
        self._started_seconds = time.perf_counter()
        self._round = round
        what = f"{planned.case.label} ({planned.rounds.index(round) + 1}/{planned.replicates})"
        if self._bar:
            self._bar.update(self._task, description=what, left=self._left())
        if round > self._last_round == 0:
            self._print(f"every case measured once: {self._left()}")
        self._last_round = round
        if not self._bar:
            self._print(f"[{self._total - len(self._remaining) + 1}/{self._total}] {what}, {self._left()}")

    def finish(self, planned: PlannedCase, outcome: WorkerResult) -> None:
        seconds = time.perf_counter() - self._started_seconds
        self._seen[_same_work(planned.case)].append(seconds)
        self._guessed_seconds += planned.expected_seconds
        self._measured_seconds += seconds
        if planned in self._remaining:
            self._remaining.remove(planned)
        if self._bar:
            self._bar.advance(self._task)
        if outcome.reason is not None:
            self._print(f"failed: {planned.case.label}: {outcome.reason}", style="red")
        elif line := self._result(planned.case, outcome):
            self._print(f"  {line}", style="bold" if planned.case.harness == "reference" else None)

    def seconds_left(self) -> float:
        """Estimate the seconds left for all unfinished processes."""
        scale = self._measured_seconds / self._guessed_seconds if self._guessed_seconds else 1.0
        return self._later_seconds + sum(
            sum(seen) / len(seen)
            if (seen := self._seen.get(_same_work(planned.case)))
            else planned.expected_seconds * scale
            for planned in self._remaining
        )

    def _left(self) -> str:
        return f"{format_minutes(self.seconds_left())} left"

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def _result(self, case: Case, outcome: WorkerResult) -> str | None:
        """Return the result of epochs or a reference run in a line; None for other harnesses, or without one."""
        found = {one["name"]: one for one in outcome.measurements}
        where = f"{case.backend}/{case.variant} on {case.device}"
        if case.harness == "epoch" and "train_epoch" in found:
            return f"{where}: {self._epoch(where, median(found['train_epoch']['seconds']))}"
        if case.harness == "reference" and "run" in found:
            return f"{where}: {_reference_run(case, found['run'])}"
        return None

    def _epoch(self, where: str, seconds: float) -> str:
        text = f"a training epoch takes {format_seconds(seconds)}"
        if where == CANONICAL:
            self._canonical_epochs[self._round] = seconds
        elif self._round in self._canonical_epochs:
            text += f", {format_number(self._canonical_epochs[self._round] / seconds)} times as fast as {CANONICAL}"
        return text


def _same_work(case: Case) -> Case:
    """Return the case without its seed: seeds of one reference run take equally long."""
    return replace(case, seed=1)


def _reference_run(case: Case, run: dict) -> str:
    (seconds,), accuracy = run["seconds"], run["extra"].get("test_accuracy")
    text = f"{format_seconds(seconds)} for {case.num_epochs} epochs by the reference clock"
    if is_canonical_run(case.batch_size, case.num_epochs):
        text += f", {compared_with_2016(seconds)}"
    return text if accuracy is None else f"{text}; test accuracy {format_percent(accuracy)}, seed {case.seed}"
