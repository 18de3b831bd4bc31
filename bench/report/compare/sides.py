"""Sides of a comparison from command-line arguments: runs, records, other tools' files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.records.find import find
from bench.report.compare.comparable import Comparable
from bench.report.compare.files import comparable_file
from bench.report.compare.runs import comparable_run


def sides(words: Sequence[str], runs_dir: Path, records_dir: Path) -> list[Comparable]:
    """Return a comparable for each of ``words``, in their order; ``bench.records.find`` says how a word is resolved.

    Raises
    ------
    BenchError
        If a word is not found, names a folder of several runs or the same path as another, or cannot be read.
    """
    paths = [find(word, runs_dir, records_dir) for word in words]
    resolved = [path.resolve() for path in paths]
    for number, path in enumerate(resolved):
        if path in resolved[:number]:
            raise BenchError(f"{words[number]} is named twice: a run is not compared with itself.")
    return [_read(path, name) for path, name in zip(paths, labels(resolved), strict=True)]


def labels(paths: Sequence[Path]) -> list[str]:
    """Return the shortest distinct ends of the paths: mostly the folder's name alone."""
    depth = 1
    while True:
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names) or depth > max(len(path.parts) for path in paths):
            return names
        depth += 1


def chosen(name: str, words: Sequence[str], found: Sequence[Comparable], option: str) -> Comparable:
    """Return the side that an option names, as on the command line or as in the tables."""
    for word, side in zip(words, found, strict=True):
        if name in (word, side.name):
            return side
    raise BenchError(f"{option} names {name!r}, which is not among the runs: {', '.join(side.name for side in found)}.")


def prices(options: Sequence[str], words: Sequence[str], found: Sequence[Comparable]) -> dict[str, float]:
    """Return {side: price of an hour} from ``RUN=0.5``, or ``0.5`` for every side without a price of its own.

    Raises
    ------
    BenchError
        If a price is not a finite number of at least 0, or its run is not compared.
    """
    everywhere, own = {}, {}
    for option in options:
        run, separator, text = option.rpartition("=")
        price = _price(text, option)
        if separator:
            own[chosen(run, words, found, "--price-per-hour").name] = price
        else:
            everywhere = {side.name: price for side in found}
    return everywhere | own


def _price(text: str, option: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = float("nan")
    if not 0 <= price < float("inf"):
        raise BenchError(f"--price-per-hour {option!r}: give a number of at least 0, or RUN=number.")
    return price


def _read(path: Path, name: str) -> Comparable:
    return comparable_run(path, name) if path.is_dir() else comparable_file(path, name)
