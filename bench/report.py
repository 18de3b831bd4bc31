"""One run -> report.md, summary.json, CSV files and a terminal summary, beside the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from bench import stats
from bench.errors import RecordError
from bench.frames import Frames, frames_of, trustworthy
from bench.record import RunFolder
from bench.render import Section, to_markdown, to_terminal
from bench.units import MISSING, format_bytes, format_interval, format_number, format_percent, format_seconds
from mlp.recipe import CANONICAL, REFERENCE

# Multiplications and additions of one training step, for one example: eight matrix products, none for the gradient
# with respect to the input.  2 * (3 * (500*300 + 300*10) + 2 * 784*500) = 2.486 MFLOP.
TRAINING_FLOP_PER_EXAMPLE = 2 * (3 * (500 * 300 + 300 * 10) + 2 * 784 * 500)
STACK = ["backend", "variant", "device", "threads"]


def write_report(path: Path) -> Path:
    """Write the report of the run in ``path`` beside its record; returns the path of report.md.

    Raises
    ------
    RecordError
        If the run cannot be read, or the files cannot be written.
    """
    folder = RunFolder.open(path)
    frames = frames_of([folder])
    try:
        for name in ("samples", "phases", "epochs", "results", "timeline", "failures"):
            getattr(frames, name).to_csv(folder.path / f"{name}.csv", index=False)
        summary = json.dumps(summarize(folder, frames), indent=1, allow_nan=False)
        (folder.path / "summary.json").write_text(summary, encoding="utf-8")
        report = folder.path / "report.md"
        report.write_text(to_markdown(first_line(folder.header), sections(folder, frames)), encoding="utf-8")
    except OSError as error:
        raise RecordError(
            f"the report cannot be written to {folder.path} ({error.strerror}); the record itself is kept: make room, "
            "then run make report."
        ) from error
    return report


def print_report(path: Path, console: Console) -> None:
    folder = RunFolder.open(path)
    to_terminal(first_line(folder.header), sections(folder, frames_of([folder])), console)


def first_line(header: dict[str, Any]) -> str:
    """Which data, before anything else."""
    identity = (header.get("dataset") or {}).get("identity")
    if identity == "mnist":
        return "Dataset: MNIST (verified by SHA-256)"
    if identity == "surrogate":
        return "Dataset: SURROGATE, not MNIST; its accuracy is not compared with the reference"
    return f"Dataset: {identity or 'unknown'}, not MNIST; its accuracy is not compared with the reference"


def sections(folder: RunFolder, frames: Frames) -> list[Section]:
    """The report in the order a reader asks: the answer, its parts, each harness, the machine, what went wrong."""
    frames, left_out = trustworthy(frames)
    candidates = [
        _answer(folder.header, frames),
        *_reference_runs(frames),
        *_data(frames),
        *_compile(frames),
        *_epoch(frames),
        *_batch_size(frames),
        _machine(folder.header),
        _failures(frames, [*folder.problems, *left_out]),
        _skipped(folder.header),
        _reproduce(folder.header),
    ]
    return [section for section in candidates if section is not None]


# --- the answer -------------------------------------------------------------------------------------------------


def is_comparable(header: dict[str, Any], frames: Frames) -> bool:
    """Whether this run's reference clock may stand beside 32.2 s: the canonical recipe, run to its last epoch."""
    recipe = header.get("recipe") or {}
    same = all(recipe.get(name) == value for name, value in _canonical_recipe().items())
    return same and not frames.results.empty and bool((frames.results["num_epochs"] == CANONICAL.num_epochs).all())


def _canonical_recipe() -> dict[str, Any]:
    recipe = json.loads(json.dumps(vars(CANONICAL)))  # tuples become lists, as in a record
    del recipe["seed"]
    return recipe


def summarize(folder: RunFolder, frames: Frames) -> dict[str, Any]:
    """The report's main numbers, JSON-ready; what was not measured is None."""
    frames, left_out = trustworthy(frames)
    header = folder.header
    summary: dict[str, Any] = {
        "run_id": header["run_id"],
        "status": header["status"],
        "mode": header["mode"],
        "dataset": (header.get("dataset") or {}).get("identity"),
        "reference_seconds": REFERENCE.total_seconds,
        "reference_test_accuracy": REFERENCE.test_accuracy,
        "comparable_with_reference": is_comparable(header, frames),
        "failed_processes": len(frames.failures),
        "left_out": left_out,
        "reference_runs": [],
        "measurements": [],
    }
    for keys, results in _by_stack(frames.results):
        total = stats.estimate([[seconds] for seconds in results["total_seconds"]])
        agreement = _agreement(header, results)
        summary["reference_runs"].append(
            {
                **keys,
                "total_seconds": vars(total),
                "ratio_to_reference": total.center / REFERENCE.total_seconds,
                "mean_test_accuracy": _mean(results["test_accuracy"]),
                "accuracy_agrees": None if agreement is None else agreement.agrees,
            }
        )
    for keys, samples in _groups(frames.samples, [*STACK, "harness", "cache", "batch_size", "measurement"]):
        summary["measurements"].append({**keys, **vars(_estimate(samples))})
    return summary


