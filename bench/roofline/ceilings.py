"""Ceilings, the peak rates of a machine, from a record.

A ceiling is the rate of the fastest engine that the run measured on a device: the host's libraries, JAX or PyTorch.
The fastest sample of all processes counts, as in STREAM (J. McCalpin), because other load can only slow samples down.
A large disagreement between processes indicates other load during one of them; such a ceiling is not used.
"""

from __future__ import annotations

from bench.records.ceilings import Ceiling, Ceilings
from bench.records.frames import Frames
from bench.records.select import rounds_of
from bench.records.stack_key import groups, or_none

HARNESS = "ceilings"
HOST = "host"  # the engine of cases without a backend
COPY, ELEMENTWISE, RANDOM, SQUARE = "copy", "elementwise", "random_numbers", "gemm_square"
LOWER_PRECISIONS = ("tf32", "bfloat16")  # of products that a GPU multiplies faster than in float32


def product_name(role: str, precision: str | None = None) -> str:
    """Return the name of a product's ceiling: ``gemm_forward_1``, or ``gemm_forward_1_tf32`` at a lower precision."""
    return f"gemm_{role}_{precision}" if precision in LOWER_PRECISIONS else f"gemm_{role}"


def lower_precision(name: str) -> str | None:
    """Return which of ``LOWER_PRECISIONS`` the ceiling of a product has; None for float32."""
    return next((precision for precision in LOWER_PRECISIONS if name.endswith(precision)), None)


def is_step_product(name: str) -> bool:
    """Return True for the ceiling of one of a step's products at full precision."""
    return name.startswith("gemm_") and not name.startswith(SQUARE) and not name.endswith(LOWER_PRECISIONS)


def ceilings_of(frames: Frames, device: str) -> Ceilings | None:
    """Return the ceilings of ``device`` in ``frames``; None if not measured."""
    samples = frames.samples
    own = samples[(samples["harness"] == HARNESS) & (samples["device"] == device)]
    if own.empty:
        return None
    measured = []
    for keys, rows in groups(own, ["backend", "measurement"]):
        rows = rows.loc[rows.groupby("process")["seconds"].idxmin()]
        fastest = rows.groupby("process")["seconds"].min()
        measured.append(
            Ceiling(
                name=keys["measurement"],
                engine=keys["backend"] or HOST,
                seconds=float(fastest.min()),
                slowest_seconds=float(fastest.max()),
                num_processes=len(fastest),
                flop=or_none(rows["flop"].max()),
                bytes=or_none(rows["bytes"].max()),
                rounds=rounds_of(rows),
            )
        )
    return Ceilings(device, or_none(own["threads"].max()), tuple(measured))


def ceilings_by_device(frames: Frames) -> dict[str, Ceilings]:
    """Return the ceilings of each device in ``frames`` that has any, the CPU first."""
    devices = dict.fromkeys(["cpu", *frames.samples["device"].dropna().unique()])
    return {device: found for device in devices if (found := ceilings_of(frames, device)) is not None}
