"""Results that another tool measured, read as a run to compare with.

A tool's file names benchmarks; only one that mlp-bench exported says which stack and case a benchmark is.
"""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.json_file import read_json

HINT = "give a file that pytest-benchmark, pyperf, hyperfine or asv wrote as JSON."
# What a value of another shape than its tool writes ends in.
SHAPE_ERRORS = (KeyError, TypeError, AttributeError, ValueError, OverflowError, IndexError)


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
        ``pytest-benchmark``, ``pyperf``, ``hyperfine`` or ``asv``.
    started_at : str or None
        As the tool wrote it.
    machine : dict
        Facts under the names of our own fingerprint; what the tool does not tell is None.
    benchmarks : list of Benchmark
        At least one.
    left_out : list of str
        A sentence for each benchmark of the file that cannot be compared.
    """

    tool: str
    started_at: str | None
    machine: dict[str, Any]
    benchmarks: list[Benchmark]
    left_out: list[str] = field(default_factory=list)


def read_foreign(path: str | Path) -> Foreign:
    """The results in ``path``, whichever tool wrote it.

    Raises
    ------
    BenchError
        If the file cannot be read, is of none of these tools, was cut short, or holds nothing that can be compared.
    """
    path = Path(path)
    try:
        document = read_json(path)
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}): {HINT}") from error
    except ValueError as error:
        raise BenchError(f"{path} is no JSON, or was cut short ({error}): write it again, or {HINT}") from error
    module = _module_for(document)
    if module is None:
        raise BenchError(f"{path} is in none of the formats that can be read: {HINT}")
    try:
        found = importlib.import_module(f"bench.export.{module}").parse(document)
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from error
    except SHAPE_ERRORS as error:
        raise BenchError(f"{path} is damaged ({why(error)}): write it again, or {HINT}") from error
    if not found.benchmarks:
        lost = f"nothing that can be compared: {' '.join(found.left_out)}" if found.left_out else None
        raise BenchError(f"{path} holds {lost or 'no benchmarks: measure some first.'}")
    _check_names(path, [benchmark.name for benchmark in found.benchmarks])
    return found


def _check_names(path: Path, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise BenchError(
                f"{path} has {count} benchmarks called {name}: give each a name of its own (hyperfine: --command-name)."
            )


def parse_each(entries: Any, parse: Callable[[Any], Benchmark | list[Benchmark]]) -> tuple[list[Benchmark], list[str]]:
    """What ``parse`` makes of each entry, and a sentence for each that is lost: one that is damaged costs itself."""
    found, left_out = [], []
    for number, entry in enumerate(entries, start=1):
        try:
            parsed = parse(entry)
        except BenchError as error:
            left_out.append(str(error))
        except SHAPE_ERRORS as error:
            left_out.append(f"benchmark {number} is damaged and was left out ({why(error)}).")
        else:
            found += parsed if isinstance(parsed, list) else [parsed]
    return found, left_out


def why(error: Exception) -> str:
    """What an error says of the shape of a value, in words that are not Python's where they can be."""
    return f"it has no {error.args[0]!r}" if isinstance(error, KeyError) and error.args else str(error)


def text_of(value: Any, what: str) -> str:
    """``value`` if it is text; raises BenchError if it is none."""
    if not isinstance(value, str):
        raise BenchError(f"{what} is {repr(value)[:60]}, which is no text: write the file again.")
    return value


def mapping(value: Any) -> dict[str, Any]:
    """``value`` if it holds facts by name; what is there instead tells nothing."""
    return value if isinstance(value, dict) else {}


def _module_for(document: Any) -> str | None:
    """The module of the format by what only that format has at its top."""
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("results"), list):
        return "hyperfine"
    if isinstance(document.get("results"), dict) and "result_columns" in document:
        return "asv"
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
    if not all(type(size) is int for size in sizes):
        raise BenchError(f"the processes of {name} are no numbers of samples: export it again.")
    if sum(sizes) != len(seconds) or min(sizes) < 1:
        raise BenchError(f"{name} has {len(seconds)} samples, its processes {sum(sizes)}: export it again.")
    samples = iter(seconds)
    return [list(islice(samples, size)) for size in sizes]


def case_keys(keys: Any) -> dict[str, Any]:
    """``keys`` if they are those of a series that mlp-bench exported; empty for anything else."""
    ours = isinstance(keys, dict) and {"harness", "measurement"} <= keys.keys()
    return dict(keys) if ours and all(isinstance(value, (str, int)) for value in keys.values()) else {}
