"""Sections of a profile: training step, evaluation and compilation by operation or phase."""

from __future__ import annotations

from collections.abc import Sequence

from bench.document.section import Section
from bench.document.table import COUNT, INTEGER, NUMBER, SECONDS, SHARE, Cells, Column, Kind, table
from bench.records.profile import BETWEEN, KINDS, CompilePhase, Operation, Profile, Timing
from bench.report.load import REMEDY, start_notice
from bench.report.profile.attainable import recipe_of, share_of_ceiling
from bench.report.profile.breakdown import between_seconds, compile_seconds, overhead_ratio
from bench.report.profile.data import data_sections
from bench.report.profile.findings import RULES, findings
from bench.report.profile.host import host_sections
from bench.roofline.dense_calls import dense_calls_of
from bench.units import format_number, format_percent, format_range, format_seconds

FINDINGS = "Findings"
MOST_ROWS = 20  # the rest is one row: profile.json and operations.csv have them all
SMALLEST_PHASE = 0.01  # of all of compilation
SKIPPED_ZEROS = (
    "Products that leave out zeros count as whole ones: their rates may exceed what this machine can multiply."
)
# An operation faster than its ceiling leaves out zeros, or its ceiling was measured too low: no share says how much.
OF_CEILING = Kind(lambda share: "> 100 %" if share > 1.005 else format_percent(share, 0), "fraction")
TITLES = {"train_step": "A training step", "evaluate": "An evaluation of one minibatch"}


def first_line(profile: Profile) -> str:
    state = "" if profile.complete else ", INCOMPLETE"
    return (
        f"{profile.label}, batches of {profile.recipe['batch_size']}, {profile.threads} threads, {profile.dataset}: "
        f"profile {profile.profile_id}{state}"
    )


def sections(profile: Profile) -> list[Section]:
    """Return all sections with measurements."""
    made = [_findings(profile)] if profile.operations else []
    made += [section for function in TITLES for section in _function(profile, function)]
    if profile.compile_phases:
        made.append(_compilation(profile.compile_phases))
    made += [*data_sections(profile), *host_sections(profile)]
    if profile.problems:
        made.append(Section("What is missing", list(profile.problems)))
    return made


def _findings(profile: Profile) -> Section:
    """Return the findings, and the attained share of the lower bound of a step."""
    found = [f"{finding.rule}: {finding.text}" for finding in findings(profile)]
    none = f"None of {len(RULES)} rules found a defect."
    busy = start_notice(profile.machine, profile.stack["device"] != "cpu")
    notices = [f"{busy} {REMEDY}"] if busy else []
    return Section(FINDINGS, [*_lower_bound_sentences(profile), *(found or [none])], notices=notices)


def _lower_bound_sentences(profile: Profile) -> list[str]:
    timing = profile.timings.get("train_step")
    if not profile.ceilings or timing is None or not timing.median_plain_seconds:
        return []
    ceilings, step = profile.ceilings, timing.median_plain_seconds
    dense = dense_calls_of(ceilings, recipe_of(profile), profile.stack.get("precision"))
    if dense is None:
        return [ceilings.notice] if ceilings.notice else []
    at_best = format_seconds(dense.step_seconds)
    if dense.step_seconds > step:
        return [
            f"A training step takes {format_seconds(step)}, less than the {at_best} of its dense products and "
            "passes at the ceilings measured beside it: it leaves out work that dense products do, or something else "
            "was computing while the ceilings were measured. So no share is given."
        ]
    return [
        f"A training step takes {format_seconds(step)}; in dense library calls at the ceilings of this machine it "
        f"would take {at_best}: {format_percent(dense.step_seconds / step, 1)} of that speed is reached.",
    ]


def _function(profile: Profile, function: str) -> list[Section]:
    operations, timing = profile.of(function), profile.timings.get(function)
    if not operations or timing is None or timing.median_profiled_seconds is None:
        return []
    rows = [_row(profile, operation) for operation in operations[:MOST_ROWS]]
    section = Section(TITLES[function], _sentences(operations, timing), *table(rows))
    rest = operations[MOST_ROWS:]
    if rest:
        section.rows.append([f"{len(rest)} more operations", None, None, *_totals(profile, rest), *[None] * 4])
    return [section, _kinds(profile, function, operations)]


