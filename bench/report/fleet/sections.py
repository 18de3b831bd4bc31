"""Report of a fleet run as sections: hosts, outliers, ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.document.section import Section
from bench.document.table import COUNT, NUMBER_WITH_INTERVAL, PROBABILITY, SECONDS_WITH_INTERVAL, Column
from bench.records.fleet import FleetFolder, FleetHeader, HostRecord, HostState
from bench.report.fleet.judge import FleetJudgement, Outlier
from bench.stats.estimates import estimate
from bench.stats.outliers import LEAST_MACHINES, MOST_OUTLIERS
from bench.units import format_number_with_range, format_percent

SHARED = "The hosts of this fleet run are processes of one machine and disturb each other: a trial, and no measurement."
METHOD = (
    "A host is an outlier if its time differs from those of equal, healthy hosts by more than these differ from each "
    "other: Student's t for the prediction of another host, on logarithms of seconds, with an error of 5 % over all "
    f"hosts and metrics together (Holm). At most {format_percent(MOST_OUTLIERS, 0)} of the hosts can be outliers of a "
    "metric. Intervals are 95 %, for the ratio to another healthy host."
)
FIRST_METRICS = 3  # of a host, in its sentence


def headline(header: FleetHeader, judgement: FleetJudgement) -> str:
    """Return the answer in a sentence."""
    states = [host.state for host in header.hosts]
    measured, total = states.count(HostState.COMPLETE), len(states) - states.count(HostState.DUPLICATE)
    hosts = sorted({one.host for one in judgement.outliers})
    found = f"outliers: {', '.join(hosts)}" if hosts else "no host is an outlier"
    judged = sum(len(group.hosts) for group in judgement.groups) - len(judgement.alone)
    answer = found if judged else "no outliers are sought: too few equal hosts"
    return f"Fleet {header.fleet_id}: {measured} of {total} hosts measured completely; {answer}."


def fleet_sections(header: FleetHeader, judgement: FleetJudgement) -> list[Section]:
    return [_hosts(header, judgement), _outliers(judgement), *_ranking(judgement)]


def _hosts(header: FleetHeader, judgement: FleetJudgement) -> Section:
    plans = {host.name: host.plan for group in judgement.groups for host in group.hosts}
    machine = {host.name: group.machine for group in judgement.groups for host in group.hosts}
    rows = [
        [one.name, str(one.state), one.num_replicates, machine.get(one.name), _labels(one), _why(one, plans)]
        for one in header.hosts
    ]
    columns = ["host", "state", Column("processes", COUNT), "machine", "labels", "reason"]
    notices = [SHARED] if header.source == "local" else []
    return Section("Hosts", columns=columns, rows=rows, notices=notices + list(judgement.unread))


def _labels(host: HostRecord) -> str | None:
    return ", ".join(f"{name}={value}" for name, value in host.labels.items()) or None


def _why(host: HostRecord, plans: Mapping[str, frozenset]) -> str | None:
    """Return the reason of a host's state, and a note if its plan differs from that of the first host."""
    first = next(iter(plans), None)
    others = len(plans.get(host.name, frozenset()) ^ plans[first]) if host.name in plans else 0
    note = [f"its plan differs from that of {first} in {others} case{'s'[: others > 1]}"] if others else []
    return "; ".join([*([host.reason] if host.reason else []), *host.notes, *note]) or None


def _outliers(judgement: FleetJudgement) -> Section:
    sentences = [METHOD]
    if judgement.alone:
        sentences.append(
            f"Not judged, because fewer than {LEAST_MACHINES} equal hosts measured the same, or the baseline does not "
            f"know them: {', '.join(judgement.alone)}."
        )
    by_host: dict[str, list[Outlier]] = {}
    for one in judgement.outliers:
        by_host.setdefault(one.host, []).append(one)
    sentences += [_sentence(host, found) for host, found in by_host.items()]
    rows = [
        [one.host, one.metric.stack, one.metric.measurement, one.part, _ratio(one), one.deviation.p]
        for one in judgement.outliers
    ]
    columns = ["host", "stack", "measurement", "part", Column("times as long", NUMBER_WITH_INTERVAL)]
    columns.append(Column("p, adjusted", PROBABILITY))
    return Section("Outliers", sentences, columns, rows)


def _ratio(one: Outlier) -> tuple[float, float, float]:
    return one.deviation.ratio, one.deviation.low, one.deviation.high


def _sentence(host: str, found: Sequence[Outlier]) -> str:
    """Return a host's sentence: the parts that are slow, then what takes how long."""
    slow = [one for one in found if one.is_slow]
    parts = list(dict.fromkeys(one.part for one in slow if one.part))
    named = [one for one in slow if one.part] or slow or list(found)
    details = [f"{one.metric.measurement} {format_number_with_range(*_ratio(one))}" for one in named[:FIRST_METRICS]]
    what = f"has a slower {' and '.join(parts)}" if parts else "is slower" if slow else "is faster"
    return f"{host} {what} than equal hosts: {', '.join(details)} times as long."


def _ranking(judgement: FleetJudgement) -> Iterator[Section]:
    for stack in dict.fromkeys(one.stack for one in judgement.ranking):
        rows = []
        for one in judgement.ranking:
            if one.stack == stack:
                center = estimate([[seconds] for seconds in one.seconds])
                rows.append([str(one.rank) if one.rank else None, one.host, (center.center, center.low, center.high)])
        columns = ["rank", "host", Column("training epoch", SECONDS_WITH_INTERVAL)]
        yield Section(f"Ranking of hosts: {stack}", columns=columns, rows=rows)


def doctor_section(folder: FleetFolder) -> Section:
    """Return what the doctor found on the hosts, each finding once; a terminal omits it."""
    hosts: dict[tuple[str, ...], list[str]] = {}
    for host in folder.header.hosts:
        for finding in folder.doctor(host.name):
            if finding["state"] != "ok":
                what = tuple(finding.get(name) or "" for name in ("subject", "detail", "remedy"))
                hosts.setdefault(what, []).append(host.name)
    rows = [[*what, ", ".join(names)] for what, names in hosts.items()]
    columns = ["", "what was found", "what to do", "hosts"]
    return Section("Findings of the doctor", columns=columns, rows=rows, folded=True)