def _answer(header: dict[str, Any], frames: Frames) -> Section:
    section = Section("The canonical workload on this machine")
    if header["status"] != "complete":
        section.sentences.append(
            f"This run is partial (status: {header['status']}): make bench RESUME={header['run_id']} completes it."
        )
    if header["mode"] == "quick":
        section.sentences.append("Quick mode: fewer rounds and epochs, for a first look and not for a claim.")
    if frames.results.empty:
        section.sentences.append("The reference run was not measured, so nothing is compared with 32.2 s.")
        return section
    for keys, results in _by_stack(frames.results):
        section.sentences.append(_answer_sentence(header, frames, keys, results))
    return section


def _answer_sentence(header: dict[str, Any], frames: Frames, keys: dict[str, Any], results: pd.DataFrame) -> str:
    total = stats.estimate([[seconds] for seconds in results["total_seconds"]])
    runs = f"median of {total.num_processes} seeds" if total.num_processes > 1 else "one seed"
    cache = ", compile cache warm" if (results["cache"] == "warm").all() else ""
    took = f"{format_seconds(total.center)} by the reference clock{cache} ({runs}"
    took += f", 95 % interval {format_interval(total.low, total.high)})" if total.low is not None else ")"
    who = f"{keys['backend']}/{keys['variant']} on {keys['device']}"
    if not is_comparable(header, frames):
        epochs = int(results["num_epochs"].max())
        ran = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        return f"With {who}, {ran} took {took}; that is not the canonical run, so it has no ratio to 32.2 s."
    ratio = REFERENCE.total_seconds / total.center
    compared = f"{ratio:.3g} times as fast as" if ratio >= 1 else f"it takes {1 / ratio:.3g} times as long as"
    sentence = (
        f"This machine runs the canonical workload with {who} in {took}: {compared} the 2016 reference of "
        f"{REFERENCE.total_seconds} s ({REFERENCE.hardware}, {REFERENCE.date})."
    )
    agreement = _agreement(header, results)
    if agreement is None:
        identity = (header.get("dataset") or {}).get("identity")
        why = "none was recorded" if identity == "mnist" else "the data is not MNIST"
        return f"{sentence} Accuracy is not compared: {why}."
    verdict = "agrees with" if agreement.agrees else "does NOT agree with"
    return (
        f"{sentence} Its mean test accuracy of {format_percent(agreement.mean)} {verdict} the published "
        f"{format_percent(REFERENCE.test_accuracy)}: the difference is {agreement.difference * 100:+.2f} points, "
        f"95 % interval {agreement.low * 100:+.2f} to {agreement.high * 100:+.2f}."
    )


def _agreement(header: dict[str, Any], results: pd.DataFrame) -> stats.Agreement | None:
    """None where accuracy may not be compared: other data, other number of epochs, or none reached."""
    results = results.dropna(subset=["test_accuracy", "test_examples"])
    accuracies = results["test_accuracy"]
    canonical = (results["num_epochs"] == CANONICAL.num_epochs).all()
    if (header.get("dataset") or {}).get("identity") != "mnist" or accuracies.empty or not canonical:
        return None
    return stats.agreement_with_reference(
        list(accuracies), int(results["test_examples"].min()), REFERENCE.test_accuracy, REFERENCE.test_examples
    )


def _reference_runs(frames: Frames) -> list[Section]:
    found = []
    for keys, results in _by_stack(frames.results):
        name = f"{keys['backend']}/{keys['variant']} on {keys['device']}"
        phases = _select(frames.phases, keys)
        total = results["total_seconds"].median()
        by_phase = phases.groupby("phase", observed=True, sort=False)["seconds"]
        rows = [
            [phase, format_seconds(seconds.median()), format_percent(seconds.median() / total, 1)]
            for phase, seconds in by_phase
        ]
        rest = results["rest_seconds"].median()
        rows.append(["rest, unexplained", format_seconds(rest), format_percent(rest / total, 2)])
        rows.append(["total", format_seconds(total), "100 %"])
        rows.append(["framework import, beside it", format_seconds(results["import_seconds"].median()), MISSING])
        notes = []
        if len(results) > 1:
            notes = [f"Medians over {len(results)} processes, phase by phase, so they add up approximately."]
        found.append(Section(f"Reference run, phase by phase: {name}", notes, ["phase", "median", "share"], rows))
        rows = []
        for result in results.itertuples():
            interval = (None, None)
            if pd.notna(result.test_accuracy) and pd.notna(result.test_examples):
                interval = stats.binomial_interval(result.test_accuracy, int(result.test_examples))
            epochs = frames.epochs[frames.epochs["process"] == result.process]
            rows.append(
                [
                    MISSING if pd.isna(result.seed) else str(result.seed),
                    format_seconds(result.total_seconds),
                    format_percent(epochs["validation_accuracy"].iloc[0]) if len(epochs) else MISSING,
                    format_percent(_or_none(result.test_accuracy)),
                    MISSING if None in interval else " to ".join(format_percent(bound) for bound in interval),
                    format_bytes(_or_none(result.peak_rss_bytes)),
                ]
            )
        headers = [
            "seed",
            "reference clock",
            "validation after epoch 1",
            "test accuracy",
            "binomial 95 %",
            "peak memory",
        ]
        found.append(Section(f"Reference run, seed by seed: {name}", [], headers, rows))
    return found


