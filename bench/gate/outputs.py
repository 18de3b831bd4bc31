"""Gate report as a table, Markdown, JSON and JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from typing import Any

from bench.document.section import Section
from bench.gate.report import Exit, GateReport
from bench.gate.verdict import Judgement, Verdict, wording
from bench.units import MISSING

COLUMNS = ["metric", "verdict", "candidate (95 % interval)", "processes", "could see", "base against base"]


def sections(report: GateReport) -> list[Section]:
    """Return the table, and the reason of every verdict that needs one: also of changes too small to matter."""
    judged = Section("Verdicts", list(report.sentences), COLUMNS, [_row(one) for one in report.judgements])
    judged.sentences.append("Could see: the smallest change for the worse that this run would have found.")
    reasons = [
        f"{one.metric.name}: {wording.verdict(one)}: {one.reason}."
        for one in report.judgements
        if one.verdict not in (Verdict.UNCHANGED, Verdict.IMPROVED) or wording.small_change_of(one)
    ]
    return [judged, Section("Why", reasons)] if reasons else [judged]


def _row(one: Judgement) -> list[str]:
    metric = one.metric
    control = (one.control_ratio, one.control_low, one.control_high)
    return [
        metric.name,
        wording.verdict(one),
        MISSING if one.ratio is None else wording.change(metric, one.ratio, one.low, one.high),
        str(one.num_processes),
        MISSING if one.detectable_effect is None else wording.effect(metric, one.detectable_effect),
        MISSING if one.control_ratio is None else wording.change(metric, *control),
    ]


def to_json(report: GateReport) -> dict[str, Any]:
    """Return the report as JSON-serializable values; the units are in the field names of the metrics."""
    return {
        "headline": report.headline,
        "exit_code": int(report.exit_code),
        "sentences": list(report.sentences),
        "judgements": [{**asdict(one), "verdict": one.verdict.value} for one in report.judgements],
        **report.context,
    }


def to_junit(report: GateReport) -> str:
    """Format JUnit XML, one test case per metric: regressed is a failure, undecided skipped, not measured an error.

    Undecided is a failure, too, if the gate is configured to fail for it.
    """
    strict = report.exit_code is Exit.UNDECIDED
    tags = {
        Verdict.REGRESSED: "failure",
        Verdict.UNDECIDED: "failure" if strict else "skipped",
        Verdict.NOT_MEASURED: "error" if strict or report.exit_code is Exit.NOTHING_MEASURED else "skipped",
    }
    used = [tags.get(one.verdict) for one in report.judgements]
    suite = ElementTree.Element(
        "testsuite",
        name="mlp-bench gate",
        tests=str(len(used)),
        failures=str(used.count("failure")),
        errors=str(used.count("error")),
        skipped=str(used.count("skipped")),
    )
    for one, tag in zip(report.judgements, used, strict=True):
        case = ElementTree.SubElement(suite, "testcase", classname="bench.gate", name=_xml_text(one.metric.name))
        reason = _xml_text(f"{one.verdict}: {one.reason}")
        if tag:
            ElementTree.SubElement(case, tag, message=reason)
        else:
            ElementTree.SubElement(case, "system-out").text = reason
    ElementTree.SubElement(suite, "system-out").text = _xml_text("\n".join(report.sentences))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml_text(text: str) -> str:
    """Remove characters that XML 1.0 forbids; a reason may quote arbitrary output of a crashed process."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)
