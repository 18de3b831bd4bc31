"""Rules on threads: single-threaded BLAS, competing pools, more threads than cores."""

from __future__ import annotations

from typing import Any

from bench.advice import bench_command
from bench.records.profile import Profile
from bench.report.profile.rules.finding import Finding, is_on_gpu, of_step, total_seconds
from bench.units import format_number

BUSY_PERCENT = 20  # of a core; a thread below that is not competing


def single_threaded_blas(profile: Profile) -> Finding | None:
    """Report a single-threaded BLAS on a machine with several cores if several threads were requested."""
    blas, cores = profile.facts.get("blas") or {}, _cores(profile)
    products = [one for one in profile.of("train_step") if one.kind == "gemm" and not one.details.get("thread_team")]
    if is_on_gpu(profile) or blas.get("threads") != 1 or cores < 2 or profile.threads < 2 or not products:
        return None
    seconds = total_seconds(products)
    return Finding(
        "single-threaded BLAS",
        f"{blas.get('name') or 'The BLAS'} multiplies with 1 thread on {cores} cores: {of_step(seconds, profile)}.",
        "It was built without threads, or an environment variable (OMP_NUM_THREADS, OPENBLAS_NUM_THREADS) says 1.",
        f"Unset it, or link a BLAS with threads; {bench_command('doctor')} says which is in use.",
        seconds * (1 - 1 / min(cores, profile.threads)),
    )


def fighting_pools(profile: Profile) -> Finding | None:
    """Report two pools with more busy threads in a step than cores."""
    cores = _cores(profile)
    pools = _pools_in_use(profile)
    busy = [one for one in profile.host.get("threads", []) if (one["cpu_percent"] or 0) >= BUSY_PERCENT]
    total = sum(pools.values())
    if len(pools) < 2 or total <= cores or (profile.host and len(busy) <= cores):
        return None
    named = ", ".join(f"{name} {count}" for name, count in pools.items())
    switches = profile.host.get("involuntary_context_switches_per_step")
    evidence = f"; {format_number(switches)} threads a step lost their core" if switches else ""
    return Finding(
        "fighting thread pools",
        f"{len(pools)} pools want {total} threads on {cores} cores ({named}){evidence}.",
        "Each pool waits actively for its next task and takes the core from the other one's.",
        "Give all but one of them 1 thread, e.g. OPENBLAS_NUM_THREADS=1 where another team cuts up the products.",
    )


def _pools_in_use(profile: Profile) -> dict[str, int]:
    """Return {pool: threads} of the pools active in a step, without a BLAS whose products a team computes."""
    operations = profile.of("train_step")
    pools: dict[str, int] = {}
    teams = [one.details["thread_team"] for one in operations if one.details.get("thread_team")]
    if teams and max(teams) > 1:
        pools["the operations' own team"] = max(teams)
    uses_blas = any(one.kind == "gemm" and not one.details.get("thread_team") for one in operations)
    for pool in profile.facts.get("thread_pools") or _blas_pool(profile.facts):
        is_blas = pool.get("api", "blas") == "blas"
        if pool["threads"] and pool["threads"] > 1 and (uses_blas or not is_blas):
            pools[pool["library"]] = pool["threads"]
    return pools


def _blas_pool(facts: dict[str, Any]) -> list[dict[str, Any]]:
    blas = facts.get("blas") or {}
    return [{"library": blas.get("name") or "BLAS", "threads": blas["threads"]}] if blas.get("threads") else []


def more_threads_than_cores(profile: Profile) -> Finding | None:
    cores = _cores(profile)
    if is_on_gpu(profile) or profile.threads <= cores:
        return None
    return Finding(
        "more threads than cores",
        f"{profile.threads} threads were requested, and {cores} cores may be used.",
        "--threads or an environment variable says so, or a cgroup's quota allows less than the machine has.",
        f"Measure again with --threads {cores}.",
    )


def _cores(profile: Profile) -> int:
    """Return the usable cores; if not recorded, the number of requested threads."""
    return profile.machine.get("usable_cores") or profile.threads
