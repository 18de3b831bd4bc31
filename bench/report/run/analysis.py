"""Analysis of one run: every value of its report, computed once, when it is first needed."""

from __future__ import annotations

from functools import cached_property

from bench.records.comparison_key import ComparisonKey, comparison_keys
from bench.records.core_states import CoreState
from bench.records.frames import drop_invalid, frames_of, measured_replicates
from bench.records.reference_run import ReferenceRuns, runs_of_replicates
from bench.records.run_folder import RunFolder
from bench.records.schema import Replicate
from bench.records.select import states_by_process
from bench.records.stack_key import StackKey
from bench.report.run import (
    ablation,
    batch_size,
    comparisons,
    copies,
    devices,
    learning,
    lower_bound,
    projection,
    ranking,
    threads,
)
from bench.report.run.canonical import is_comparable
from bench.report.run.fitness import RunFitness, run_fitness
from bench.report.run.processes import unsampled_gpu_notices
from bench.report.run.profiles import ProfiledStack, explained
from bench.report.run.reference_runs import PhaseMedians, ReferenceAnswer, phase_medians, reference_answers
from bench.stats.crossover import Crossover
from bench.stats.learning import Learning, LearningVerdict


class RunAnalysis:
    """Values of one run's report; sections, charts, ``summary.json``, comparisons and the exit code read them here.

    ``recorded`` has all rows on record, ``frames`` the valid ones, from which everything else is computed, and
    ``left_out`` a sentence for each kind of invalid row.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.header = folder, folder.header
        self.recorded = frames_of([folder])
        self.frames, self.left_out = drop_invalid(self.recorded)

    @cached_property
    def _replicates(self) -> list[Replicate]:
        return self.folder.replicates()

    @cached_property
    def keys(self) -> dict[str, ComparisonKey]:
        """The comparison key of each stack by its name."""
        return comparison_keys(self.header, self._replicates)

    @cached_property
    def reference_runs(self) -> ReferenceRuns:
        """The reference runs of every stack, as plain values."""
        return runs_of_replicates(measured_replicates(self.header, self._replicates))

    @cached_property
    def is_comparable(self) -> bool:
        return is_comparable(self.header, self.reference_runs)

    @cached_property
    def unsampled_gpus(self) -> list[str]:
        """A notice for each reason why a GPU was not sampled."""
        return unsampled_gpu_notices(self._replicates) if self.header.measures_gpu else []

    @cached_property
    def accuracies(self) -> learning.Accuracies:
        return learning.accuracies_by_stack(self.header, self.reference_runs)

    @cached_property
    def verdicts(self) -> dict[StackKey, LearningVerdict]:
        differences = learning.differences_by_seed(self.header, self.reference_runs)
        return learning.learning_verdicts(self.accuracies, differences)

    @property
    def worse(self) -> set[StackKey]:
        """The stacks that learn worse than the canonical one."""
        return {stack for stack, verdict in self.verdicts.items() if verdict.learning is Learning.WORSE}

    @cached_property
    def learns_worse(self) -> list[str]:
        """A sentence for each stack that learns worse than the canonical one: such a run has failed."""
        return learning.learns_worse(self.accuracies, self.verdicts)

    @property
    def violations(self) -> list[str]:
        """A sentence for each stack that does not conform: such a run has failed."""
        return [
            f"{backend}/{variant} on {device} does not conform, and is not ranked: {reason}"
            for (backend, variant, device), reason in self.header.violations.items()
        ]

    @cached_property
    def times_to_accuracy(self) -> list[learning.StackTimesToAccuracy]:
        return learning.times_to_accuracy(self.frames)

    @cached_property
    def core_states(self) -> dict[int, CoreState]:
        """The state of the cores in each process, by its number."""
        return states_by_process(self.frames.processes)

    @cached_property
    def fitness(self) -> RunFitness:
        return run_fitness(self.header, self.frames.processes, self.core_states.values())

    @cached_property
    def epoch_rounds(self) -> ranking.EpochRounds:
        return ranking.epoch_rounds(self.frames, self.core_states)

    @cached_property
    def ranking(self) -> list[ranking.RankedStack]:
        return ranking.ranking(self.frames, self.epoch_rounds, self.verdicts, self.header.violations)

    @cached_property
    def fastest(self) -> list[ranking.RankedStack]:
        return ranking.fastest_of(self.epoch_rounds, self.ranking)

    @cached_property
    def comparable_rounds(self) -> ranking.EpochRounds:
        return comparisons.comparable_rounds(self.epoch_rounds, self.ranking)

    @cached_property
    def device_ratios(self) -> list[comparisons.DeviceRatio]:
        return comparisons.device_ratios(self.comparable_rounds)

    @cached_property
    def against_fastest(self) -> list[comparisons.AgainstFastest]:
        return comparisons.against_fastest(self.comparable_rounds)

    @cached_property
    def phase_medians(self) -> list[PhaseMedians]:
        return phase_medians(self.reference_runs)

    @cached_property
    def answers(self) -> list[ReferenceAnswer]:
        """The reference run of every stack that has one, fastest first."""
        return reference_answers(self.header, self.reference_runs)

    @property
    def answer(self) -> ReferenceAnswer | None:
        """The reference run of the canonical stack, or of the fastest one if that was not run."""
        fastest = self.answers[0] if self.answers else None
        return next((answer for answer in self.answers if answer.stack.is_canonical), fastest)

    @property
    def answers_by_speed(self) -> list[ReferenceAnswer]:
        """``answers`` without those of stacks that learn worse or do not conform."""
        unfit = self.header.violations
        return [one for one in self.answers if one.stack not in self.worse and one.stack[:3] not in unfit]

    @cached_property
    def projections(self) -> list[projection.Projection]:
        return projection.projections(self.header, self.frames)

    @cached_property
    def step_estimates(self) -> batch_size.StepEstimates:
        return batch_size.step_estimates(self.frames)

    @cached_property
    def step_curves(self) -> batch_size.StepCurves:
        return {
            stack: {size: measured.center for size, measured in by_size.items()}
            for stack, by_size in self.step_estimates.items()
        }

    @cached_property
    def scalings(self) -> list[batch_size.Scaling]:
        return batch_size.scalings(self.frames, self.step_curves)

    @cached_property
    def crossovers(self) -> list[tuple[comparisons.DevicePair, Crossover]]:
        return batch_size.crossovers(self.step_curves)

    @cached_property
    def thread_scalings(self) -> list[threads.ThreadScaling]:
        return threads.thread_scalings(self.header, self.frames, self.core_states)

    @cached_property
    def copy_scalings(self) -> list[copies.CopyScaling]:
        return copies.copy_scalings(self.header, self.frames)

    @cached_property
    def device_points(self) -> list[devices.DevicePoint]:
        return devices.device_points(self.header, self.frames, self.core_states)

    @cached_property
    def ablation(self) -> ablation.Ablation | None:
        return ablation.ablation(self.header, self.frames, self.core_states)

    @cached_property
    def lower_bounds(self) -> list[lower_bound.DeviceBounds]:
        return lower_bound.bounds_by_device(self.header, self.frames)

    @cached_property
    def _explained(self) -> tuple[list[ProfiledStack], list[str]]:
        return explained(self.folder)

    @property
    def profiles(self) -> list[ProfiledStack]:
        """The profiles in the run's folder, the fastest step first."""
        return self._explained[0]

    @property
    def profiles_left_out(self) -> list[str]:
        return self._explained[1]
