"""Verdicts on two sides of one machine, from recorded process samples, and their error rates."""

from bench.gate.verdict.confirm import confirm
from bench.gate.verdict.decide import decide
from bench.gate.verdict.design import DESIGN
from bench.gate.verdict.turns import process_values
from bench.gate.verdict.values import Decision, Judgement, Metric, ProcessSample, Verdict, with_wholes

__all__ = [
    "DESIGN",
    "Decision",
    "Judgement",
    "Metric",
    "ProcessSample",
    "Verdict",
    "confirm",
    "decide",
    "process_values",
    "with_wholes",
]
