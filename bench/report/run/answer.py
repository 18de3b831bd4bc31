"""First line and section of the report: the canonical workload on this machine, and the fastest stack."""

from __future__ import annotations

from bench.advice import make_command
from bench.document.section import Section
from bench.records.datasets import dataset_line
from bench.records.header import RunHeader
from bench.records.reference_clock import compared_with_2016
from bench.records.stack_key import CANONICAL_NAME
from bench.report.load import load_notices
from bench.report.run.analysis import RunAnalysis
from bench.report.run.context import environment_notices
from bench.report.run.core_states import core_state_notices
from bench.report.run.fitness import fitness_notices
from bench.report.run.processes import process_notices
from bench.report.run.projection import projection_sentences
from bench.report.run.ranking import RankedStack
from bench.report.run.reference_runs import ReferenceAnswer
from bench.stats import estimates
from bench.units import format_interval, format_number, format_percent, format_points, format_range, format_seconds
from mlp.recipe import REFERENCE

MOST_NAMED = 4  # stacks in a sentence


def answer_section(analysis: RunAnalysis) -> Section:
    header = analysis.header
    section = Section("The canonical workload on this machine", plots=["phases"])
    if header.status != "complete":
        again = make_command("bench", RESUME=header.run_id)
        section.notices.append(f"This run is partial (status: {header.status}): {again} completes it.")
    if header.mode == "quick":
        section.notices.append("Quick mode: few processes, for a first look and not for a claim.")
    section.notices += fitness_notices(analysis.fitness)
    if analysis.fitness.grade is None:
        section.notices += load_notices(header, analysis.frames)
    section.notices += core_state_notices(analysis)
    section.notices += [*environment_notices(header.environment), *process_notices(header), *analysis.unsampled_gpus]
    if header.dataset_identity == "mnist":  # any other data is named in the first line
        section.sentences.append(f"{dataset_line('mnist')}.")
    section.sentences.append(_reference_sentence(header, analysis.answer))
    section.sentences += projection_sentences(analysis.projections)
    if len(analysis.ranking) > 1:
        section.sentences += _fastest_sentences(analysis)
    if skipped := header.skipped:
        names = ", ".join(one.what for one in skipped)
        section.sentences.append(f"{len(skipped)} skipped: {names} (see Skipped).")
    return section


def headline(analysis: RunAnalysis) -> str:
    """Return the headline: the fastest reference run that does not learn worse, compared with 2016."""
    answers = analysis.answers_by_speed
    if not answers:
        return "The canonical workload was not completed."
    first = answers[0]
    took = format_seconds(first.total.center)
    if not first.comparable:
        return f"{first.stack.name}: {took} for {first.ran}, which is not the canonical run, so not compared with 2016."
    compared = compared_with_2016(first.total.center)
    accuracy = _accuracy(analysis.header, first)
    parts = [f"{first.stack.name}: {took} for the canonical {first.ran}, {compared}; {accuracy}."]
    return " ".join([*parts, *_certainty(first), *_beside(first, answers[1:])])


def _accuracy(header: RunHeader, answer: ReferenceAnswer) -> str:
    if answer.agreement is None:
        return "accuracy is not compared" + (", none was recorded" if header.dataset_identity == "mnist" else "")
    measured = f"test accuracy {format_percent(answer.agreement.mean)}"
    if answer.agreement.agrees:
        return f"{measured}, as published"
    return f"{measured}, NOT the published {format_percent(REFERENCE.test_accuracy)}"


def _certainty(answer: ReferenceAnswer) -> list[str]:
    """State the number of runs and the interval, or that one run has none."""
    total = answer.total
    if total.num_processes > 1:
        text = f"Median of {total.num_processes} runs"
        if total.low is not None:
            interval = format_interval(total.low, total.high)
            text += f", 95 % interval {interval}, which is {answer.ratio_range} times {answer.relation}"
        return [f"{text}."]
    sentence = "One run: the spread between runs is unknown"
    if answer.agreement is not None:
        within = (answer.agreement.high - answer.agreement.low) / 2 * 100
        sentence += f", and one seed counts as published within {within:.2f} points"
    return [f"{sentence}; {make_command('bench')} measures five."]


def _beside(first: ReferenceAnswer, others: list[ReferenceAnswer]) -> list[str]:
    """Name the fastest stack on the other kind of device, else the canonical stack."""
    other = next((one for one in others if one.stack.device_kind != first.stack.device_kind), None)
    if other is not None:
        device = "CPU" if other.stack.device_kind == "cpu" else "GPU"
        took, ratio = format_seconds(other.total.center), other.total.center / first.total.center
        name = f"{other.stack.backend}/{other.stack.variant}"
        return [f"On the {device} {name} takes {took}, {ratio:.2g} times as long."]
    canonical = next((one for one in others if one.stack.is_canonical), None)
    return [] if canonical is None else [f"{CANONICAL_NAME} takes {format_seconds(canonical.total.center)}."]


