"""``python -m benchmarks.same_numbers OLD NEW``: compare all numbers that two checkouts compute from the same records.

Reports (summary.json, CSV files and the data of the plots), comparisons, the history and all exports are made by both
checkouts, with this interpreter.  Words may differ, numbers must be equal.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd

FORMATS = ("pytest-benchmark", "pyperf", "hyperfine", "github-action-benchmark", "bencher", "chrome-trace")
FOLDER_FORMATS = ("asv", "mlperf", "parquet")
CHART = re.compile(r'href="data:text/csv;charset=utf-8;base64,([^"]*)" download="([^"]*)"')

Numbers = dict[str, Any]


def make_outputs(checkout: Path, records: list[Path], folder: Path) -> None:
    """Let ``checkout`` write everything that it computes from ``records`` into ``folder``."""
    runs = [Path(shutil.copytree(record, folder / "runs" / record.name)) for record in records]
    for run in runs:
        for stale in ("*.csv", "report.*", "summary.json"):
            for file in run.glob(stale):
                file.unlink()
        _bench(checkout, "report", run)
        for name in (*FORMATS, *FOLDER_FORMATS):
            suffix = ".json" if name in FORMATS else ""
            _bench(checkout, "export", run, "--format", name, "--output", folder / f"{run.name}-{name}{suffix}")
    for run in runs[1:]:
        files = ("--csv", folder / f"compare-{run.name}.csv", "--json", folder / f"compare-{run.name}.json")
        _bench(checkout, "compare", runs[0], run, *files)
    _bench(checkout, "history", folder / "runs", "--csv", folder / "history.csv")


def _bench(checkout: Path, command: str, *arguments: str | Path) -> None:
    """Run a command of ``checkout``; one that refuses, as an export without reference runs, writes nothing."""
    argv = [sys.executable, "-m", "bench", command, *map(str, arguments)]
    done = subprocess.run(argv, cwd=checkout, capture_output=True, text=True)
    if done.returncode == 2:
        click.echo(f"{checkout.name}: {done.stderr.strip()}", err=True)
    elif done.returncode not in (0, 1):
        raise click.ClickException(f"{' '.join(argv)}: {done.stderr}")


def numbers_in(folder: Path) -> Numbers:
    """Return {place: number} of everything in ``folder``."""
    found: Numbers = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "replicates" not in path.parts):
        place = path.relative_to(folder).as_posix()
        for name, frame in _frames_of(path, place):
            found |= {f"{name} {column}": list(frame[column]) for column in frame.columns}
        for document in _documents_of(path):
            found |= {f"{place} {inner}": value for inner, value in _leaves(document)}
    return found


def _frames_of(path: Path, place: str) -> Iterator[tuple[str, pd.DataFrame]]:
    if path.suffix == ".csv":
        yield place, pd.read_csv(path)
    elif path.suffix == ".parquet":
        yield place, pd.read_parquet(path)
    elif path.name == "report.html":
        for data, name in CHART.findall(path.read_text(encoding="utf-8")):
            yield f"{place}/{name}", pd.read_csv(io.StringIO(base64.b64decode(data).decode()))


def _documents_of(path: Path) -> Iterator[Any]:
    if path.name == "run.json":
        return
    if path.suffix == ".json":
        yield json.loads(path.read_text())
    elif path.suffix == ".txt":
        yield [json.loads(line.removeprefix(":::MLLOG ")) for line in path.read_text().splitlines()]


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{place}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}/{number}")
    elif not isinstance(value, str):
        yield place, value


def differences(old: Numbers, new: Numbers) -> list[str]:
    """Return a sentence for each place whose numbers differ or that only one side has."""
    found = [f"{place}: only in one checkout" for place in sorted(old.keys() ^ new.keys())]
    for place in sorted(old.keys() & new.keys()):
        if not _same(old[place], new[place]):
            found.append(f"{place}: {str(old[place])[:100]} and {str(new[place])[:100]}")
    return found


def _same(old: Any, new: Any) -> bool:
    """Return whether two values are equal; texts in columns may differ, and missing equals missing."""
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    if isinstance(old, str) and isinstance(new, str):
        return True
    return bool(old == new) if not (pd.isna(old) or pd.isna(new)) else bool(pd.isna(old) and pd.isna(new))


@click.command()
@click.argument("old", type=click.Path(path_type=Path, exists=True))
@click.argument("new", type=click.Path(path_type=Path, exists=True))
@click.option("--records", type=click.Path(path_type=Path, exists=True), default=Path("results/records"))
def main(old: Path, new: Path, records: Path) -> None:
    """Exit code 1 if a number differs between the checkouts OLD and NEW."""
    folders = sorted(path.parent.resolve() for path in records.rglob("run.json"))
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as scratch:
        sides = []
        for name, checkout in (("old", old), ("new", new)):
            make_outputs(checkout.resolve(), folders, Path(scratch) / name)
            sides.append(numbers_in(Path(scratch) / name))
    found = differences(*sides)
    for difference in found:
        click.echo(difference)
    count = sum(len(value) if isinstance(value, list) else 1 for value in sides[0].values())
    click.echo(f"{len(folders)} records, {count:,} values in {len(sides[0]):,} places, {len(found)} differences")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
