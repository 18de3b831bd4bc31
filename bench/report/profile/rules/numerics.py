"""Rules on arithmetic: duplicated products, slow random generators, slow BLAS."""

from __future__ import annotations

from bench.advice import bench_command
from bench.records.profile import Operation, Profile
from bench.report.profile.attainable import recipe_of
from bench.report.profile.rules.finding import Finding, is_on_gpu, of_step, step_seconds, total_seconds
from bench.roofline.ceilings import RANDOM
from bench.roofline.workload import FLOAT32_BYTES, random_numbers
from bench.units import format_number, format_seconds

GENERATOR_SHARE = 0.10
SLOW_SHARE = 0.25  # of the rate of the large square product
LARGE_FLOP = 1e7  # smaller products are slow in every library


def duplicated_products(profile: Profile) -> Finding | None:
    """Report matrix products of the same arrays computed more than once in a training step."""
    groups: dict[str, list[Operation]] = {}
    for operation in profile.of("train_step"):
        if operation.kind == "gemm" and operation.details.get("product"):
            groups.setdefault(operation.details["product"], []).append(operation)
    repeated = {product: group for product, group in groups.items() if len(group) > 1}
    if not repeated:
        return None
    wasted = sum(total_seconds(group) - min(one.seconds for one in group) for group in repeated.values())
    products = ", ".join(f"{product} ({_shape(group[0])}, {len(group)} times)" for product, group in repeated.items())
    return Finding(
        "duplicated products",
        f"{len(repeated)} of {len(groups)} matrix products are computed more than once, which costs "
        f"{of_step(wasted, profile)}: {products}.",
        _why_repeated(repeated),
        "Compute each once: theano/tuned does, and writing the gradient into a variable that both readers share helps.",
        wasted,
    )


def _shape(operation: Operation) -> str:
    return " by ".join(str(operation.details.get(name, "?")) for name in "mkn")


def _why_repeated(repeated: dict[str, list[Operation]]) -> str:
    names = {operation.details.get("op") for group in repeated.values() for operation in group}
    if {"Dot22", "Dot22Scalar"} <= names:
        return (
            "Theano's optimiser moves the learning rate of RMSProp's update into the product of the gradient "
            "(Dot22Scalar), while the accumulator still reads the product without it (Dot22)."
        )
    return "The compiler did not see that two expressions are the same."


def dropout_generator(profile: Profile) -> Finding | None:
    """Report random numbers that take more than a tenth of a training step."""
    whole = step_seconds(profile)
    drawn = [operation for operation in profile.of("train_step") if operation.kind == "rng"]
    seconds = total_seconds(drawn)
    if not whole or seconds <= GENERATOR_SHARE * whole:
        return None
    names = ", ".join(sorted({str(operation.details.get("op") or operation.name) for operation in drawn}))
    single = any(name.startswith("mrg_uniform") for name in names.split(", "))
    return Finding(
        "dropout generator",
        f"The generator of the dropout masks ({names}) takes {of_step(seconds, profile)}{_at_best(profile)}.",
        "Theano's MRG31k3p draws in a single thread on any number of cores."
        if single
        else "The generator draws more, or slower, than the masks need.",
        "Draw by a counter-based generator inside the pass that applies the mask, as theano/tuned does with Philox.",
        seconds,
    )


def _at_best(profile: Profile) -> str:
    """Return a clause with the seconds of these random numbers at the ceiling; empty if not measured."""
    if profile.ceilings is None:
        return ""
    best = profile.ceilings.best(RANDOM)
    count = random_numbers(recipe_of(profile))
    if best is None or not best.bytes_per_second:
        return ""
    at_best = format_seconds(FLOAT32_BYTES * count / best.bytes_per_second)
    return f"; this machine can draw its {count:,} numbers in {at_best}"


def slow_blas(profile: Profile) -> Finding | None:
    """Report products far below the ceiling, or through Theano's fallback BLAS."""
    blas = profile.facts.get("blas") or {}
    products = [one for one in profile.of("train_step") if one.kind == "gemm" and (one.flop or 0) >= LARGE_FLOP]
    seconds = total_seconds(products)
    if not products or seconds <= 0:
        return None
    rate = sum(one.flop for one in products) / seconds
    best = profile.ceilings.best("gemm_square") if profile.ceilings else None
    ceiling = best.flop_per_second if best else None
    built_in = blas.get("name") == "NumPy's C API"
    if not built_in and (ceiling is None or rate >= SLOW_SHARE * ceiling):
        return None
    against = f", of the {format_number(ceiling / 1e9)} GFLOP/s of this machine" if ceiling else ""
    return Finding(
        "slow BLAS",
        f"The matrix products run at {format_number(rate / 1e9)} GFLOP/s{against}: {of_step(seconds, profile)}.",
        "Theano links no BLAS of its own and goes through NumPy's." if built_in else _slow_cause(profile, blas),
        "Name an optimised BLAS (THEANO_FLAGS=blas.ldflags=...), or reinstall SciPy from its wheel; "
        f"{bench_command('doctor')} says which is in use.",
        seconds - sum(one.flop for one in products) / ceiling if ceiling else None,
    )


def _slow_cause(profile: Profile, blas: dict) -> str:
    if is_on_gpu(profile):
        return "The products are too small for this GPU, or another process uses it."
    return f"{blas.get('name') or 'The BLAS'} has no kernel for this CPU, or something else is computing beside it."
