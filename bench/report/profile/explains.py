"""Whether a profile explains a run: the same machine, data, recipe and commit.  The answer is a list of reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bench.records.comparability import contradictions, identity
from bench.records.profile import Profile
from bench.report.compare.comparable import Comparable
from bench.report.compare.refusal import dataset_reasons, environment_reasons, recipe_reasons


def reasons_against(header: dict[str, Any], profile: Profile, sha256: Mapping[str, str] | None = None) -> list[str]:
    """Why ``profile`` does not explain the run of ``header``; empty where it does.

    ``sha256`` is that of the data that was profiled, where it is at hand: a profile keeps only what the data is called.
    What a side does not tell contradicts nothing.
    """
    run, profiled = _run(header), _profiled(profile, sha256)
    reasons = [*_machine_reasons(run, profiled), *dataset_reasons(run, profiled), *recipe_reasons(run, profiled)]
    reasons += environment_reasons(run, profiled)
    measured_at, profiled_at = (header.get("commit") or {}).get("id"), profile.commit.get("id")
    if None not in (measured_at, profiled_at) and measured_at != profiled_at:
        reasons.append(f"{run.name} was measured at commit {measured_at}, {profiled.name} is of {profiled_at}")
    return reasons


def _run(header: dict[str, Any]) -> Comparable:
    cases = [planned["case"] for planned in header["plan"]]
    threads = {case["threads"] for case in cases if case.get("threads") is not None}
    return Comparable(
        name=header["run_id"],
        tool="mlp-bench",
        samples={},
        facts={**(header.get("machine") or {}), "threads": threads.pop() if len(threads) == 1 else None},
        dataset=header.get("dataset") or None,
        recipe=header.get("recipe") or None,
        passed=passed_variables(header.get("environment")),
    )


def _profiled(profile: Profile, sha256: Mapping[str, str] | None) -> Comparable:
    return Comparable(
        name="the profile",
        tool="mlp-bench",
        samples={},
        facts={**profile.machine, "threads": profile.threads},
        dataset={"identity": profile.dataset, "sha256": sha256},
        recipe=json.loads(json.dumps(profile.recipe)),  # tuples become lists, as in a record
        passed=passed_variables(profile.environment),
    )


def passed_variables(environment: Mapping[str, Any] | None) -> dict[str, str] | None:
    return None if environment is None else dict(environment.get("passed") or {})


def _machine_reasons(run: Comparable, profiled: Comparable) -> list[str]:
    first, second = identity(run.facts), identity(profiled.facts)
    return [
        f"{name.replace('_', ' ')} is {first[name]} in {run.name} and {second[name]} in {profiled.name}"
        for name in contradictions(first, second)
    ]
