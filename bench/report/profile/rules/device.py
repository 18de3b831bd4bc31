"""Rules on devices: copies to and from a GPU in each step, a GPU idle between launches, throttled clocks."""

from __future__ import annotations

import re

from bench.records.profile import Profile
from bench.report.profile.rules.finding import Finding, is_on_gpu, of_step, step_seconds, total_seconds
from bench.units import format_bytes, format_count, format_seconds

# Names in PyTorch, JAX (CUPTI) and Theano (GpuFromHost, HostFromGpu).
TRANSFER = re.compile(r"HtoD|DtoH|H2D|D2H|FromHost|HostFromGpu|TransferTo|TransferFrom", re.I)
WAITING_SHARE = 0.25


def copies_in_each_step(profile: Profile) -> Finding | None:
    """Report copies between host and device in every training step."""
    if not is_on_gpu(profile):
        return None
    named = [(f"{one.name} {one.details.get('op', '')}", one) for one in profile.of("train_step")]
    copies = [one for names, one in named if TRANSFER.search(names)]
    if not copies:
        return None
    known = [one.bytes for one in copies if one.bytes is not None]
    amount = f"{format_bytes(sum(known))} cross" if len(known) == len(copies) else "arrays cross"
    seconds = total_seconds(copies)
    return Finding(
        "host-device copies",
        f"In each training step {amount} between host and device, in {len(copies)} kinds of copy: "
        f"{of_step(seconds, profile)}.",
        "Minibatches are made on the host, or a result is fetched before the next step may begin.",
        "Keep the data on the device (jax/scan, torch/graph), and fetch losses once in an epoch.",
        seconds,
    )


def waits_for_launches(profile: Profile) -> Finding | None:
    """Report a GPU that is idle for a large part of a step, waiting for launches of its host."""
    whole = step_seconds(profile)
    if not is_on_gpu(profile) or not whole:
        return None
    operations = profile.of("train_step")
    idle = total_seconds(one for one in operations if one.kind == "host")
    if idle <= WAITING_SHARE * whole:
        return None
    kernels = sum(one.calls for one in operations if one.kind != "host")
    return Finding(
        "GPU waits for launches",
        f"The GPU waits for {of_step(idle, profile)}; it is given {format_count(round(kernels))} kernels"
        f"{_launch_cost(profile, kernels)}.",
        "The host prepares and launches kernels one by one, and each is shorter than its launch.",
        "Capture the step (torch/graph), run an epoch as one program (jax/scan), or use larger batches.",
        idle,
    )


def _launch_cost(profile: Profile, kernels: float) -> str:
    launch = profile.ceilings.best("kernel_launch") if profile.ceilings else None
    return "" if launch is None else f", whose launches alone take {format_seconds(kernels * launch.seconds)} here"


def throttled(profile: Profile) -> Finding | None:
    """Report throttling of CPU, GPU or process during the profile."""
    host = profile.host
    if not host.get("throttled"):
        return None
    reasons = ", ".join(host.get("throttle_reasons") or []) or "unknown reason"
    return Finding(
        "throttling",
        f"The machine was throttled while it was profiled: {reasons}.",
        "Heat, a power limit, or a control group's CPU quota: results/README.md explains each reason.",
        "Let it cool, raise the limit, or state it beside every number; then profile again.",
    )