def _sentences(operations: tuple[Operation, ...], timing: Timing) -> list[str]:
    whole = timing.median_profiled_seconds
    rounds, calls = len(timing.plain_seconds), timing.calls_per_sample
    return [
        f"It takes {format_seconds(timing.median_plain_seconds)} unprofiled (median of {rounds} rounds of {calls} "
        f"calls each) and {format_seconds(whole)} profiled, in turn in one process: {overhead(timing)}.",
        f"The operations add up to {format_percent(1 - between_seconds(operations) / whole, 1)} of the profiled time; "
        f'the rest is the row "{BETWEEN}".',
        *([SKIPPED_ZEROS] if any(operation.details.get("skips_zeros") for operation in operations) else []),
    ]


def overhead(timing: Timing) -> str:
    """Return a clause with the profiling overhead as a ratio over the interleaved rounds."""
    ratio = overhead_ratio(timing)
    if ratio is None:
        return "the overhead is unknown"
    interval = f", 95 % interval {format_range(ratio.low, ratio.high)}" if ratio.low is not None else ""
    return f"profiling multiplies it by {format_number(ratio.center)} (n = {ratio.num_rounds}{interval})"


def _row(profile: Profile, operation: Operation) -> Cells:
    def billions_per_second(amount: float | None) -> float | None:
        return amount / operation.seconds / 1e9 if amount and operation.seconds > 0 else None

    return [
        ("operation", operation.name),
        ("kind", operation.kind),
        (Column("calls", COUNT), round(operation.calls, 2)),
        (Column("time", SECONDS), operation.seconds),
        (Column("share", SHARE), profile.share(operation)),
        (Column("GFLOP/s", NUMBER), billions_per_second(operation.flop)),
        (Column("GB/s", NUMBER), billions_per_second(operation.bytes)),
        (Column("of ceiling", OF_CEILING), share_of_ceiling(operation, profile)),
        ("source", operation.source or None),
    ]


def _kinds(profile: Profile, function: str, operations: tuple[Operation, ...]) -> Section:
    by_kind = {kind: [operation for operation in operations if operation.kind == kind] for kind in KINDS}
    rows = [[kind, len(own), *_totals(profile, own)] for kind, own in by_kind.items() if own]
    columns = ["kind", Column("operations", INTEGER), Column("time", SECONDS), Column("share", SHARE)]
    return Section(f"{TITLES[function]}, by kind", columns=columns, rows=rows)


def _totals(profile: Profile, operations: Sequence[Operation]) -> tuple[float, float]:
    """Return the seconds and the share of all ``operations``."""
    return sum(one.seconds for one in operations), sum(profile.share(one) or 0 for one in operations)


def _compilation(phases: tuple[CompilePhase, ...]) -> Section:
    """Return one row for each phase with at least a hundredth of the whole, cold and warm side by side."""
    seconds = {(phase.path, phase.cache): phase.seconds for phase in phases}
    whole = compile_seconds(phases)
    caches = list(whole)
    rows = []
    for path in _in_tree_order(phases):
        row = [seconds.get((path, cache)) for cache in caches]
        if any((one or 0) >= SMALLEST_PHASE * whole[cache] for one, cache in zip(row, caches, strict=True)):
            rows.append([_indented(path), *row])
    rows.append(["all", *(whole[cache] for cache in caches)])
    return Section(
        "Compilation",
        ["Phases of a fresh process, nested by indentation. Phases below a hundredth of the whole are left out."],
        ["phase", *(Column(f"{cache} cache" if cache else "time", SECONDS) for cache in caches)],
        rows,
    )


def _in_tree_order(phases: tuple[CompilePhase, ...]) -> list[str]:
    """Return the paths in depth-first order, children by first appearance."""
    children: dict[str | None, dict[str, None]] = {}
    for phase in phases:
        children.setdefault(phase.parent, {})[phase.path] = None

    def below(path: str | None) -> list[str]:
        return [one for child in children.get(path, {}) for one in (child, *below(child))]

    return below(None)


def _indented(path: str) -> str:
    *above, name = path.split("/")
    return "\N{MIDDLE DOT} " * len(above) + name