# --- the harnesses ------------------------------------------------------------------------------------------------


def _data(frames: Frames) -> list[Section]:
    rows = [
        [keys["measurement"], *_estimate_cells(measured), _bytes_rate(samples, measured)]
        for keys, samples, measured in _estimates(frames, "data", ["measurement"])
    ]
    return [Section("Loading", [], ["what", *ESTIMATE_HEADERS, "rate"], rows)] if rows else []


def _compile(frames: Frames) -> list[Section]:
    """One row for each part, with the cold and the warm compile cache side by side."""
    parts: dict[tuple[str, str], dict[str, list[str]]] = {}
    for keys, _, measured in _estimates(frames, "compile", [*STACK, "cache", "measurement"]):
        row = parts.setdefault((_stack_name(keys), keys["measurement"]), {})
        row[keys["cache"] or "no"] = [
            format_seconds(measured.center),
            format_interval(measured.low, measured.high),
            str(measured.num_processes),
        ]
    caches = [name for name in ("cold", "warm", "no") if any(name in row for row in parts.values())]
    headers = ["backend", "what"]
    headers += [text for name in caches for text in (f"{name} cache", "95 % interval", "processes")]
    rows = [
        [*names, *(cell for name in caches for cell in row.get(name, [MISSING, MISSING, "0"]))]
        for names, row in parts.items()
    ]
    return [_narrowed(Section("Import, graph and compilation", [], headers, rows))] if rows else []


def _epoch(frames: Frames) -> list[Section]:
    rows = []
    for keys, samples, measured in _estimates(frames, "epoch", [*STACK, "measurement"]):
        if keys["measurement"] == "train_step":
            p50, p95, p99 = np.percentile(samples["seconds"], [50, 95, 99])
            rate = f"p50 {format_seconds(p50)}, p95 {format_seconds(p95)}, p99 {format_seconds(p99)}"
        else:
            rate = _examples_rate(keys["measurement"], samples, measured)
        rows.append([_stack_name(keys), keys["measurement"], *_estimate_cells(measured), rate])
    headers = ["backend", "what", *ESTIMATE_HEADERS, "rate"]
    return [_narrowed(Section("Epochs and steps", [], headers, rows))] if rows else []


def _examples_rate(measurement: str, samples: pd.DataFrame, measured: stats.Estimate) -> str:
    examples = _or_none(samples["examples"].max())
    if examples is None:
        return MISSING
    rate = f"{format_number(examples / measured.center)} examples/s"
    if measurement == "train_epoch":
        rate += f", {format_number(examples * TRAINING_FLOP_PER_EXAMPLE / measured.center / 1e9)} GFLOP/s"
    return rate


def _bytes_rate(samples: pd.DataFrame, measured: stats.Estimate) -> str:
    num_bytes = _or_none(samples["bytes"].max())
    return MISSING if num_bytes is None else f"{format_bytes(num_bytes / measured.center)}/s"


def _batch_size(frames: Frames) -> list[Section]:
    found = []
    chosen = frames.samples[frames.samples["harness"] == "batch_size"]
    for keys, samples in _by_stack(chosen):
        medians = samples.groupby(["process", "batch_size"], observed=True)["seconds"].median().unstack()
        medians = medians.dropna(axis="columns")
        rows = []
        for batch_size in medians.columns:
            measured = _estimate(samples[samples["batch_size"] == batch_size])
            rows.append(
                [
                    f"{batch_size:,}",
                    str(measured.num_processes),
                    str(measured.num_samples),
                    format_seconds(measured.center),
                    format_interval(measured.low, measured.high),
                    format_number(batch_size / measured.center),
                ]
            )
        headers = ["batch size", "processes", "samples", "step", "95 % interval", "examples/s"]
        section = Section(f"Batch size: {_stack_name(keys)}", [], headers, rows)
        if len(medians.columns) >= 3:
            law = stats.fit_batch_law([int(size) for size in medians.columns], medians.to_numpy().tolist())
            section.sentences = _law_sentences(law)
        found.append(section)
    return found


