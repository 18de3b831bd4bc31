"""Every leaf of every format that is read, replaced by what a damaged or hostile file may hold there.

``python tests/bench/mutations.py`` tries all of them and prints counts; the suite tries each leaf once.  A file may end
in a verdict or in one sentence: never in a traceback, and never in exit code 1, which means that something regressed.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from example_ceilings import example_ceilings
from example_files import ASV, HYPERFINE, PYPERF
from example_profile import RECORDED, TUNED
from example_race import race
from example_run import gpu_reference_replicate, header, planned, replicates, write_example_run
from junk import places

from bench import cli
from bench.document.section import clean
from bench.errors import BenchError
from bench.gate import run_file
from bench.gate.block import Block, Slot, Turn
from bench.gate.error_rates.calibration import calibration_sentence, latest_calibration
from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.replay import replay
from bench.gate.verdict import Metric
from bench.records.profile import Event
from bench.records.streams import PLAIN
from mlp.errors import MlpError

PROJECT = Path(__file__).resolve().parents[2]
MISSING = object()
VALUES = {
    "null": None,
    "a text": "=x\udcff",
    "no number": 7,
    "a list": [],
    "a table": {},
    "true": True,
    "NaN": math.nan,
    "huge": 10**400,
    "infinite": 1e999,
    "negative": -1,
    "zero": 0,
    "missing": MISSING,
}
PYTEST_BENCHMARK = {
    "machine_info": {
        "python_implementation": "CPython",
        "python_version": "3.11.2",
        "system": "Linux",
        "release": "6.1",
        "cpu": {"brand_raw": "Example CPU", "count": 4},
    },
    "commit_info": {"id": "0123456"},
    "benchmarks": [
        {
            "fullname": "test_it.py::test_sum",
            "name": "test_sum",
            "stats": {"data": [0.25, 0.26], "mean": 0.255},
            "extra_info": {"keys": {"harness": "data", "measurement": "load"}, "processes": [{"num_samples": 2}]},
        }
    ],
    "datetime": "2026-01-02T03:04:05",
    "version": "5.3.1",
}
OUR_HYPERFINE = {
    "results": [
        {
            **HYPERFINE["results"][0],
            "parameters": {"harness": "epoch", "measurement": "train_epoch", "backend": "jax", "threads": "2"},
            "samples_per_process": [1, 1],
        }
    ]
}


@dataclass(frozen=True)
class Mutation:
    """``kind`` is the leaf's path without its indices: one for all entries of a list."""

    kind: str
    what: str
    document: Any


def first_of_each_kind(document: Any) -> dict[str, tuple]:
    """{kind: the first place of it} of every leaf, and of the lists and tables around it."""
    found: dict[str, tuple] = {}
    for path in places(document):
        if path:
            found.setdefault("/".join("*" if isinstance(step, int) else str(step) for step in path), path)
    return found


def mutations(document: Any) -> Iterator[Mutation]:
    """The first place of each kind with every value in it."""
    for kind, path in first_of_each_kind(document).items():
        for what, value in VALUES.items():
            yield Mutation(kind, what, changed(document, path, value))


def changed(document: Any, path: tuple, value: Any) -> Any:
    made = copy.deepcopy(document)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    if value is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


