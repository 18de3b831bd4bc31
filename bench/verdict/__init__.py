"""Verdicts on two sides of one machine, from recorded process samples: how sure, how often wrong."""

from bench.verdict.confirm import confirm
from bench.verdict.decide import decide
from bench.verdict.design import DESIGN, Design
from bench.verdict.turns import process_values
from bench.verdict.values import Decision, Judgement, Metric, ProcessSample, Verdict

__all__ = [
    "DESIGN",
    "Decision",
    "Design",
    "Judgement",
    "Metric",
    "ProcessSample",
    "Verdict",
    "confirm",
    "decide",
    "process_values",
]
