"""JSON file of a gate run: the turns of every block, from which the decision can be recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import RecordError
from bench.gate.block import Block
from bench.gate.verdict import Metric
from bench.measure.runner import new_run_id
from bench.records import files
from bench.records.json_file import Integer, read_json
from bench.records.older_schemas import current_gate_run
from bench.records.run_folder import write_json

# 1 (2026-11): first version.
# 2 (2026-11): slots were seats; metrics ``validate_epoch`` and ``train_step`` were ``validation_epoch`` and
#    ``train_step_500``.
GATE_SCHEMA_VERSION = 2


def new_path(runs_dir: Path, commit: str | None, command: str = "gate") -> Path:
    """Return the path for a run of ``command`` that starts now; raise RecordError if it cannot be written."""
    files.make_folder(runs_dir, "name another with --runs-dir")
    path = runs_dir / f"{new_run_id(commit)}-{command}.json"
    files.check({"--runs-dir": path})
    return path


def write_run(path: Path, context: dict[str, Any], metrics: Sequence[Metric], blocks: Sequence[Block]) -> Path:
    """Write a run atomically; return its path, which differs from ``path`` if that exists already.

    Raises RecordError if it cannot be written.
    """
    content = {
        "gate_schema_version": GATE_SCHEMA_VERSION,
        **context,
        "metrics": [asdict(metric) for metric in metrics],
        "blocks": [block.to_json() for block in blocks],
    }
    remedy = "name another folder with --runs-dir"
    path = files.new_file(path, remedy)
    write_json(path, content, remedy)
    return path


def read_run(path: Path) -> tuple[dict[str, Any], tuple[Metric, ...], tuple[Block, ...]]:
    """Read a kept run: context, metrics and blocks; raise RecordError if it is missing or damaged."""
    try:
        content = read_json(path)
        if not isinstance(content, dict) or "gate_schema_version" not in content:
            raise ValueError("it has no gate_schema_version; compare reads files of other tools")
        version = msgspec.convert(content.pop("gate_schema_version"), Integer)
        if version > GATE_SCHEMA_VERSION:
            raise RecordError(
                f"{path} has gate schema version {version}, this version of mlp-bench reads up to "
                f"{GATE_SCHEMA_VERSION}: update mlp-bench to read it."
            )
        content = current_gate_run(content)
        metrics = msgspec.convert(content.pop("metrics", None), tuple[Metric, ...])
        blocks = msgspec.convert(content.pop("blocks", None), tuple[Block, ...])
        if not metrics or not blocks:
            raise ValueError("it has no judged metric")
        return content, metrics, blocks
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error.strerror}): name a file that a gate run kept.") from error
    except ValueError as error:
        raise RecordError(f"{path} is not a kept gate run, or damaged ({error}): name another.") from error