def _reference_sentence(header: RunHeader, answer: ReferenceAnswer | None) -> str:
    if answer is None:
        return "The reference run was not measured, so nothing is compared with 32.2 s."
    stack, total, agreement = answer.stack, answer.total, answer.agreement
    runs = f"median of {total.num_processes} seeds" if total.num_processes > 1 else "one seed"
    cache = ", compile cache warm" if answer.warm_cache else ""
    took = f"{format_seconds(total.center)} by the reference clock{cache} ({runs}"
    took += f", 95 % interval {format_interval(total.low, total.high)})" if total.low is not None else ")"
    if not answer.comparable:
        return (
            f"With {stack.name}, {answer.ran} took {took}; that is not the canonical run, so it has no ratio to 32.2 s."
        )
    compared = answer.compared if total.center <= REFERENCE.total_seconds else f"it takes {answer.compared}"
    ratio = f", 95 % interval {answer.ratio_range}" if answer.ratio_range else ""
    sentence = (
        f"This machine runs the canonical workload with {stack.name} in {took}: {compared} the 2016 reference of "
        f"{REFERENCE.total_seconds} s ({REFERENCE.hardware}, {REFERENCE.date}){ratio}."
    )
    if agreement is None:
        why = "none was recorded" if header.dataset_identity == "mnist" else "the data is not MNIST"
        return f"{sentence} Accuracy is not compared: {why}."
    return f"{sentence} {_accuracy_sentence(agreement)}"


def _accuracy_sentence(agreement: estimates.Agreement) -> str:
    verdict = "agrees with" if agreement.agrees else "does NOT agree with"
    spread = "scatter normally over seeds"
    if agreement.assumed_spread:
        spread += f" as they do in the committed records ({estimates.SPREAD_OVER_SEEDS * 100:.2f} points)"
    return (
        f"Its mean test accuracy of {format_percent(agreement.mean)} {verdict} the published "
        f"{format_percent(REFERENCE.test_accuracy)}: the difference is {format_points(agreement.difference)}, and 95 % "
        f"of single seeds would lie within {agreement.high * 100:.2f} points of this mean, if accuracies on the same "
        f"test images {spread}."
    )


def _leaders(among: str, leaders: list[RankedStack], first: RankedStack) -> str:
    """Return the start of the sentence: one fastest stack, several, or too few rounds."""
    names = [one.stack.name for one in leaders]
    if not names:
        return f"Too few rounds were measured to determine the fastest of {among}; with {first.stack.name}"
    if len(names) == 1:
        return f"The fastest of {among} is {first.stack.name}:"
    if len(names) > MOST_NAMED:
        return f"This run cannot distinguish the fastest {len(names)} of {among}; with {first.stack.name}"
    tied = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"The fastest of {among} are {tied}, which this run cannot distinguish; with {first.stack.name}"


def _fastest_sentences(analysis: RunAnalysis) -> list[str]:
    """Return a sentence on the fastest stacks, without those that learn worse or do not conform."""
    ranked = analysis.ranking
    fit = [one for one in ranked if one.train_epoch is not None and not one.is_unfit]
    if not fit:
        return []
    leaders = analysis.fastest
    left_out = sum(one.learns_worse and one.train_epoch is not None for one in ranked)
    among = f"{sum(one.violation is None for one in ranked)} stacks"
    if left_out:
        among += f" (without the {left_out} that {'learns' if left_out == 1 else 'learn'} worse)"
    fastest = leaders[0] if leaders else fit[0]
    epoch = format_seconds(fastest.train_epoch.center)
    sentence = f"{_leaders(among, leaders, fastest)} a training epoch takes {epoch}"
    ratio = fastest.speed_ratio
    if fastest.stack.is_canonical:
        sentence += ", and that is the canonical stack itself"
    elif ratio is None:
        sentence += f"; {CANONICAL_NAME} was not measured beside it, so there is no ratio to the canonical stack"
    else:
        interval = "" if ratio.low is None else f" (95 % interval {format_range(ratio.low, ratio.high)})"
        sentence += f", {format_number(ratio.center)} times as fast as the canonical {CANONICAL_NAME}{interval}"
    if not fastest.stack.is_canonical and fastest.reference_clock is not None and analysis.is_comparable:
        clock = fastest.reference_clock.center
        faster = format_number(REFERENCE.total_seconds / clock)
        sentence += f"; its reference clock reads {format_seconds(clock)}, {faster} times as fast as the 2016 reference"
    return [sentence + "."]