def sample(document: Any, at_most: int = 1000, shift: int = 0) -> Iterator[Mutation]:
    """Places of as many kinds as that, evenly spread, each with one value: the values in turn, from ``shift`` on."""
    kinds, values = list(first_of_each_kind(document).items()), list(VALUES.items())
    for number, (kind, path) in enumerate(kinds[:: -(-len(kinds) // at_most)]):
        what, value = values[(5 * number + shift) % len(values)]
        yield Mutation(kind, what, changed(document, path, value))


# --- what reads each format ----------------------------------------------------------------------------------------

Read = Callable[[Any, Path], None]


class Broken(Exception):
    """A traceback, or the exit code of a regression."""


def invoke(*arguments: Any) -> None:
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code == 1:
        raise Broken(result.output)
    if result.exit_code == 2 and len(result.stderr.strip().splitlines()) != 1:
        raise Broken(f"not one sentence: {result.stderr}")


def write(document: Any, path: Path) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def compared(sound: Any) -> Read:
    def read(document: Any, folder: Path) -> None:
        files = [write(document, folder / "mutated.json"), write(sound, folder / "sound.json")]
        outputs = [f"--{name}={folder / name}" for name in ("csv", "json", "markdown")]
        for order in (files, files[::-1]):
            invoke("compare", *order, *outputs)

    return read


def judged_again(document: Any, folder: Path) -> None:
    outputs = [f"--{name}={folder / name}" for name in ("json", "junit", "markdown")]
    invoke("gate", "--again", write(document, folder / "mutated.json"), *outputs)


def calibrated(document: Any, folder: Path) -> None:
    (folder / "here").mkdir(exist_ok=True)
    write(document, folder / "here" / "a.json")
    clean(calibration_sentence(latest_calibration("here", [folder]))).encode("utf-8", PLAIN)


def replayed(document: Any, folder: Path) -> None:
    """``document`` has the header and the lines; what a replay makes of them is drawn from a few runs."""
    path = folder / "trace.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in document), encoding="utf-8")
    try:
        replay(read_trace(path), trials=2)
    except BenchError as error:
        str(error).encode("utf-8", "backslashreplace")


def reported(document: Any, folder: Path) -> None:
    """A run of ``document``: its header and replicates, in everything that reads a run but the pictures."""
    from bench.document.section import to_markdown
    from bench.records.csv_cells import shielded
    from bench.records.formats import FORMATS, open_run, render
    from bench.records.run_folder import RunFolder
    from bench.report import history
    from bench.report.board.board import Source, read_board
    from bench.report.board.site import site_files
    from bench.report.compare.runs import comparable_run
    from bench.report.history import sections as history_sections
    from bench.report.history import tables
    from bench.report.run.analysis import RunAnalysis
    from bench.report.run.summary import summarize
    from bench.report.write import first_line, sections

    write(document.get("run"), folder / "run.json")
    (folder / "replicates").mkdir(exist_ok=True)
    replicates = document.get("replicates")
    for number, one in enumerate(replicates if isinstance(replicates, list) else []):
        write(one, folder / "replicates" / f"{number:04}.json")

    def report() -> None:
        analysis = RunAnalysis(RunFolder.open(folder))
        to_markdown(first_line(analysis), sections(analysis)).encode("utf-8", PLAIN)
        json.dumps(summarize(analysis), allow_nan=False)
        for frame in analysis.recorded:
            shielded(frame).to_csv(index=False).encode("utf-8", PLAIN)

    def past() -> None:
        found = history.history([folder])
        to_markdown("", history_sections.history_sections(found, lambda metric: True)).encode("utf-8", PLAIN)
        tables.to_csv(found).encode("utf-8", PLAIN)
        json.dumps(tables.to_json(found), allow_nan=False)

    def exports() -> None:
        run = open_run(folder)
        for name in FORMATS:
            with contextlib.suppress(BenchError):  # a format has nothing to show of this run
                render(name, run)

    def on_the_board() -> None:
        source = Source(folder, folder.name, False)
        site_files(read_board([source], date(2026, 2, 1)))

    for read in (report, past, exports, lambda: comparable_run(folder, "x"), on_the_board):
        try:
            read()
        except (BenchError, MlpError) as error:
            if "\n" in str(error):
                raise Broken(f"not one sentence: {error}") from error


def profiled(sound: Any) -> Read:
    """Return a reader of profiles: what is made of one, a difference from ``sound``, and the report of a run."""
    from bench.document.section import to_markdown
    from bench.records.profile_file import FILE_NAME, load
    from bench.records.run_folder import RunFolder
    from bench.report.charts.operations import operations_chart
    from bench.report.profile.frames import load_operations
    from bench.report.profile.outputs import write_outputs
    from bench.report.profile.sections import first_line, sections
    from bench.report.run.profiles import explained, profile_details, profile_sections

    def read(document: Any, folder: Path) -> None:
        run = write_example_run(folder, [])
        (run / "profiles" / "mutated").mkdir(parents=True)
        files = [write(document, run / "profiles" / "mutated" / FILE_NAME), write(sound, folder / "sound.json")]
        for order in (files, files[::-1]):
            invoke("profile", "--diff", *order)
        invoke("profile", "--diff", *files, "--json")
        found, _ = explained(RunFolder.open(run))
        to_markdown("", [*profile_sections(found), *profile_details(found)]).encode("utf-8", PLAIN)
        operations_chart([one.step for one in found])
        with contextlib.suppress(BenchError, MlpError):
            to_markdown(first_line(load(files[0])), sections(load(files[0]))).encode("utf-8", PLAIN)
            write_outputs(load(files[0]), folder)
            load_operations(files[0])

    return read


def gate_run() -> dict[str, Any]:
    roles = ("A", "B", "B", "A", "C")
    measured = {"train_epoch": 2.0, "peak_memory": 1e9, "validation_accuracy": 0.97}
    blocks = [
        Block(
            number,
            "comparison",
            tuple(Slot(role, number) for role in roles),
            tuple(
                Turn(name, 0, slot, float(slot), value * (1 + 0.001 * ((number + slot) % 3)))
                for name, value in measured.items()
                for slot in range(len(roles))
            ),
            8.0,
            (1e6, None, 1e6, 1e6, 1e6),
        )
        for number in range(4)
    ]
    metrics = [Metric("train_epoch"), Metric("peak_memory", "bytes"), Metric("validation_accuracy", "accuracy", 0.01)]
    context = {
        "started_at": "2026-01-02T03:04:05+00:00",
        "machine": header()["machine"],
        "dataset": {"identity": "mnist"},
    }
    content = {**context, "metrics": [asdict(one) for one in metrics], "blocks": [block.to_json() for block in blocks]}
    return json.loads(json.dumps({"gate_schema_version": run_file.GATE_SCHEMA_VERSION, **content}))


def calibration() -> Any:
    (path, *_) = sorted((PROJECT / "results" / "calibration").glob("*/*.json"))
    return json.loads(path.read_text(encoding="utf-8"))


def trace() -> Any:
    """The header and the first blocks of a committed trace."""
    lines = (PROJECT / "results" / "noise" / "quiet.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [line for line in found if line.get("block", 0) < 16]


def profile() -> Any:
    """Return a recorded profile with all that one may hold; it does not tell on which machine, nor at which commit."""
    document = json.loads((RECORDED / TUNED).read_text(encoding="utf-8"))
    of_each_kind = {one["kind"]: one for one in reversed(document["operations"])}
    of_each_phase = {(one["cache"], one["path"].count("/")): one for one in document["compile_phases"]}
    sample = {"t_seconds": 0.1, "rss_bytes": 5, "cpu_percent": 99.0, "sm_clock_mhz": 1500, "power_watts": 70.5}
    host = {
        "num_steps": 20,
        "seconds": 1.5,
        "threads": [{"thread": "python", "cpu_percent": 99.0}],
        "page_faults_per_step": 300.5,
        "involuntary_context_switches_per_step": 0.5,
        "hardware_events_per_step": {"instructions": 1e7},
        "throttled": True,
        "throttle_reasons": ["heat"],
        "timeline": [sample],
        "gpu_timeline": [{**sample, "gpu_utilization_percent": 88}],
        "gpu_reason": None,
        "memory_by_phase": [{"phase": "load", "first_rss_bytes": 5, "last_rss_bytes": 7, "peak_rss_bytes": 9}],
    }
    pools = [{"library": "libgomp.so.1", "api": "openmp", "threads": 2}, {"library": "blas.so", "threads": 2}]
    ceilings = example_ceilings().to_json()
    return document | {
        "machine": {"usable_cores": 2, "load_average_1min": 3.5},
        "commit": {},
        "operations": list(of_each_kind.values()),
        "compile_phases": list(of_each_phase.values()),
        "events": [asdict(Event("train_step", "a", "gemm", "stream 7", 0.0, 1e-3))],
        "facts": {**document["facts"], "frees_intermediates": True, "thread_pools": pools},
        "host": host,
        "data": {name: {"seconds": 0.5, "bytes": 7} for name in ("read", "decompress", "convert")},
        "ceilings": {**ceilings, "measured": [one for one in ceilings["measured"] if "gemm_f" not in one["name"]]},
        "environment": {"passed": {"OMP_WAIT_POLICY": "passive"}, "dropped": ["MKL_CBWR"]},
        "problems": ["no counters"],
    }


NAMED = {"frequency_governor": "schedutil", "frequency_driver": "acpi-cpufreq", "clocksource": "hpet"}
COUNTED = {"procs_running": 9, "swapped_pages": 3, "quota_throttled_periods": 0, "thermal_throttle_events": 0}
START = {"uptime_seconds": 9.0, "steal_seconds": 1.0, "cpu_pressure_seconds": 0.0, "allowed_cores": [0, 1], **COUNTED}
START |= {"core_kinds": 2, "numa_nodes_spanned": 2, "cores_sharing_smt": 2, "isolated_cores": [7], "on_battery": True}
START |= {"swap_used_bytes": 4096, "missing": {"cpu_energy_joules": "may be read by root only"}, **NAMED}
FITNESS = {"start": START, "end": {**START, "uptime_seconds": 99.0, "steal_seconds": 80.0, "swapped_pages": 9999}}
BESIDE = {"other_cpu_percent": 150.0, "steal_percent": 90.0, "core_distance_before_ns": 64.0}
BESIDE |= {"core_distance_after_ns": 330.0}


def record(one_of_each: list[dict[str, Any]]) -> dict[str, Any]:
    plan = [planned(one["case"]) for one in one_of_each]
    chosen = {"backends": ["theano"], "variants": [], "devices": [], "processes": None}
    skipped = [{"what": "theano on cuda", "reason": "no pygpu", "remedy": "make theano-gpu"}]
    run = header(schema_version=4, plan=plan, chosen=chosen, skipped=skipped, fitness=FITNESS)
    numbered = [{**one, **BESIDE, "sequence": number} for number, one in enumerate(one_of_each, start=1)]
    return json.loads(json.dumps({"run": run, "replicates": numbered}))


def one_of_each_harness() -> list[dict[str, Any]]:
    """A replicate of each harness and device, by the example run and the example race; one that failed."""
    found: dict[tuple, dict[str, Any]] = {}
    for one in [*replicates(), *race(), gpu_reference_replicate()]:
        found.setdefault((one["case"]["harness"], one["case"]["device"]), one)
    failed = {**replicates()[0], "status": "failed", "reason": "it hung", "measurements": []}
    return [*found.values(), failed]


def _reference_of_a_cpu() -> list[dict[str, Any]]:
    """Return a replicate to stand beside a GPU's; the other harnesses are in "record", and take most of the time."""
    return [one for one in replicates() if one["case"]["harness"] == "reference"][:1]


def formats() -> dict[str, tuple[Any, Read]]:
    """{format: (a sound document, what reads it)}"""
    foreign = {
        "pyperf": PYPERF,
        "hyperfine": HYPERFINE,
        "hyperfine of ours": OUR_HYPERFINE,
        "pytest-benchmark": PYTEST_BENCHMARK,
        "asv": ASV,
    }
    return {
        **{name: (document, compared(document)) for name, document in foreign.items()},
        "profile": (profile(), profiled(profile())),
        "kept gate run": (gate_run(), judged_again),
        "calibration": (calibration(), calibrated),
        "noise trace": (trace(), replayed),
        "record": (record(one_of_each_harness()), reported),
        "record of a GPU": (record([gpu_reference_replicate(), *_reference_of_a_cpu()]), reported),
    }


def failures(read: Read, found: Iterator[Mutation]) -> Iterator[tuple[Mutation, BaseException | None]]:
    """Each mutation, with what went wrong: None where it ended as it should."""
    for one in found:
        with tempfile.TemporaryDirectory() as folder:
            try:
                read(one.document, Path(folder))
            except Exception as error:  # that one is raised at all is what this looks for
                yield one, error
            else:
                yield one, None


def main(names: list[str], shift: int | None = None) -> int:
    """All mutations; with ``shift`` one for each kind."""
    all_failed = 0
    for name, (document, read) in formats().items():
        if names and name not in names:
            continue
        found = mutations(document) if shift is None else sample(document, shift=shift)
        results = list(failures(read, found))
        failed = [(one, error) for one, error in results if error is not None]
        all_failed += len(failed)
        print(f"{name}: {len(results)} mutations, {len(failed)} failures", flush=True)
        for one, error in failed:
            print(f"    {one.kind} = {one.what}: {type(error).__name__}: {str(error)[:160]!r}")
    return 1 if all_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
