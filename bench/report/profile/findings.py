"""Findings of a profile: defect, cost, likely cause, and remedy.

Each rule checks for one defect and returns None if it is absent or cannot be determined.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.records.profile import Profile
from bench.report.profile.rules import compilation, device, memory, numerics, threads
from bench.report.profile.rules.finding import Finding

FindingRule = Callable[[Profile], Finding | None]

# In the order of the report for findings without costs.
RULES: tuple[FindingRule, ...] = (
    numerics.duplicated_products,
    numerics.dropout_generator,
    numerics.slow_blas,
    threads.single_threaded_blas,
    threads.fighting_pools,
    threads.more_threads_than_cores,
    memory.reallocated_buffers,
    memory.page_fault_storm,
    device.copies_in_each_step,
    device.waits_for_launches,
    device.throttled,
    compilation.cache_not_writable,
    compilation.cache_stays_cold,
)


def findings(profile: Profile) -> list[Finding]:
    """Return the findings of all rules, the most expensive first, those without a known cost last."""
    found = [finding for rule in RULES if (finding := rule(profile)) is not None]
    return sorted(found, key=lambda finding: -(finding.seconds or 0.0))
