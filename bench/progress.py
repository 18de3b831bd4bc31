"""What a person sees while a run measures: what is running, how much is done, how long is left."""

from __future__ import annotations

import time
from collections import defaultdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from bench.case import Planned
from bench.runner import Step
from bench.units import format_seconds
from bench.worker import Outcome


class RunProgress:
    """A live bar on a terminal; one line per replicate elsewhere (CI logs, pipes).

    The time left is the sum over the remaining replicates of what earlier ones of the same case took, or of the
    plan's guess while there is none, scaled by how wrong those guesses were so far.
    """

    def __init__(self, steps: list[Step], console: Console) -> None:
        self._console = console
        self._remaining = [step.planned for step in steps]
        self._total = len(steps)
        self._seen: dict[object, list[float]] = defaultdict(list)
        self._guessed_seconds = self._measured_seconds = 0.0
        self._bar: RichProgress | None = None
        if console.is_terminal and console.file.isatty():  # FORCE_COLOR alone makes rich believe in a terminal
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=self._total, left="")

    def __enter__(self) -> RunProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar:
            self._bar.stop()

    def start(self, planned: Planned, replicate: int) -> None:
        self._started_seconds = time.perf_counter()
        what = f"{planned.case.label} ({planned.rounds.index(replicate) + 1}/{planned.replicates})"
        left = f"about {format_seconds(self.seconds_left())} left"
        if self._bar:
            self._bar.update(self._task, description=what, left=left)
        else:
            done = self._total - len(self._remaining)
            self._console.print(f"[{done + 1}/{self._total}] {what}, {left}", markup=False, highlight=False)

    def finish(self, planned: Planned, outcome: Outcome) -> None:
        seconds = time.perf_counter() - self._started_seconds
        self._seen[planned.case].append(seconds)
        self._guessed_seconds += planned.expected_seconds
        self._measured_seconds += seconds
        if planned in self._remaining:
            self._remaining.remove(planned)
        if self._bar:
            self._bar.advance(self._task)
        if outcome.reason is not None:
            self._console.print(f"failed: {planned.case.label}: {outcome.reason}", style="red", markup=False)

    def seconds_left(self) -> float:
        """The best guess so far, in seconds, for everything that is not finished."""
        scale = self._measured_seconds / self._guessed_seconds if self._guessed_seconds else 1.0
        return sum(
            sum(seen) / len(seen) if (seen := self._seen.get(planned.case)) else planned.expected_seconds * scale
            for planned in self._remaining
        )
