"""Ceilings, the peak rates of a machine, from a record.

A ceiling is the rate of the fastest engine that the run measured on a device: the host's libraries, JAX or PyTorch.
The fastest sample of all processes counts, as in STREAM (J. McCalpin), because other load can only slow samples down.
A large disagreement between processes indicates other load during one of them; such a ceiling is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from bench.records.frames import Frames
from bench.records.select import rounds_of
from bench.records.stack_key import groups, or_none
from bench.units import format_number

HARNESS = "ceilings"
HOST = "host"  # the engine of cases without a backend
COPY, ELEMENTWISE, RANDOM, SQUARE = "copy", "elementwise", "random_numbers", "gemm_square"
LOWER_PRECISIONS = ("tf32", "bfloat16")  # of products that a GPU multiplies faster than in float32
MOST_DISAGREEMENT = 1.5  # ratio of the fastest samples of two processes


def product_name(role: str, precision: str | None = None) -> str:
    """Return the name of a product's ceiling: ``gemm_forward_1``, or ``gemm_forward_1_tf32`` at a lower precision."""
    return f"gemm_{role}_{precision}" if precision in LOWER_PRECISIONS else f"gemm_{role}"


def is_step_product(name: str) -> bool:
    """Return True for the ceiling of one of a step's products at full precision."""
    return name.startswith("gemm_") and not name.startswith(SQUARE) and not name.endswith(LOWER_PRECISIONS)


@dataclass(frozen=True)
class Ceiling:
    """Best time of one kind of work: ``seconds`` of one call with ``flop`` operations and ``bytes`` of traffic.

    ``seconds`` is the fastest sample of all processes, ``slowest_seconds`` the fastest sample of the slowest process,
    and ``rounds`` maps an interleaved round to the fastest sample of its process.
    """

    name: str
    engine: str
    seconds: float
    slowest_seconds: float | None = None
    num_processes: int = 1
    flop: float | None = None
    bytes: float | None = None
    rounds: Mapping[int, float] | None = None

    @property
    def disagreement(self) -> float:
        """Ratio of the slowest to the fastest process; 1 if only one is known."""
        return 1.0 if self.slowest_seconds is None else self.slowest_seconds / self.seconds

    @property
    def flop_per_second(self) -> float | None:
        return None if self.flop is None else self.flop / self.seconds

    @property
    def bytes_per_second(self) -> float | None:
        return None if self.bytes is None else self.bytes / self.seconds


@dataclass(frozen=True)
class Ceilings:
    """Ceilings of one device.  ``measured`` has those of all engines; ``best(name)`` is the effective one."""

    device: str
    threads: int | None
    measured: tuple[Ceiling, ...]

    def best(self, name: str) -> Ceiling | None:
        """Return the fastest engine's ceiling; None if not measured, or if its processes disagree."""
        found = self._fastest(name)
        return None if found is None or found.disagreement > MOST_DISAGREEMENT else found

    def _fastest(self, name: str) -> Ceiling | None:
        return min((one for one in self.measured if one.name == name), key=_seconds_for_its_work, default=None)

    @property
    def notice(self) -> str | None:
        """Return a sentence if processes disagree on a ceiling, else None."""
        by_name = {name: self._fastest(name).disagreement for name in self.names}
        unclear = {name: ratio for name, ratio in by_name.items() if ratio > MOST_DISAGREEMENT}
        if not unclear:
            return None
        return (
            f"The processes of this run disagree on what {self.device} can do at best, by up to "
            f"{format_number(max(unclear.values()))} times ({', '.join(unclear)}): something else was computing. "
            "Nothing is judged by these ceilings; measure again on a quiet machine."
        )

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(ceiling.name for ceiling in self.measured))

    def in_round(self, number: int) -> Ceilings | None:
        """Return the ceilings of one round, by the engines that are best over all rounds.

        None if that round lacks a ceiling, or if processes disagree.
        """
        best = [self.best(name) for name in self.names]
        if any(ceiling is None or number not in (ceiling.rounds or {}) for ceiling in best):
            return None
        return replace(self, measured=tuple(replace(ceiling, seconds=ceiling.rounds[number]) for ceiling in best))

    @property
    def round_numbers(self) -> list[int]:
        return sorted({number for ceiling in self.measured for number in ceiling.rounds or {}})

    def to_json(self) -> dict[str, Any]:
        measured = [{name: value for name, value in asdict(one).items() if name != "rounds"} for one in self.measured]
        return {"device": self.device, "threads": self.threads, "measured": measured}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Ceilings:
        """Decode the ceilings of a profile; obsolete fields of older versions are ignored."""
        known = {field.name for field in fields(Ceiling)}
        measured = [Ceiling(**{key: value for key, value in one.items() if key in known}) for one in record["measured"]]
        return cls(record["device"], record["threads"], tuple(measured))


def _seconds_for_its_work(ceiling: Ceiling) -> float:
    """Return seconds per unit of work, because amounts differ between engines."""
    return ceiling.seconds / (ceiling.flop or ceiling.bytes or 1)


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
