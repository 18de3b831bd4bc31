"""What a machine can do at best, from a record; and the time that a step, an epoch and a run would take at that.

A ceiling is the rate of the fastest engine that the run measured on a device: the host's own libraries, JAX or PyTorch.
Of a process counts the fastest sample, as in STREAM (J. McCalpin): whatever else the machine did can only have hidden
what it is capable of.  Over processes it is the median, with an interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench import stats
from bench.frames import Frames
from bench.samples import estimate_of, rounds_of
from bench.stack_key import groups, or_none

HARNESS = "ceilings"
HOST = "host"  # the engine of cases without a backend
COPY, ELEMENTWISE, RANDOM, SQUARE = "copy", "elementwise", "random_numbers", "gemm_square"


@dataclass(frozen=True)
class Ceiling:
    """The best of one kind of work: ``seconds`` of one call, which is so many ``flop`` and moves so many ``bytes``.

    ``rounds`` maps an interleaved round to seconds.
    """

    name: str
    engine: str
    seconds: float
    low_seconds: float | None = None
    high_seconds: float | None = None
    num_processes: int = 1
    flop: float | None = None
    bytes: float | None = None
    rounds: Mapping[int, float] | None = None

    @property
    def flop_per_second(self) -> float | None:
        return None if self.flop is None else self.flop / self.seconds

    @property
    def bytes_per_second(self) -> float | None:
        return None if self.bytes is None else self.bytes / self.seconds


@dataclass(frozen=True)
class Ceilings:
    """Those of one device.  ``measured`` holds every engine's; ``best(name)`` is the fastest engine's."""

    device: str
    threads: int | None
    measured: tuple[Ceiling, ...]

    def best(self, name: str) -> Ceiling | None:
        found = [ceiling for ceiling in self.measured if ceiling.name == name]
        return min(found, key=_seconds_for_its_work, default=None)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(ceiling.name for ceiling in self.measured))

    def in_round(self, number: int) -> Ceilings | None:
        """What the engines that are best over all rounds did in one of them; None if that round lacks any of it."""
        best = [self.best(name) for name in self.names]
        if any(number not in (ceiling.rounds or {}) for ceiling in best):
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
        return cls(record["device"], record["threads"], tuple(Ceiling(**one) for one in record["measured"]))


def _seconds_for_its_work(ceiling: Ceiling) -> float:
    """Engines may have done different amounts: a GPU's arrays are larger than the host's."""
    return ceiling.seconds / (ceiling.flop or ceiling.bytes or 1)


def ceilings_of(frames: Frames, device: str) -> Ceilings | None:
    """The ceilings of ``device`` that the run in ``frames`` measured, or None if it measured none there."""
    samples = frames.samples
    own = samples[(samples["harness"] == HARNESS) & (samples["device"] == device)]
    if own.empty:
        return None
    measured = []
    for keys, rows in groups(own, ["backend", "measurement"]):
        rows = rows.loc[rows.groupby("process")["seconds"].idxmin()]
        found: stats.Estimate = estimate_of(rows)
        measured.append(
            Ceiling(
                name=keys["measurement"],
                engine=keys["backend"] or HOST,
                seconds=found.center,
                low_seconds=found.low,
                high_seconds=found.high,
                num_processes=found.num_processes,
                flop=or_none(rows["flop"].max()),
                bytes=or_none(rows["bytes"].max()),
                rounds=rounds_of(rows),
            )
        )
    return Ceilings(device, or_none(own["threads"].max()), tuple(measured))
