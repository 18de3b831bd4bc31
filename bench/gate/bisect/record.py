"""JSON file of a bisection, rewritten after every block: its range, skipped commits and turns.  It can be resumed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.advice import bench_command
from bench.errors import BenchError, RecordError
from bench.gate.bisect.commits import CommitRange
from bench.gate.block import Block
from bench.gate.verdict import Metric
from bench.measure.case import Stack
from bench.records.comparability import contradictions, identity
from bench.records.json_file import finite, read_format
from bench.records.run_folder import write_json

BISECTION_FORMAT = "mlp-bench bisection 1"
REMEDY = "name another folder with --runs-dir"


@dataclass(frozen=True)
class BisectionRecord:
    """Content of the file; ``failures`` maps ids of commits that cannot be measured to the reasons."""

    started_at: str
    commits: CommitRange
    metric: Metric
    stack: Stack
    threads: int
    confidence: float
    data: str | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    def check_continues(self, machine: dict[str, Any], dataset: dict[str, Any], recipe: dict[str, Any]) -> None:
        """Raise BenchError unless this machine, dataset and recipe are those of the record."""
        then, now = identity(self.machine), identity(machine)
        reasons = [f"its {name} is {then[name]}, here is {now[name]}" for name in contradictions(then, now)]
        reasons += ["its dataset differs"] if dataset["sha256"] != self.dataset.get("sha256") else []
        reasons += ["its recipe differs"] if finite(recipe) != self.recipe else []
        if reasons:
            raise BenchError(f"the bisection cannot be resumed here: {'; '.join(reasons)}. Begin a new one.")


def write_record(path: Path, record: BisectionRecord) -> None:
    """Write a bisection atomically; raise RecordError if it cannot be written."""
    write_json(path, {"format": BISECTION_FORMAT, **asdict(record)}, REMEDY)


def read_record(path: Path) -> BisectionRecord:
    """Read a bisection; raise RecordError if the file is missing, damaged or of another kind."""
    try:
        record = read_format(path, BISECTION_FORMAT, BisectionRecord)
        _check(record)
        return record
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise RecordError(
            f"the bisection {path} cannot be read ({why}): name a file that {bench_command('bisect')} kept."
        ) from error


def _check(record: BisectionRecord) -> None:
    """Raise ValueError for a range without commits, or a process of a commit that is not in it."""
    known = set(record.commits.commits)
    if len(known) < 2 or len(known) < len(record.commits.commits):
        raise ValueError("its range needs two commits or more, each once")
    if not 0.5 < record.confidence < 1:
        raise ValueError(f"confidence is {record.confidence!r}, not a probability between 0.5 and 1")
    if strange := {slot.role for block in record.blocks for slot in block.slots} - known | set(record.failures) - known:
        raise ValueError(f"commit {min(strange)} is not in its range")
