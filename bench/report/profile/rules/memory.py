"""Rules on memory: reallocated buffers, and page faults in each step."""

from __future__ import annotations

from math import prod

from bench.records.profile import Operation, Profile
from bench.report.profile.rules.finding import Finding, of_step, step_seconds
from bench.roofline.workload import FLOAT32_BYTES
from bench.units import format_bytes, format_count, format_number, format_seconds

PAGE_BYTES = 4096
# Default cost of the first touch of a page without a measured ceiling: a kernel entry, allocation and zeroing.  Typical
# of bare hardware; nested paging in virtual machines costs several times more.
FAULT_SECONDS = 0.5e-6
FAULT_SHARE = 0.02  # of a step; a larger share of faults is reported


def reallocated_buffers(profile: Profile) -> Finding | None:
    """Report intermediate results that are freed after each step and allocated again in the next."""
    if not profile.facts.get("frees_intermediates"):
        return None
    allocated = sum(_output_bytes(one) for one in profile.of("train_step") if not one.details.get("in_place"))
    faults = _faults(profile)
    known = "" if faults is None else f", with {format_count(round(faults))} page faults"
    return Finding(
        "reallocated buffers",
        f"Each training step allocates {format_bytes(allocated)} of intermediate results and frees them again{known}.",
        "Theano's garbage collection (allow_gc) returns every buffer as soon as nothing reads it any more.",
        "Keep them: THEANO_FLAGS=allow_gc=False; theano/tuned does (its optimization buffers).",
        None if faults is None else faults * _fault_seconds(profile),
    )


def _output_bytes(operation: Operation) -> int:
    """Return the bytes of the outputs; 0 for views and scalars."""
    if operation.kind == "host":
        return 0
    return sum(FLOAT32_BYTES * prod(shape) for shape in operation.output_shapes if shape)


def page_fault_storm(profile: Profile) -> Finding | None:
    """Report page faults that cost at least FAULT_SHARE of a step."""
    faults, whole = _faults(profile), step_seconds(profile)
    if faults is None or not whole:
        return None
    seconds = faults * _fault_seconds(profile)
    if seconds < FAULT_SHARE * whole:
        return None
    return Finding(
        "page-fault storm",
        f"{format_number(faults)} page faults in each step, {format_bytes(faults * PAGE_BYTES)} of fresh pages: about "
        f"{of_step(seconds, profile)}, at {format_seconds(_fault_seconds(profile))} each.",
        "Large buffers go back to the kernel when they are freed, and come back as pages of zeros.",
        "Keep the buffers, or let the C library keep them: GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1073741824:"
        "glibc.malloc.trim_threshold=1073741824.",
        seconds,
    )


def _faults(profile: Profile) -> float | None:
    return profile.host.get("page_faults_per_step")


def _fault_seconds(profile: Profile) -> float:
    measured = profile.ceilings.best("page_fault") if profile.ceilings else None
    return FAULT_SECONDS if measured is None else measured.seconds
