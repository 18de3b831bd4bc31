"""Results that another tool measured, read as a run to compare with.

A tool's file names benchmarks; only one that mlp-bench exported says which stack and case a benchmark is.
"""

from __future__ import annotations

import importlib
import json
import math
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.errors import BenchError

HINT = "give a file that pytest-benchmark, pyperf or hyperfine wrote as JSON."


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of a file.

    Attributes
    ----------
    name : str
        Unique in its file.
    processes : list of processes, each a list of seconds
        Positive finite numbers.  A process is what the tool started afresh: pyperf a worker, hyperfine each run,
        pytest-benchmark the whole file.
    keys : dict
        Harness, measurement and case, as in ``Series.keys``, of what mlp-bench exported; empty for anything else.
    """

    name: str
    processes: list[list[float]]
    keys: dict[str, Any]


@dataclass(frozen=True)
class Foreign:
    """What one file of another tool holds.

    Attributes
    ----------
    tool : str
        ``pytest-benchmark``, ``pyperf`` or ``hyperfine``.
    started_at : str or None
        As the tool wrote it.
    machine : dict
        Facts under the names of our own fingerprint; what the tool does not tell is None.
    benchmarks : list of Benchmark
        At least one.
    """

    tool: str
    started_at: str | None
    machine: dict[str, Any]
    benchmarks: list[Benchmark]


def read_foreign(path: str | Path) -> Foreign:
    """The results in ``path``, whichever of the three tools wrote it.

    Raises
    ------
    BenchError
        If the file cannot be read, is of none of these tools, was cut short, or holds a duration that is none.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}): {HINT}") from error
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path} is no JSON, or was cut short ({error}): write it again, or {HINT}") from error
    module = _module_for(document)
    if module is None:
        raise BenchError(f"{path} is in none of the formats that can be read: {HINT}")
    try:
        found = importlib.import_module(f"bench.export.{module}").parse(document)
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise BenchError(f"{path} is damaged ({type(error).__name__}: {error}): write it again, or {HINT}") from error
    if not found.benchmarks:
        raise BenchError(f"{path} holds no benchmarks: measure some first.")
    _check_names(path, [benchmark.name for benchmark in found.benchmarks])
    return found


def _check_names(path: Path, names: list[Any]) -> None:
    for name, count in Counter(map(str, names)).items():
        if count > 1:
            raise BenchError(f"{path} has {count} benchmarks called {name}: give each a name of its own.")


def _module_for(document: Any) -> str | None:
    """The module of the format by what only that format has at its top."""
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("results"), list):
        return "hyperfine"
    if "benchmarks" not in document:
        return None
    return "pytest_benchmark" if "machine_info" in document or "commit_info" in document else "pyperf"


def finite_seconds(name: str, values: Any) -> list[float]:
    """``values`` as floats; raises BenchError unless there are some and each is a positive finite number."""
    if not isinstance(values, list) or not values:
        raise BenchError(f"{name} has no samples: measure it again, and keep them.")
    good = [
        float(value)
        for value in values
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    ]
    if len(good) != len(values):
        raise BenchError(
            f"{len(values) - len(good)} of {len(values)} samples of {name} are no positive number: measure it again."
        )
    return good


def split_by_process(name: str, seconds: list[float], sizes: list[int]) -> list[list[float]]:
    """``seconds`` cut into processes of ``sizes`` samples; one process if there are no sizes."""
    if not sizes:
        return [seconds]
    if sum(sizes) != len(seconds) or min(sizes) < 1:
        raise BenchError(f"{name} has {len(seconds)} samples, its processes {sum(sizes)}: export it again.")
    samples = iter(seconds)
    return [list(islice(samples, size)) for size in sizes]


def case_keys(keys: Any) -> dict[str, Any]:
    """``keys`` if they are those of a series that mlp-bench exported; empty for anything else."""
    ours = isinstance(keys, dict) and {"harness", "measurement"} <= keys.keys()
    return dict(keys) if ours and all(isinstance(value, (str, int)) for value in keys.values()) else {}
