"""Sections of a comparison, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from bench.document.section import Section, named
from bench.document.table import (
    INTEGER,
    JOULES,
    NUMBER,
    NUMBER_INTERVAL,
    NUMBER_TEXT,
    SECONDS,
    Cells,
    Column,
    table,
)
from bench.records.comparability import contradictions, identity
from bench.records.moments import day
from bench.records.stack_key import NO_STACK
from bench.report.compare import many
from bench.report.compare.comparable import Comparable
from bench.report.compare.comparison import Comparison, Score
from bench.report.compare.facts import differences
from bench.report.compare.metric_ratios import MetricRatio
from bench.report.compare.scaling import scaling_sections
from bench.report.run.tables import ratio_cells, with_interval
from bench.units import format_expectation, format_number, format_range

NOT_IN_THE_INTERVAL = (
    "Times as fast: the base's median duration over that of the run, so above 1 the run is the faster one. The runs "
    "were not interleaved: an interval combines the 95 % intervals of both, each within its own run, and a drift of a "
    "machine between the runs is not in it."
)


DRIFT_BY_CEILINGS = "The part of that drift that the ceilings of both runs show is listed above, under hardware."
DIFFERS = "code, versions or settings"
# Names of the plots beside the scores, in outputs that have plots.
PLOTS = ("train_epoch", "validate_epoch", "reference_clock")


def first_line(comparison: Comparison) -> str:
    return f"{named([other.name for other in comparison.others])} against {comparison.base.name}"


def headline(comparison: Comparison) -> str:
    """Return the sentences with what explains a difference before the machine, and with the scores."""
    scores = [score for other in comparison.others if (score := comparison.score(other.name)) is not None]
    explained = _explained(comparison)
    if not scores:
        same = "stack is known to have run the same code in" if comparison.ratios else "measurement is common to"
        return f"{explained}{first_line(comparison)}: no {same} all runs, so there is no score."
    if many.is_many(comparison):
        return explained + many.score_ends(scores, comparison.base.name)
    told = "; ".join(_score_clause(score, comparison.base.name) for score in scores)
    return f"{explained}By {scores[0].measurement}, {told}."


def _explained(comparison: Comparison) -> str:
    """Return the differences but for the machine as sentences; of many runs, only their number."""
    if many.is_many(comparison):
        runs = {one.run for one in comparison.explanations}
        return f"{len(runs)} of {len(comparison.others)} runs differ in {DIFFERS} from the base. " if runs else ""
    code = dict.fromkeys(one.sentence for one in comparison.explanations if one.kind == "code")
    rest = dict.fromkeys(one.sentence for one in comparison.explanations if one.kind != "code")
    sentences = [*code, *([f"also different: {'; '.join(rest)}"] if rest else [])]
    return "".join(f"{sentence[0].upper()}{sentence[1:]}. " for sentence in sentences)


def comparison_sections(comparison: Comparison) -> list[Section]:
    """Return the sections of every output, most important first."""
    return [
        _runs(comparison),
        *_explanations(comparison),
        _score(comparison),
        *_hardware(comparison),
        *_all_ratios(comparison),
        *scaling_sections(comparison),
        *_costs(comparison),
        *_differences(comparison),
        *_not_compared(comparison),
        *_notes(comparison),
    ]


def detail_sections(comparison: Comparison) -> list[Section]:
    """Return the long tables that a terminal omits."""
    return [section for section in _all_ratios(comparison, details=True) if section.rows]


def _all_ratios(comparison: Comparison, details: bool = False) -> list[Section]:
    """Return a table for each run beside the base, or for many runs one for each stack."""
    if many.is_many(comparison):
        found = many.ratio_sections(comparison, details)
        for section in found[: 0 if details else 1]:
            section.sentences[:0] = _explanation(comparison)
        return found
    return [_ratios(comparison, other, details) for other in comparison.others]


def _explanation(comparison: Comparison) -> list[str]:
    return [NOT_IN_THE_INTERVAL, *([DRIFT_BY_CEILINGS] if comparison.hardware else [])]


def _runs(comparison: Comparison) -> Section:
    rows = [
        [side.name, side.tool, day(side.started_at), side.facts.get("cpu_model") or None, side.mode or None]
        for side in comparison.sides
    ]
    identities = {side.dataset.get("identity") for side in comparison.sides if side.dataset}
    data = f"Dataset: {', '.join(sorted(str(name or 'unknown') for name in identities))}." if identities else ""
    sentences = [f"The base is {comparison.base.name}. {data}".strip()]
    silent = [side.name for side in comparison.sides if side.dataset is None]
    if silent and identities:
        sentences.append(
            f"{named(silent)}: the file names neither dataset nor recipe, so it is not checked whether it measured the "
            "same work."
        )
    return Section("Runs compared", sentences, ["run", "measured by", "on", "CPU", "mode"], rows)


def _explanations(comparison: Comparison) -> list[Section]:
    rows = many.grouped((one.run, (one.kind, one.sentence)) for one in comparison.explanations)
    if not rows:
        return []
    sentences = [
        "What explains a ratio before the machine does. A stack whose code changed is in no score: its ratios are of "
        "code and machine together, and marked."
    ]
    return [Section(f"Differences in {DIFFERS}", sentences, ["run", "kind", "difference"], rows)]


def _score(comparison: Comparison) -> Section:
    known = [score for other in comparison.others if (score := comparison.score(other.name)) is not None]
    if not known:
        return Section("Score", [headline(comparison)])
    sentences = [
        f"The score of a run is the geometric mean of its speed ratios to {comparison.base.name}, whose "
        f"score is 1: of {known[0].measurement}{_over(known[0].stacks)}.",
        headline(comparison),
    ]
    if changed := [one for one in comparison.explanations if one.kind == "code"]:
        runs = named(list(dict.fromkeys(one.run for one in changed)))
        sentences.append(f"Left out of every score: stacks whose code is not known to be the same, of {runs}.")
    for because, stacks in (
        ("they learn worse in some run", (side.learns_worse for side in comparison.sides)),
        ("they do not conform in some run", (side.not_conforming for side in comparison.sides)),
    ):
        if unfit := sorted(frozenset().union(*stacks)):
            sentences.append(f"Left out of every score, because {because}: {', '.join(unfit)}.")
    if many.is_many(comparison):
        columns, rows = many.score_rows(comparison)
        return Section("Score", [*sentences, *([many.MARK] if rows else [])], columns, rows, [*PLOTS])
    by_measurement: dict[str, list[Score]] = {}  # of every run, in their order
    for score in comparison.scores:
        by_measurement.setdefault(score.measurement, []).append(score)
    rows = [
        [what, len(scores[0].stacks), *(cell for score in scores for cell in ratio_cells(score.speed))]
        for what, scores in by_measurement.items()
        if len(scores[0].stacks) > 1  # the mean of one ratio stands among the ratios
    ]
    columns = ["geometric mean of", Column("stacks", INTEGER)]
    for other in comparison.others:
        columns += [Column(other.name, NUMBER), Column(f"{other.name}, 95 % interval", NUMBER_INTERVAL)]
    return Section("Score", sentences, columns, rows, plots=[*PLOTS])


def _over(stacks: tuple[str, ...]) -> str:
    if len(stacks) > 1:
        return f", over {len(stacks)} stacks that every run measured"
    return f", of {stacks[0]}" if stacks[0] != NO_STACK else ""


def _score_clause(score: Score, base: str) -> str:
    """State the speed ratio, of a slower run as the ratio of its times."""
    ratio, verb = score.speed, "is {} times as fast as"
    center, bounds = ratio.center, (ratio.low, ratio.high)
    if center < 1:
        center, verb = 1 / center, "takes {} times as long as"
        bounds = tuple(None if bound is None else 1 / bound for bound in reversed(bounds))
    interval = "" if None in bounds else f"95 % interval {format_range(*bounds)}"
    known = ", ".join(filter(None, (interval, "" if ratio.differs else "no difference is shown")))
    told = f"{score.run} {verb.format(format_number(center))} {base}"
    return f"{told} ({known})" if known else told


def _hardware(comparison: Comparison) -> list[Section]:
    title = "Faster hardware, or better use of it"
    if not comparison.hardware:
        without = [side.name for side in comparison.sides if not side.ceilings]
        why = f"{named(without)} measured none" if without else "no epoch has ceilings beside it in both runs"
        why = f"The two are not separated, as this needs ceilings of both machines: {why}."
        return [Section(title, [why, *_unclear_ceilings(comparison)])]
    sentences = [
        "The speed ratio is about hardware x use. Hardware: ratio of the speeds of the two machines, by the ceilings "
        "that each run measured itself, round by round, with the engines that both measured; use: ratio of the "
        "distances from these ceilings. All three are medians of their own, over processes of the same interleaved "
        "round."
    ]
    base_identity = identity(comparison.base.facts)
    same = [other.name for other in comparison.others if not contradictions(base_identity, identity(other.facts))]
    if same:
        sentences.append(
            f"{named(same)}: no record contradicts that it is the base's own machine, so hardware is the drift of "
            "the machine between the runs, and use is the ratio without that drift."
        )
    rows = [
        [
            ("run", share.run),
            ("stack", share.metric.stack),
            ("measurement", share.metric.measurement),
            (Column("times as fast", NUMBER), share.speed.center),
            *with_interval(Column("hardware", NUMBER), share.hardware, "hardware"),
            *with_interval(Column("use", NUMBER), share.use, "use"),
        ]
        for share in comparison.hardware
    ]
    return [Section(title, sentences, *table(rows))]


def _unclear_ceilings(comparison: Comparison) -> list[str]:
    """Return a sentence for each run whose processes disagree on its ceilings, or one for many of them."""
    unclear = [(side.name, one.notice) for side in comparison.sides for one in side.ceilings.values() if one.notice]
    if not many.is_many(comparison):
        return [f"{name}: {notice}" for name, notice in unclear]
    names = list(dict.fromkeys(name for name, _ in unclear))
    why = "processes of one run disagree on its ceilings, and nothing is judged by them"
    return [f"{named(names)}: {why}. Measure again on a quiet machine."] if names else []


def _ratios(comparison: Comparison, other: Comparable, details: bool = False) -> Section:
    of_run = [ratio for ratio in comparison.ratios if ratio.run == other.name]
    chosen = [ratio for ratio in of_run if ratio.metric.is_detail == details]
    with_interval = [ratio for ratio in chosen if ratio.speed.low is not None]
    shown = sum(ratio.speed.differs for ratio in with_interval)
    is_first = other is comparison.others[0] and not details
    sentences = [
        *(_explanation(comparison) if is_first else []),
        f"{shown} of {len(with_interval)} intervals exclude 1; if nothing differed, about "
        f"{format_expectation(len(with_interval) / 20)} would.",
    ]
    if len(with_interval) < len(chosen):
        sentences.append(
            f"{len(chosen) - len(with_interval)} have no interval, because a side measured them in one process only."
        )
    of = "batch sizes, threads and parts of the compilation" if details else "phase by phase"
    title = f"{other.name} against {comparison.base.name}, {of}"
    return Section(title, sentences, *table(_ratio_row(one, comparison) for one in chosen))


def _ratio_row(ratio: MetricRatio, comparison: Comparison) -> Cells:
    processes = f"{ratio.base_seconds.num_processes}, {ratio.seconds.num_processes}"
    return [
        ("stack", ratio.metric.stack if ratio.metric.stack != NO_STACK else None),
        ("measurement", ratio.metric.measurement),
        (Column(comparison.base.name, SECONDS), ratio.base_seconds.center),
        (Column(ratio.run, SECONDS), ratio.seconds.center),
        (Column("processes", NUMBER_TEXT), processes),
        *with_interval(Column("times as fast", NUMBER), ratio.speed),
        ("code", comparison.code_note(ratio.run, ratio.metric.stack) or None),
    ]


def _costs(comparison: Comparison) -> list[Section]:
    if not comparison.costs:
        return []
    rows = [
        [
            ("run", cost.run),
            ("stack", cost.stack),
            (Column("canonical run", SECONDS), cost.seconds.center),
            (Column("price of a run", NUMBER), cost.price),
            (Column("runs for 1", NUMBER), 1 / cost.price if cost.price else None),
            (Column("energy", JOULES), cost.energy_joules),
        ]
        for cost in comparison.costs
    ]
    sentences = [
        "By the reference clock; preparing a machine and idling are not included. Prices are in the currency in which "
        "they were given; energy is that of the whole graphics card, and unknown on the CPU."
    ]
    return [Section("Price and energy of a canonical run", sentences, *table(rows))]


def _differences(comparison: Comparison) -> list[Section]:
    if many.is_many(comparison):
        columns, rows = many.difference_rows(comparison)
    else:
        columns = ["fact", *(side.name for side in comparison.sides)]
        rows = [[one.fact, *one.values] for one in differences(comparison.sides)]
    if not rows:
        return [Section("Differences between the machines", ["None in the facts that two sides recorded."])]
    return [Section("Differences between the machines", [], columns, rows)]


def _not_compared(comparison: Comparison) -> list[Section]:
    rows = many.grouped((entry.run, (entry.what, entry.reason)) for entry in comparison.not_compared)
    return [Section("Not compared", [], ["run", "part", "reason"], rows)] if rows else []


def _notes(comparison: Comparison) -> list[Section]:
    grouped = many.grouped((side.name, (note,)) for side in comparison.sides for note in side.notes)
    notes = [f"{runs}: {note}." for runs, note in grouped]
    return [Section("Notes on the runs", notes)] if notes else []
