"""Comparability of a profile and a run: machine, data, recipe, environment and commit."""

from __future__ import annotations

from collections.abc import Mapping

from bench.records.comparability import Subject, dataset_reasons, environment_reasons, machine_reasons, recipe_reasons
from bench.records.header import RunHeader
from bench.records.json_file import finite
from bench.records.profile import Profile


def reasons_against(header: RunHeader, profile: Profile, sha256: Mapping[str, str] | None = None) -> list[str]:
    """Return the reasons why ``profile`` does not explain the run of ``header``; empty if it does.

    ``sha256`` is that of the profiled data, if known: a profile stores only the name of the data.  A missing field is
    not a contradiction.
    """
    run, profiled = _run(header), _profiled(profile, sha256)
    reasons = [*machine_reasons(run, profiled), *dataset_reasons(run, profiled), *recipe_reasons(run, profiled)]
    reasons += environment_reasons(run, profiled)
    measured_at, profiled_at = header.commit.id, profile.commit.id
    if None not in (measured_at, profiled_at) and measured_at != profiled_at:
        reasons.append(f"{run.name} was measured at commit {measured_at}, {profiled.name} is of {profiled_at}")
    return reasons


def _run(header: RunHeader) -> Subject:
    threads = {entry.case["threads"] for entry in header.plan if entry.case.get("threads") is not None}
    return Subject(
        name=header.run_id,
        facts={**header.machine, "threads": threads.pop() if len(threads) == 1 else None},
        dataset=header.dataset or None,
        recipe=header.recipe or None,
        passed=header.environment.passed,
    )


def _profiled(profile: Profile, sha256: Mapping[str, str] | None) -> Subject:
    return Subject(
        name="the profile",
        facts={**profile.machine, "threads": profile.threads},
        dataset={"identity": profile.dataset, "sha256": sha256},
        recipe=finite(profile.recipe),  # tuples become lists, as in a record
        passed=profile.environment.passed,
    )
