"""``python -m tools.conformance FOLDER NAME...``: check these backends, and keep the results in FOLDER as a record.

``FOLDER/<name>.json`` is what ``python -m bench conform NAME --json`` prints, whether the backend conforms or not;
``FOLDER/provenance.json`` holds date, commit, and the machine with the versions of the packages of these backends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.document.section import escape_markdown
from bench.errors import BenchError
from bench.machine.fingerprint import fingerprint, package_version
from bench.measure.git import state_of
from bench.records.moments import day, order
from bench.units import MISSING, short_commit
from mlp import registry

OPTIONS = ("--json", "--threads", "1", "--limit", "3600")  # a record of what holds, on a busy machine, too
PROVENANCE = "provenance.json"
USAGE = "usage: python -m tools.conformance FOLDER NAME..."


def main(arguments: list[str]) -> None:
    if len(arguments) < 2:
        sys.exit(USAGE)
    folder, names = Path(arguments[0]), arguments[1:]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        done = subprocess.run([sys.executable, "-m", "bench", "conform", name, *OPTIONS], stdout=subprocess.PIPE)
        if not done.stdout:  # bad input, which it names
            sys.exit(done.returncode)
        (folder / f"{name}.json").write_bytes(done.stdout)
    (folder / PROVENANCE).write_text(json.dumps(provenance(names), indent=1) + "\n", encoding="utf-8")


def provenance(names: Sequence[str]) -> dict[str, Any]:
    """Return date, commit, and this machine with the versions of what the backends need."""
    machine, distributions = fingerprint(), packages_distributions()
    packages = [package for name in names for package in registry.entry(name).packages]
    machine["packages"] |= {one: package_version(distributions.get(one, [one])[0]) for one in packages}
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"date": date, "commit": asdict(state_of(Path.cwd()).facts), "machine": machine}


# --- what README and docs show ---------------------------------------------------------------------------------------


def newest_record(records: Path) -> Path:
    """Return the folder of the newest committed record; raise BenchError if there is none."""
    found = [path.parent for path in records.glob(f"*/*/{PROVENANCE}")]
    if not found:
        raise BenchError(
            f"{records} holds no record of the contract suite: write one with python -m tools.conformance."
        )
    return max(found, key=lambda folder: order(_provenance(folder)["date"]))


def _provenance(record: Path) -> dict[str, Any]:
    return json.loads((record / PROVENANCE).read_text(encoding="utf-8"))


def stacks_of(record: Path) -> list[dict[str, Any]]:
    """Return the results of each stack, those that conform first."""
    files = sorted(path for path in record.glob("*.json") if path.name != PROVENANCE)
    stacks = [stack for path in files for stack in json.loads(path.read_text(encoding="utf-8"))]
    return sorted(stacks, key=lambda stack: not stack["conforms"])


def table_of(record: Path) -> str:
    """Return Markdown: a row for each stack, and the versions, date, commit and path of the record."""
    stacks = stacks_of(record)
    table = tabulate(
        [_row(one) for one in stacks], ["stack", "clauses", "violated", "likely causes"], tablefmt="github"
    )
    return f"{table}\n\n{_measured(record, stacks)}"


def _row(stack: dict[str, Any]) -> list[str]:
    clauses = [one for one in stack["clauses"] if one["state"] != "not applicable"]
    failed = [one for one in clauses if one["state"] != "holds"]
    titles = [one["title"] + f" ({one['state']})" * (one["state"] != "violated") for one in failed]
    causes = dict.fromkeys(one["cause"] for one in failed if one["cause"])
    name = f"{stack['backend']}/{stack['variant']} on {stack['device']}"
    return [name, f"{len(clauses) - len(failed)} of {len(clauses)}", *(_cell(one) for one in (titles, causes))]


def _cell(texts: Sequence[str]) -> str:
    return escape_markdown("; ".join(texts)) or MISSING


def _measured(record: Path, stacks: Sequence[dict[str, Any]]) -> str:
    found = _provenance(record)
    machine, commit = found["machine"], short_commit(found["commit"]["id"])
    own = {one["backend"] for one in stacks} | {one["variant"] for one in stacks}
    packages = [f"{name} {version}" for name, version in machine["packages"].items() if version and name in own]
    return (
        f"{machine['python']}, {', '.join(packages)}, on {escape_markdown(machine['cpu_model'])}, at commit {commit}, "
        f"{day(found['date'])}; record: `{record.as_posix()}`. A clause that does not apply is not counted."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
