"""Choice of the stacks that a run measures, and of those skipped, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.advice import make_command
from bench.measure.case import Stack
from bench.records.header import Skipped
from mlp import backends, registry
from mlp.backends import Available, Backend, Unavailable, Variant, gpu
from mlp.errors import BackendError

CANONICAL_BACKEND = "theano"
ALL = "all"

Probe = Callable[[str, str, str], Available | Unavailable]  # (backend, variant, device)
Refusal = tuple[str, str, Unavailable]  # (backend, device, reason), shared by all variants refused for it


@dataclass
class Choice:
    """Stacks of a run, in the order of the plan, and the skipped ones."""

    stacks: list[Stack] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def select_stacks(
    backend_names: tuple[str, ...] = (),
    variant_names: tuple[str, ...] = (),
    devices: tuple[str, ...] = (),
    *,
    probe: Probe = backends.probe,
    driver: Callable[[], gpu.Driver | Unavailable] = gpu.find_driver,
) -> Choice:
    """Choose the stacks to measure.

    The default is the canonical backend on the CPU, and on a machine with an NVIDIA GPU also those whose entry says so
    (JAX and PyTorch), on both devices, each in its standard variants.  ``all`` takes every backend or variant that can
    run.  A variant is named alone (``scan``) or with its backend (``jax/scan``).

    Raises
    ------
    BackendError
        If a backend, variant or device is unknown, or a named one cannot be measured.
    """
    for device in devices:
        backends.check_device(device)
    answer = driver()
    has_gpu = not isinstance(answer, Unavailable)
    named = [name for name in backend_names if name != ALL]
    everything = ALL in backend_names
    on_gpu = [one.name for one in registry.BUILT_IN.values() if has_gpu and one.measured_on_gpu]
    wanted = backends.names() if everything else named or [CANONICAL_BACKEND, *on_gpu]
    classes, broken = backends.load_usable(dict.fromkeys(wanted))
    for name in named:
        if name in broken:
            backends.load(name)  # raises the reason
    _check_variants(classes, variant_names)

    choice = Choice()
    usable_devices = devices or (("cpu", "cuda") if has_gpu else ("cpu",))
    refused = _fill(choice, classes, variant_names, usable_devices, probe)
    _check_named(choice, named, devices, refused)
    if not devices and isinstance(answer, Unavailable):
        choice.skipped.append(Skipped("device cuda", answer.reason, answer.remedy))
    choice.skipped += [Skipped(name, answer.reason, answer.remedy) for name, answer in broken.items()]
    if not backend_names:
        choice.skipped += _not_asked_for(set(wanted), probe)
    return choice


def leave_out_slow_starts(choice: Choice) -> None:
    """Skip the stacks whose processes start slowly, for a quick run that names none of them."""
    for stack in [stack for stack in choice.stacks if stack.slow_start]:
        choice.stacks.remove(stack)
        remedy = make_command("bench", QUICK=1, BACKENDS=stack.backend, VARIANTS=stack.variant)
        choice.skipped.append(Skipped(stack.label, "compiles for a minute, too long for a quick run", remedy))


def _fill(
    choice: Choice,
    classes: list[type[Backend]],
    variant_names: tuple[str, ...],
    devices: tuple[str, ...],
    probe: Probe,
) -> list[Refusal]:
    """Sort every stack into measured or skipped; return the refusals."""
    refused: dict[Refusal, list[str]] = {}
    for device in devices:
        kind = device.partition(":")[0]
        for backend in classes:
            for variant in _variants_of(backend, variant_names):
                if kind not in variant.devices:
                    continue
                answer = probe(backend.name, variant.name, device)
                if isinstance(answer, Unavailable):
                    refused.setdefault((backend.name, device, answer), []).append(variant.name)
                    continue
                declared = (variant.precision, variant.caches_code, variant.slow_start, variant.masks)
                choice.stacks.append(Stack(backend.name, variant.name, device, *declared))
    for (name, device, answer), variants in refused.items():
        what = f"{name} ({', '.join(variants)}) on {device}"
        choice.skipped.append(Skipped(what, answer.reason, answer.remedy))
    return list(refused)


def _variants_of(backend: type[Backend], names: tuple[str, ...]) -> list[Variant]:
    if not names:
        return [variant for variant in backend.variants if variant.standard]
    return [
        variant
        for variant in backend.variants
        if ALL in names or variant.name in names or f"{backend.name}/{variant.name}" in names
    ]


def _check_variants(classes: list[type[Backend]], names: tuple[str, ...]) -> None:
    for name in names:
        if name == ALL:
            continue
        if not any(name in (variant.name, f"{one.name}/{variant.name}") for one in classes for variant in one.variants):
            known = ", ".join(f"{one.name}/{variant.name}" for one in classes for variant in one.variants)
            raise BackendError(f"unknown variant {name!r}: choose from {known}.")


def _check_named(choice: Choice, named: list[str], devices: tuple[str, ...], refused: list[Refusal]) -> None:
    """Raise BackendError if a named stack or device is not measured, before the run starts."""
    measured = {stack.backend for stack in choice.stacks} | {stack.device for stack in choice.stacks}
    for name in (*named, *devices):
        if name in measured:
            continue
        reasons = [f"{answer.reason}. {answer.remedy}" for *place, answer in refused if name in place]
        detail = "; ".join(dict.fromkeys(reasons)) or "none of the chosen variants is written for the chosen devices."
        raise BackendError(f"{name} cannot be measured here: {detail}")
    if not choice.stacks:
        reasons = [f"{name} on {device}: {one.reason}. {one.remedy}" for name, device, one in refused]
        raise BackendError(f"none of the chosen stacks can be measured here: {' '.join(reasons)}")


def _not_asked_for(wanted: set[str], probe: Probe) -> list[Skipped]:
    """Return an entry for each backend that a run without a choice leaves out."""
    classes, broken = backends.load_usable(name for name in backends.names() if name not in wanted)
    answers = dict(broken)
    for one in classes:
        first = next((variant for variant in one.variants if variant.standard), one.variants[0])
        answers[one.name] = probe(one.name, first.name, first.devices[0])
    return [
        Skipped(name, "installed, but not chosen", make_command("bench", BACKENDS=name))
        if isinstance(answer, Available)
        else Skipped(name, answer.reason, answer.remedy)
        for name, answer in answers.items()
    ]
