"""Profiles to judge: two that were recorded (Theano on two cores), and changes that give one a defect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.records.header import CommitFacts
from bench.records.profile import CompilePhase, Operation, Profile, Timing
from bench.records.profile_file import load

RECORDED = Path(__file__).parent / "profiles"
PUBLISHED, TUNED = "recorded-theano-as_published.json", "recorded-theano-tuned.json"


def recorded(name: str) -> Profile:
    return load(RECORDED / name)


def gpu_profile(**changes: Any) -> Profile:
    """A step of 1 ms on a GPU: 0.9 ms of kernels, 0.1 ms between them."""
    operations = (
        Operation("train_step", "gemm kernel", "gemm", 8, 0.7e-3, flop=1.2e9, bytes=1e7),
        Operation("train_step", "elementwise kernel", "elementwise", 12, 0.2e-3, bytes=1e7),
        Operation("train_step", "between operations", "host", 1, 0.1e-3, details={"op": "between operations"}),
    )
    profile = Profile(
        profile_id="20260102-030405-0123456",
        started_at="2026-01-02T03:04:05+00:00",
        stack={"backend": "torch", "variant": "eager", "device": "cuda", "precision": "float32"},
        recipe=recorded(TUNED).recipe,
        threads=2,
        dataset="mnist",
        machine={"usable_cores": 2},
        commit=CommitFacts("0123456", False),
        timings={"train_step": Timing((1e-3,), (1e-3,), 20)},
        operations=operations,
    )
    return replace(profile, **changes)


def with_operation(profile: Profile, name: str, kind: str, seconds: float, **more: Any) -> Profile:
    """``profile`` with one more operation, which makes its step so much longer."""
    timing = profile.timings["train_step"]
    longer = tuple(one + seconds for one in timing.profiled_seconds)
    return replace(
        profile,
        operations=(*profile.operations, Operation("train_step", name, kind, more.pop("calls", 1), seconds, **more)),
        timings={**profile.timings, "train_step": replace(timing, profiled_seconds=longer)},
    )


def with_facts(profile: Profile, **facts: Any) -> Profile:
    return replace(profile, facts={**profile.facts, **facts})


def with_host(profile: Profile, **host: Any) -> Profile:
    return replace(profile, host={**profile.host, **host})


def with_phases(profile: Profile, *phases: CompilePhase) -> Profile:
    return replace(profile, compile_phases=phases)
