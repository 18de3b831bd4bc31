"""A profile -> sentences: what is wrong, how much it costs, the likely cause, and what to do next.

Each rule looks for one defect and answers None where it is not there or cannot be told.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.records.profile import Profile
from bench.report.profile.rules import compilation, device, memory, numerics, threads
from bench.report.profile.rules.finding import Finding

Rule = Callable[[Profile], Finding | None]

# In the order in which they stand in a report where costs do not decide.
RULES: tuple[Rule, ...] = (
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
    """What the rules found: those whose cost is known first, the most expensive of them at the top."""
    found = [finding for rule in RULES if (finding := rule(profile)) is not None]
    return sorted(found, key=lambda finding: -(finding.seconds or 0.0))
