"""Search for the culprit: measure the best next block, update the posterior, stop when it is certain, confirm.

It measures through ``Laboratory`` only, so that a live bisection and a replay of recorded noise are the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from bench.gate.verdict.bisection.choice import Costs, next_block
from bench.gate.verdict.bisection.model import MeasuredBlock
from bench.gate.verdict.bisection.posterior import Inference, Posterior
from bench.gate.verdict.confirm import confirm
from bench.gate.verdict.design import DESIGN
from bench.gate.verdict.samples import effect_on_scale, from_scale, on_scale
from bench.gate.verdict.values import Decision, Judgement, Metric, ProcessSample, Verdict
from bench.units import format_percent

MIN_END_BLOCKS = 2
BLOCK_OF_ENDS = 4  # processes: two of each end, or of a culprit and its parent
ENDS_DIFFER = 0.05  # probability of no step at which the search for it begins
SMALLEST_STEP = 0.2  # of the effect that matters
GIVE_UP_AFTER = 2  # blocks in which a commit measured nothing

Parts = tuple[int, ...]  # positions that cannot be told apart: the last can be measured, those before it cannot


class Outcome(StrEnum):
    CULPRIT = "culprit"
    TWO_STEPS = "two steps"
    NO_STEP = "no step"
    UNDECIDED = "undecided"


OUTCOMES = (  # by the number of steps, with the reason
    (Outcome.NO_STEP, "the ends of the range do not differ by a step that matters"),
    (Outcome.CULPRIT, "the step is here with a probability of {}"),
    (Outcome.TWO_STEPS, "there are two steps, and they are here with a probability of {}"),
)


class Laboratory(Protocol):
    """Measuring side of a bisection; ``clock`` is in seconds."""

    clock: Callable[[], float]

    def build(self, position: int) -> str | None:
        """Prepare a commit for measuring; return the reason if that is impossible."""
        ...

    def measure(self, positions: tuple[int, ...], confirming: bool) -> Sequence[float | None]:
        """Measure one process for each of ``positions`` concurrently; return values in the unit of the metric."""
        ...


@dataclass(frozen=True)
class Culprit:
    """Step introduced by one of ``parts``; ``ratio`` is that to the parent in fresh blocks, None if unconfirmed."""

    parts: Parts
    ratio: float | None = None


@dataclass(frozen=True)
class SearchResult:
    """Result; ``steps`` are the culprits found, one or two, earliest first, and ``probability`` that of the outcome.

    Without an outcome ``probability`` is that of the most probable one.  ``reason`` is a sentence.
    """

    outcome: Outcome
    steps: tuple[Culprit, ...]
    probability: float
    posterior: Posterior
    reason: str


@dataclass
class Search:
    """State of a bisection of positions 0 to ``last``; ``watch`` receives every posterior, ``say`` what else happens.

    ``built`` and ``silent`` (blocks in which a commit measured nothing) are kept for a search that is resumed.
    """

    last: int
    metric: Metric
    laboratory: Laboratory
    budget_seconds: float
    confidence: float = 0.99
    confirms: bool = True
    say: Callable[[str], None] = lambda line: None
    watch: Callable[[Posterior], None] = lambda posterior: None
    process_seconds: float = 2.0  # until the first block is measured
    build_seconds: float = 20.0  # until the first commit is built
    built: set[int] = field(default_factory=set)
    failures: dict[int, str] = field(default_factory=dict)
    silent: dict[int, int] = field(default_factory=dict)
    unconfirmed: set[Parts] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.inference = Inference(self.last, SMALLEST_STEP * effect_on_scale(self.metric))
        self._began = self.laboratory.clock()

    def run(self) -> SearchResult:
        """Search until an outcome has the wanted probability, and a culprit is confirmed, or the budget is spent."""
        while True:
            posterior = self.inference.posterior()
            self.watch(posterior)
            found = self._settled(posterior)
            if found and (found.outcome is not Outcome.CULPRIT or not self.confirms):
                return found
            if found and (confirmed := self._confirmed(found)):
                return confirmed
            if found:
                posterior = self.inference.posterior()
            if end := self._silent_end():
                return self._undecided(posterior, f"the {end} end of the range measured no {self.metric.name}")
            begun = len(self.inference.blocks) >= MIN_END_BLOCKS  # a search without these could say nothing
            if begun and not self._time_for(BLOCK_OF_ENDS, self.budget_seconds):
                return self._undecided(posterior)
            block = self._next(posterior)
            if self._buildable(block):
                self._measure(block)

    def _settled(self, posterior: Posterior) -> SearchResult | None:
        """Return the outcome whose probability is at least the wanted one, None if there is none."""
        if len(self.inference.blocks) < MIN_END_BLOCKS:
            return None
        for intervals, probability in posterior.weights.items():
            if probability >= self.confidence and all(posterior.is_resolved[one - 1] for one in intervals):
                outcome, why = OUTCOMES[len(intervals)]
                steps = tuple(Culprit(posterior.group(one)) for one in intervals)
                return SearchResult(outcome, steps, probability, posterior, why.format(format_percent(probability, 1)))
        return None

    def _undecided(self, posterior: Posterior, why: str = "the budget is spent") -> SearchResult:
        probability = max(posterior.no_step, float(posterior.one_step.max()), posterior.two_steps)
        return SearchResult(Outcome.UNDECIDED, (), probability, posterior, why)

    def _next(self, posterior: Posterior) -> tuple[int, ...]:
        ends = (0, self.last) * (BLOCK_OF_ENDS // 2)
        if len(self.inference.blocks) < MIN_END_BLOCKS or posterior.no_step > ENDS_DIFFER:
            return ends
        measured = [block.positions for block in self.inference.blocks]
        return next_block(posterior, self.built, Costs(self.process_seconds, self.build_seconds), measured)

    def _buildable(self, block: tuple[int, ...]) -> bool:
        """Build the commits of ``block`` that are not built yet; return False if one of them cannot be."""
        for position in sorted(set(block) - self.built):
            start = self.laboratory.clock()
            failure = self.laboratory.build(position)
            self.build_seconds = self.laboratory.clock() - start
            if failure is not None:
                self.skip(position, failure)
                return False
            self.built.add(position)
        return True

    def skip(self, position: int, failure: str) -> None:
        """Leave a commit out that cannot be measured; its neighbours cannot be told from it."""
        self.failures[position] = failure
        self.inference.skipped.add(position)

    def _measure(self, positions: tuple[int, ...], confirming: bool = False) -> Sequence[float | None]:
        """Measure a block and add its values to the inference; commits that measure nothing twice are skipped."""
        start = self.laboratory.clock()
        values = self.laboratory.measure(positions, confirming)
        self.process_seconds = (self.laboratory.clock() - start) / len(positions)
        self.add(positions, values)
        return values

    def add(self, positions: tuple[int, ...], values: Sequence[float | None]) -> None:
        """Add the values of a measured block, None where a process failed, in the unit of the metric."""
        known = [(place, on_scale(self.metric, value)) for place, value in zip(positions, values, strict=True)]
        known = [(place, value) for place, value in known if value is not None]
        for position in set(positions) - {place for place, _ in known}:
            self.silent[position] = self.silent.get(position, 0) + 1
            if self.silent[position] >= GIVE_UP_AFTER and 0 < position < self.last:
                self.skip(position, f"its processes measured no {self.metric.name} in {GIVE_UP_AFTER} blocks")
        if len(known) > 1:
            self.inference.add(MeasuredBlock(*zip(*known, strict=True)))

    def _confirmed(self, found: SearchResult) -> SearchResult | None:
        """Compare the culprit with its parent on fresh blocks by the gate's rule; None if that does not confirm it.

        The effect that matters is here the step that was found, if that is smaller.
        """
        (culprit,) = found.steps
        parent, child = culprit.parts[0] - 1, culprit.parts[-1]
        if not self._buildable((parent, child)):  # in a search that was resumed
            return None
        step = found.posterior.step
        size = abs(from_scale(self.metric, step) - 1) if self.metric.is_ratio else step
        metric = replace(self.metric, effect=min(self.metric.effect, size))
        decision = Decision((Judgement(metric, Verdict.UNDECIDED, "", ratio=1.0),), None, (metric.name,), False)
        samples: list[ProcessSample] = []
        limit_seconds = self.budget_seconds * (1 + DESIGN.confirming_overrun)
        while decision.to_confirm and self._time_for(BLOCK_OF_ENDS, limit_seconds):
            number = len(samples)
            roles = (parent, child, child, parent)
            values = self._measure(roles, confirming=True)
            for role, value in zip(roles, values, strict=True):
                samples.append(ProcessSample(number, "B" if role == child else "A", value))
            decision = confirm(decision, {metric.name: samples})
        judged = decision.judgements[0]
        if judged.verdict is Verdict.REGRESSED:
            confirmed = Culprit(culprit.parts, judged.fresh_ratio)
            why = f"{found.reason}, and confirmed against its parent in {judged.num_fresh_blocks} fresh blocks"
            return SearchResult(found.outcome, (confirmed,), found.probability, found.posterior, why)
        self.unconfirmed.add(culprit.parts)
        self.say(f"not confirmed against its parent: {judged.reason or 'no time was left'}")
        return None

    @property
    def seconds(self) -> float:
        """Time since the search was made."""
        return self.laboratory.clock() - self._began

    def _silent_end(self) -> str | None:
        silent = [self.silent.get(end, 0) >= GIVE_UP_AFTER for end in (0, self.last)]
        return "good" if silent[0] else "bad" if silent[1] else None

    def _time_for(self, num_processes: int, limit_seconds: float) -> bool:
        return self.seconds + num_processes * self.process_seconds <= limit_seconds