def _law_sentences(law: stats.BatchLaw) -> list[str]:
    sentence = (
        f"t(B) = a + b*B with a = {format_seconds(law.a_seconds)} ({format_interval(law.a_low, law.a_high)}) of "
        f"overhead and b = {format_seconds(law.b_seconds)} ({format_interval(law.b_low, law.b_high)}) per example"
    )
    if law.knee_batch_size is not None:
        sentence += f"; half of peak throughput is reached at B = {format_number(law.knee_batch_size)}"
    fit = f"The law misses the measured medians by at most {format_percent(law.worst_residual, 1)}"
    fit += "; read the table where that is much." if law.worst_residual > 0.2 else "."
    return [sentence + ".", fit]


# --- the machine, and what went wrong ------------------------------------------------------------------------------


def _machine(header: dict[str, Any]) -> Section:
    machine = header.get("machine") or {}
    rows = [[_property(name), _describe(name, value)] for name, value in machine.items()]
    commit = header.get("commit") or {}
    state = " with uncommitted changes" if commit.get("dirty") else ""
    rows.append(["mlp-bench commit", f"{commit.get('id') or MISSING}{state}"])
    return Section("The machine", [], ["property", "value"], rows)


def _property(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ")


def _describe(name: str, value: Any) -> str:
    """A property of the machine in words; the unit is in its name."""
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


def _failures(frames: Frames, problems: list[str]) -> Section | None:
    rows = [
        [
            str(row.harness),
            "/".join(str(part) for part in (row.backend, row.variant) if pd.notna(part)),
            _reason(row),
        ]
        for row in frames.failures.itertuples()
    ]
    if not rows and not problems:
        return None
    return Section("What failed", problems, ["harness", "backend", "reason"] if rows else [], rows)


def _skipped(header: dict[str, Any]) -> Section | None:
    rows = [[entry["what"], entry["reason"], entry["remedy"]] for entry in header.get("skipped") or []]
    return Section("What was skipped", [], ["what", "why", "what would add it"], rows) if rows else None


def _reproduce(header: dict[str, Any]) -> Section:
    quick = " QUICK=1" if header["mode"] == "quick" else ""
    commit = (header.get("commit") or {}).get("id") or "the same commit"
    return Section(
        "How to reproduce",
        [
            f"Check out {commit} and run make bench{quick}. Intervals are 95 %, over processes; call two machines "
            "different only where they do not overlap."
        ],
    )


# --- helpers --------------------------------------------------------------------------------------------------------


ESTIMATE_HEADERS = ["processes", "samples", "median", "95 % interval"]


def _estimates(frames: Frames, harness: str, columns: list[str]):
    """(keys, samples, estimate) for each group of a harness's samples."""
    for keys, samples in _groups(frames.samples[frames.samples["harness"] == harness], columns):
        yield keys, samples, _estimate(samples)


def _estimate_cells(measured: stats.Estimate) -> list[str]:
    interval = format_interval(measured.low, measured.high)
    return [str(measured.num_processes), str(measured.num_samples), format_seconds(measured.center), interval]


def _estimate(samples: pd.DataFrame) -> stats.Estimate:
    return stats.estimate([list(seconds) for _, seconds in samples.groupby("process")["seconds"]])


def _by_stack(frame: pd.DataFrame):
    return _groups(frame, STACK)


def _groups(frame: pd.DataFrame, columns: list[str]):
    """(keys, rows) in the order of first appearance; a missing key is None."""
    for values, rows in frame.groupby(columns, observed=True, sort=False, dropna=False):
        yield {name: _or_none(value) for name, value in zip(columns, values, strict=True)}, rows


def _select(frame: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    for name, value in keys.items():
        frame = frame[frame[name].isna() if value is None else frame[name] == value]
    return frame


def _or_none(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _mean(values: pd.Series) -> float | None:
    return _or_none(values.mean())


def _stack_name(keys: dict[str, Any]) -> str:
    return f"{keys['backend']}/{keys['variant']} {keys['device']}, {keys['threads']} threads"


def _narrowed(section: Section) -> Section:
    """Without empty columns, and with the only backend in a sentence instead of in every row."""
    names = {row[0] for row in section.rows if row[0]}
    if len(names) == 1:
        section = Section(section.title, [*names], section.headers, [["", *row[1:]] for row in section.rows])
    used = [index for index in range(len(section.headers)) if any(row[index] for row in section.rows)]
    return Section(
        section.title,
        section.sentences,
        [section.headers[index] for index in used],
        [[row[index] for index in used] for row in section.rows],
    )
