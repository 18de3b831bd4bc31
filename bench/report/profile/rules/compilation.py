"""Rules on the compile cache: not writable, or ineffective."""

from __future__ import annotations

from bench.records.profile import Profile
from bench.report.profile.rules.finding import Finding
from bench.units import format_count, format_percent, format_seconds

COMPILER = "c_compiler"
COLD_SHARE = 0.10  # of a warm compilation; a larger share of the compiler is reported


def cache_not_writable(profile: Profile) -> Finding | None:
    if profile.facts.get("compile_directory_writable", True):
        return None
    seconds = _compiler_seconds(profile, "cold")
    cost = f", {format_seconds(seconds)} each time" if seconds else ""
    return Finding(
        "compile cache not writable",
        f"The compile directory cannot be written: every process compiles everything anew{cost}.",
        "It is owned by another user, is on a read-only file system, or the disk is full.",
        "Name another one: THEANO_FLAGS=base_compiledir=<directory>.",
        seconds,
    )


def cache_stays_cold(profile: Profile) -> Finding | None:
    """Report a compiler that runs although an earlier process has filled the cache."""
    seconds = _compiler_seconds(profile, "warm")
    whole = sum(one.seconds for one in profile.compile_phases if one.cache == "warm" and one.path == "compile")
    if not seconds or not whole or seconds < COLD_SHARE * whole:
        return None
    runs = [one for one in profile.compile_phases if one.cache == "warm" and one.name == COMPILER]
    count = sum(one.calls or 0 for one in runs)
    return Finding(
        "compile cache stays cold",
        f"With a warm cache the compiler runs {format_count(count)} times and takes {format_seconds(seconds)}, "
        f"{format_percent(seconds / whole, 0)} of compilation.",
        "The cache has no entry for this code, or its key changed: another compiler, flags or version, or code that is "
        "never kept.",
        "Compile twice with the same THEANO_FLAGS and look at the second time; if it stays, the code is not cacheable.",
        seconds,
    )


def _compiler_seconds(profile: Profile, cache: str) -> float | None:
    """Return the seconds of the compiler in all compiled functions; None if not profiled."""
    found = [one.seconds for one in profile.compile_phases if one.cache == cache and one.name == COMPILER]
    return sum(found) if found else None
