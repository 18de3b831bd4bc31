"""Circumstances of a run: machine, failures, skipped stacks, reproduction."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd

from bench.advice import OPTIONS, bench_command
from bench.document.section import Section
from bench.records.comparability import settings_text
from bench.records.comparison_key import ComparisonKey
from bench.records.frames import Frames
from bench.records.header import Environment, RunHeader
from bench.report.run.fitness import RunFitness
from bench.report.run.processes import loaded_libraries, tuning_parameters
from bench.units import MISSING, format_bytes, format_number
from mlp.recipe import CANONICAL

# The options of ``python -m bench run`` that have a variable of make; the others go through its OPTIONS.
MAKE_VARIABLES = {option: name for name, option in OPTIONS.items()}
# Defaults of runs up to schema version 4: harnesses without --harness, epochs of a quick run without --epochs.
ALWAYS_PLANNED, QUICK_EPOCHS = {"data", "compile", "epoch", "batch_size", "reference"}, 2
FAILED = "Failures"  # section title


def machine_section(header: RunHeader, fitness: RunFitness | None = None) -> Section:
    """Return all facts about the machine, with its fitness while it measured."""
    rows = [[_property(name), _describe(name, value)] for name, value in header.machine.items()]
    if libraries := loaded_libraries(header):
        rows.append(["libraries loaded", "; ".join(libraries)])
    if tuning := tuning_parameters(header):
        rows.append(["tuning parameters of theano/tuned", "; ".join(tuning)])
    if fitness is not None and fitness.sentence is not None:
        rows.append(["fitness while it measured", fitness.sentence])
    if fitness is not None and fitness.no_cpu_energy is not None:
        rows.append(["CPU energy", f"not measured: {fitness.no_cpu_energy}"])
    rows.append(["mlp-bench commit", _commit(header)])
    return Section("The machine", [], ["property", "value"], rows)


def page_facts(header: RunHeader) -> list[tuple[str, str]]:
    """Return the facts at the top of a run's page."""
    cores = header.machine.get("usable_cores")
    cpu = str(header.machine.get("cpu_model") or MISSING) + (f", {cores} cores" if cores else "")
    gpus = ", ".join(str(gpu.get("name") or MISSING) for gpu in header.gpus) or "none"
    started = str(header.started_at or MISSING)
    return [("CPU", cpu), ("GPU", gpus), ("Started", started), ("Commit", _commit(header)), ("Run", header.run_id)]


def _commit(header: RunHeader) -> str:
    return f"{header.commit.id or MISSING}{' with uncommitted changes' if header.commit.dirty else ''}"


def code_section(keys: dict[str, ComparisonKey]) -> Section:
    """Return the code and versions of each stack, over which machines are compared."""
    rows = [
        [name or "loading", key.digest, key.code, ", ".join(map(" ".join, key.versions.items()))]
        for name, key in keys.items()
    ]
    sentences = [
        "Machines are compared only over stacks with the same code: a digest of the source that the processes "
        "executed, in records before schema 6 the commit. The key is a digest of code and versions."
    ]
    edited = [name or "loading" for name, key in keys.items() if "+" in (key.code or "")]
    notices = [f"The code of {', '.join(edited)} changed during the run."] if edited else []
    columns = ["stack", "key", "code", "versions"]
    return Section("Code and versions", sentences if rows else [], columns, rows, notices=notices)


def environment_notices(environment: Environment) -> list[str]:
    """Return notices on the variables passed with --env, and on those not passed to the processes."""
    notices = [f"Measured with {settings_text(environment.passed)}, as --env says."] if environment.passed else []
    if environment.dropped:
        names = ", ".join(environment.dropped)
        notices.append(f"Set in the caller's environment, and not passed to the measured processes: {names}.")
    return notices


