"""Results of other tools, read as a side of a comparison.

Only files that mlp-bench exported say which stack and case a benchmark belongs to.
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
from bench.records.json_file import read_json

HINT = "give a file that pytest-benchmark, pyperf, hyperfine or asv wrote as JSON."
# Errors raised by parsing a value of an unexpected type.
SHAPE_ERRORS = (KeyError, TypeError, AttributeError, ValueError, OverflowError, IndexError)


@dataclass(frozen=True)
class Benchmark:
    """Benchmark of a file.

    Attributes
    ----------
    name : str
        Unique in its file.
    processes : list of processes, each a list of seconds
        Positive finite numbers.  For pyperf a process is a worker, for hyperfine a run, for pytest-benchmark the
        whole file.
    keys : dict
        Harness, measurement and case, as in ``Series.keys``, if mlp-bench exported the file; else empty.
    """

    name: str
    processes: list[list[float]]
    keys: dict[str, Any]


@dataclass(frozen=True)
class Foreign:
    """Contents of another tool's file.

    Attributes
    ----------
    tool : str
        ``pytest-benchmark``, ``pyperf``, ``hyperfine`` or ``asv``.
    started_at : str or None
        As the tool wrote it.
    machine : dict
        Facts under the names of our own fingerprint; None where the tool does not record them.
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
    """Return the results in ``path``, detecting the tool that wrote it.

    Raises
    ------
    BenchError
        If the file cannot be read, has an unknown format, was cut short, or holds nothing that can be compared.
    """
    path = Path(path)
    try:
        document = read_json(path)
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}): {HINT}") from error
    except ValueError as error:
        raise BenchError(f"{path} is not valid JSON ({error}): write it again, or {HINT}") from error
    module = _module_for(document)
    if module is None:
        if (path.parent / "run.json").is_file():
            raise BenchError(f"{path} is a part of a run: name the run's folder, {path.parent}.")
        raise BenchError(f"{path} has an unknown format: {HINT}")
    try:
        found = importlib.import_module(f"bench.records.formats.{module}").parse(document)
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
    """Return the parsed entries, and a sentence for each entry left out because it is damaged."""
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
    """Return a reason for a malformed value, without Python's own wording where possible."""
    return f"it has no {error.args[0]!r}" if isinstance(error, KeyError) and error.args else str(error)


def text_of(value: Any, what: str) -> str:
    """Return ``value`` if it is a str; else raise BenchError."""
    if not isinstance(value, str):
        raise BenchError(f"{what} is {repr(value)[:60]}, not text: write the file again.")
    return value


def mapping(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is a dict, else an empty one."""
    return value if isinstance(value, dict) else {}


def _module_for(document: Any) -> str | None:
    """Return the module of the format, by the keys at the top level that only that format has."""
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("results"), list):
        return "hyperfine"
    if isinstance(document.get("results"), dict) and "result_columns" in document:
        return "asv"
    if "benchmarks" not in document or "context" in document:  # Google Benchmark's
        return None
    return "pytest_benchmark" if "machine_info" in document or "commit_info" in document else "pyperf"


def finite_seconds(name: str, values: Any) -> list[float]:
    """Return ``values`` as floats; raise BenchError if empty or not all positive finite numbers."""
    if not isinstance(values, list) or not values:
        raise BenchError(f"{name} has no samples: measure it again, and keep them.")
    good = [
        float(value)
        for value in values
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    ]
    if len(good) != len(values):
        raise BenchError(
            f"{len(values) - len(good)} of {len(values)} samples of {name} are not positive numbers: measure it again."
        )
    return good


def split_by_process(name: str, seconds: list[float], sizes: list[int]) -> list[list[float]]:
    """Split ``seconds`` into processes of ``sizes`` samples; a single process without sizes."""
    if not sizes:
        return [seconds]
    if not all(type(size) is int for size in sizes):
        raise BenchError(f"the process sizes of {name} are not integers: export it again.")
    if sum(sizes) != len(seconds) or min(sizes) < 1:
        raise BenchError(f"{name} has {len(seconds)} samples, its processes {sum(sizes)}: export it again.")
    samples = iter(seconds)
    return [list(islice(samples, size)) for size in sizes]


def case_keys(keys: Any) -> dict[str, Any]:
    """Return ``keys`` if they are those of a series that mlp-bench exported; else an empty dict."""
    ours = isinstance(keys, dict) and {"harness", "measurement"} <= keys.keys()
    return dict(keys) if ours and all(isinstance(value, (str, int)) for value in keys.values()) else {}