def _property(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ")


def _describe(name: str, value: Any) -> str:
    """Describe a property of the machine in words; the unit is in its name."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        known = {key: item for key, item in value.items() if item is not None}
        return ", ".join(f"{_property(key)} {_describe(key, item)}" for key, item in known.items())
    if isinstance(value, list):
        return "; ".join(_describe(name, item) for item in value) or "none"
    if isinstance(value, (int, float)) and name.endswith("_bytes"):
        return format_bytes(value)
    return format_number(value) if isinstance(value, float) else str(value)


def _reason(failure: Any) -> str:
    return "no reason was recorded" if pd.isna(failure.reason) else str(failure.reason)


def failures_sections(frames: Frames, problems: list[str]) -> list[Section]:
    rows = [[str(row.harness), _failed_stack(row), _reason(row)] for row in frames.failures.itertuples()]
    if not rows and not problems:
        return []
    return [Section(FAILED, columns=["harness", "stack", "reason"], rows=rows, notices=problems)]


def _failed_stack(failure: Any) -> str:
    """Name the failed stack; empty for loading and the eight products of the ablation, which have none."""
    names = [str(part) for part in (failure.backend, failure.variant) if pd.notna(part)]
    without = "" if pd.isna(failure.without) else f" without {failure.without}"
    return f"{'/'.join(names)} on {failure.device}{without}" if names else ""


def skipped_sections(header: RunHeader) -> list[Section]:
    rows = [[one.what, one.reason, one.remedy] for one in (*header.skipped, *header.left_out)]
    return [Section("Skipped", [], ["part", "reason", "remedy"], rows)] if rows else []


def reproduce_section(header: RunHeader) -> Section:
    if header.commit.id is None:  # of an installation
        version = header.mlp_bench or "of the same version"
        how = f"Install mlp-bench {version} and run {shlex.join(['mlp-bench', 'run', *_words(_options(header))])}."
    else:
        how = f"Check out {header.commit.id} and run {' '.join(['make bench', *_make_arguments(header)])}."
    return Section(
        "How to reproduce",
        [
            f"{how} Intervals are 95 %, over processes. "
            f"{bench_command('compare latest OTHER')} tests whether another run or machine differs: it does if the "
            "interval of the ratio excludes 1."
        ],
    )


def _make_arguments(header: RunHeader) -> list[str]:
    """Return the options of a run as arguments of ``make bench``; those without a variable are in OPTIONS."""
    options = _options(header)
    rest = {option: values for option, values in options.items() if option not in MAKE_VARIABLES}
    name = "OPTIONS"
    if rest and header.options is None:  # the Makefile of its commit has no OPTIONS: replace all of them
        name, rest = "RUN_OPTIONS", options
    words = _words(rest)
    arguments = [
        f"{MAKE_VARIABLES[option]}={_quoted(' '.join(values) or '1')}"
        for option, values in options.items()
        if option in MAKE_VARIABLES
    ]
    return [*arguments, *([f"{name}={_quoted(shlex.join(words))}"] if words else [])]


def _options(header: RunHeader) -> dict[str, list[str]]:
    """Return each option of ``bench run`` that was given, with its values; a switch has none."""
    return _options_of_older(header) if header.options is None else header.options


def _words(options: dict[str, list[str]]) -> list[str]:
    return [word for option, values in options.items() for value in values or [""] for word in (option, value) if word]


def _quoted(text: str) -> str:
    """Quote ``text`` as one word of a shell, with $ doubled for make."""
    return shlex.quote(text.replace("$", "$$"))


def _options_of_older(header: RunHeader) -> dict[str, list[str]]:
    """Reconstruct the options of a record without ``options`` from its choices, plan and recipe."""
    quick = header.mode == "quick"
    found: dict[str, list[str]] = {"--quick": []} if quick else {}
    for name, values in (header.chosen or {}).items():
        if values:
            several = isinstance(values, list)
            found[f"--{name.removesuffix('s') if several else name}"] = [*map(str, values if several else [values])]
    cases = [entry.case for entry in header.plan]
    harnesses = list(dict.fromkeys(str(case.get("harness")) for case in cases))
    if cases and not ALWAYS_PLANNED <= set(harnesses):
        found["--harness"] = harnesses
    for option, value, default in (
        ("--threads", cases[0].get("threads") if cases else None, header.machine.get("usable_cores")),
        ("--batch-size", header.recipe.get("batch_size"), CANONICAL.batch_size),
        ("--epochs", header.recipe.get("num_epochs"), QUICK_EPOCHS if quick else CANONICAL.num_epochs),
    ):
        if value not in (None, default):
            found[option] = [str(value)]
    return found
