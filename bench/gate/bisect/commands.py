"""Modes of ``python -m bench bisect``: a live bisection, its resumption, and a step of ``git bisect run``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.console import Console

from bench.advice import bench_command
from bench.document.section import to_markdown, to_terminal
from bench.errors import BenchError, RecordError
from bench.gate import emit
from bench.gate.bisect import report
from bench.gate.bisect.commits import CommitRange, commit_range, describe, measured_tree, single_commit_range
from bench.gate.bisect.from_history import latest_step
from bench.gate.bisect.laboratory import CommitLaboratory, opened_range, values_of
from bench.gate.bisect.record import BisectionRecord, read_record, write_record
from bench.gate.config import GateConfig, parse_duration, read_config
from bench.gate.processes.session import GateRequest, resolve_stack
from bench.gate.processes.sides import SideSpec
from bench.gate.run_file import new_path
from bench.gate.verdict import Metric, wording
from bench.gate.verdict.bisection.model import end_difference
from bench.gate.verdict.bisection.search import Outcome, Search, SearchResult
from bench.gate.verdict.samples import from_scale
from bench.machine import fingerprint
from bench.measure.process import PROJECT
from bench.measure.runner import now
from bench.records import files
from bench.records.json_file import finite
from bench.records.run_folder import as_json
from bench.units import format_percent, short_commit

OUTPUTS = {"--json": "json_path", "--markdown": "markdown", "--log": "log"}
DEFAULT_METRIC, DEFAULT_BUDGET = "train_epoch", "15m"
GIT_GOOD, GIT_BAD, GIT_SKIP = 0, 1, 125  # exit codes that git bisect run understands


def run(console: Console, **options: Any) -> int:
    """Bisect, or resume a bisection; return the exit code.  Raise BenchError for bad input."""
    sources = [options["resume"]] if options["resume"] else []
    targets = {option: options[name] for option, name in OUTPUTS.items()}
    quiet = files.check(targets, sources)
    path, record = _resumed(options) if options["resume"] else _new(options)
    project = options["repository"] or PROJECT
    budget_seconds = parse_duration(options["budget"] or DEFAULT_BUDGET)
    lines: list[str] = []
    with console.status("building both ends") as status:
        keeper = _Keeper(path, record, is_new=not options["resume"])
        try:
            with opened_range(record.commits, _request(record, project)) as laboratory:
                keeper.begin(laboratory)
                laboratory.say = status.update
                search = _search(record, laboratory, budget_seconds, keeper, lines)
                result = search.run()
                seconds = search.seconds
        except KeyboardInterrupt:
            if keeper.written:
                click.echo(f"Continue with: {bench_command(f'bisect --resume {keeper.path}')}", err=True)
            raise
    done = _finished(record, search, result, keeper, seconds, project)
    _write(done, lines, targets)
    if not quiet:
        to_terminal(report.headline(done), report.sections(done), console)
    return done.exit_code


def step_of_git_bisect(**options: Any) -> int:
    """Judge the checked-out commit of a repository for ``git bisect run``: good 0, bad 1, or 125 to skip it."""
    project = options["repository"] or PROJECT
    if not (options["good"] and options["bad"]):
        raise BenchError("--git-bisect-run needs the good and the bad revision: they are measured beside each commit.")
    budget_seconds = parse_duration(options["budget"] or DEFAULT_BUDGET)
    commits = single_commit_range(options["good"], "HEAD", options["bad"], project)
    trees = [measured_tree(commit, project) for commit in commits.commits]
    if trees[0] == trees[2]:
        raise BenchError(f"{options['good']} and {options['bad']} have the same measured code: nothing can differ.")
    if trees[1] in (None, trees[0], trees[2]):
        return {None: GIT_SKIP, trees[0]: GIT_GOOD, trees[2]: GIT_BAD}[trees[1]]
    record = _record(commits, options)
    with opened_range(commits, _request(record, project)) as laboratory:
        search = Search(2, record.metric, laboratory, budget_seconds, record.confidence, confirms=False)
        search.built |= {0, commits.last}
        result = search.run()
    probability = format_percent(result.probability, 1)
    if 1 in search.failures:
        click.echo(f"{short_commit(commits.commits[1])} cannot be measured: {search.failures[1]}", err=True)
        return GIT_SKIP
    if result.outcome is Outcome.NO_STEP:
        ends = f"{options['good']} and {options['bad']}"
        raise BenchError(f"{ends} do not differ by a step that matters ({probability}): nothing can be found.")
    if result.outcome is not Outcome.CULPRIT:
        click.echo(f"{short_commit(commits.commits[1])} is neither ({result.outcome}, {probability})", err=True)
        return GIT_SKIP
    is_bad = result.steps[0].parts[-1] == 1
    click.echo(f"{short_commit(commits.commits[1])} is {'bad' if is_bad else 'good'} ({probability})", err=True)
    return GIT_BAD if is_bad else GIT_GOOD


class _Keeper:
    """Writes the record after every block."""

    def __init__(self, path: Path, record: BisectionRecord, is_new: bool) -> None:
        self.path, self.record, self.written = path, record, not is_new

    def begin(self, laboratory: CommitLaboratory) -> None:
        """Take over machine, dataset and recipe from the prepared ends; check those of a resumed record."""
        machine, primed = fingerprint.fingerprint(), laboratory.session.primed
        if self.written:
            self.record.check_continues(machine, primed.dataset, primed.recipe)
            laboratory.blocks = list(self.record.blocks)
        recipe = finite(primed.recipe)
        self.record = replace(self.record, machine=machine, dataset=primed.dataset, recipe=recipe)

    def keep(self, laboratory: CommitLaboratory, failures: dict[str, str]) -> None:
        if not self.written:
            self.path = files.new_file(self.path)
            self.written = True
        self.record = replace(self.record, failures=failures, blocks=tuple(laboratory.blocks))
        write_record(self.path, self.record)


def _new(options: dict[str, Any]) -> tuple[Path, BisectionRecord]:
    project = options["repository"] or PROJECT
    good, bad = options["good"], options["bad"]
    if options["from_history"]:
        if good or bad:
            raise BenchError("--from-history finds the good and the bad revision itself: leave them out.")
        stack = resolve_stack(options["backend"], options["variant"], options["device"])
        step = latest_step(options["runs_dir"], options["metric"] or DEFAULT_METRIC, stack)
        click.echo(step.sentence, err=True)
        good, bad = step.good, step.bad
    if not (good and bad):
        raise BenchError(f"name a good revision and a bad one, as in: {bench_command('bisect v1.0 main')}.")
    commits = commit_range(good, bad, project)
    return new_path(options["runs_dir"], commits.commits[-1], "bisect"), _record(commits, options)


def _record(commits: CommitRange, options: dict[str, Any]) -> BisectionRecord:
    return BisectionRecord(
        started_at=now(),
        commits=commits,
        metric=_metric(options["metric"] or DEFAULT_METRIC, options["effect"]),
        stack=resolve_stack(options["backend"], options["variant"], options["device"]),
        threads=options["threads"] or fingerprint.usable_cores(),
        confidence=options["confidence"],
        data=None if options["data"] is None else str(options["data"]),
    )


def _metric(name: str, effect: float | None) -> Metric:
    config: GateConfig = read_config(PROJECT / "pyproject.toml").with_measures([name])
    if len(config.measures) != 1:
        raise BenchError("a bisection searches the step of one metric: name one with --metric.")
    (metric,) = config.metrics()
    try:
        return metric if effect is None else replace(metric, effect=effect)
    except ValueError as error:
        raise BenchError(f"--effect: {error}.") from error


def _resumed(options: dict[str, Any]) -> tuple[Path, BisectionRecord]:
    given = [name for name in ("good", "bad", "metric", "from_history", "effect", "data") if options[name]]
    if given:
        raise BenchError(f"--resume takes these from the file: leave out {', '.join(given)}.")
    record = read_record(options["resume"])
    repository = options["repository"] or PROJECT
    for commit in record.commits.commits:
        if measured_tree(commit, repository) is None:
            raise BenchError(
                f"commit {commit[:12]} of the bisection is not in {repository}: fetch it there, or name the repository "
                "that was searched with --repository."
            )
    return options["resume"], record


def _request(record: BisectionRecord, project: Path) -> GateRequest:
    commits = record.commits.commits
    return GateRequest(
        base=SideSpec(commits[0]),
        candidate=SideSpec(commits[-1]),
        stack=record.stack,
        measures=(record.metric.name,),
        data=None if record.data is None else Path(record.data),
        threads=record.threads,
        project=project,
    )


def _search(
    record: BisectionRecord, laboratory: CommitLaboratory, budget_seconds: float, keeper: _Keeper, lines: list[str]
) -> Search:
    """Return a search that keeps every block, and begins with those of an earlier session."""
    commits = record.commits
    names = [commit[:12] for commit in commits.commits]

    def say(line: str) -> None:
        lines.append(line)
        click.echo(line, err=True)

    search = Search(commits.last, record.metric, laboratory, budget_seconds, record.confidence, say=say)
    search.watch = lambda posterior: say(f"{len(laboratory.blocks)} blocks: {report.progress_line(posterior, names)}")
    laboratory.refused = lambda place, reason: say(f"{names[place]} cannot be measured: {reason}")
    search.built |= {0, commits.last}
    for commit, reason in record.failures.items():
        search.skip(names.index(commit[:12]), reason)
    for block in record.blocks:
        search.add(*values_of(block, record.metric.name, commits))

    def keep(_: Any = None) -> None:
        try:
            keeper.keep(laboratory, {commits.commits[place]: why for place, why in search.failures.items()})
        except RecordError as error:
            say(f"warning: {error}")

    laboratory.keep = keep
    return search


def _finished(
    record: BisectionRecord, search: Search, result: SearchResult, keeper: _Keeper, seconds: float, project: Path
) -> report.Bisection:
    blocks = keeper.record.blocks
    ends = [one for one in (end_difference(block, search.last) for block in search.inference.blocks) if one is not None]
    notes = []
    if ends:
        ratio = wording.change(record.metric, from_scale(record.metric, median(ends)))
        notes.append(f"The bad end is {ratio}, the good end (the median of {len(ends)} blocks).")
    if keeper.written:
        notes.append(f"What was measured is kept in {keeper.path}; --resume continues from it.")
    return report.Bisection(
        record.commits,
        describe(record.commits.commits, project),
        record.metric,
        result,
        search.failures,
        len(blocks),
        sum(len(block.slots) for block in blocks),
        seconds,
        record.confidence,
        tuple(notes),
    )


def _write(done: report.Bisection, lines: list[str], targets: dict[str, str | None]) -> None:
    """Write the result to ``targets``, {option: file}; a write error is a warning, as the result is known."""
    texts = {
        "--json": as_json(report.to_json(done)),
        "--markdown": to_markdown(report.headline(done), report.sections(done)),
        "--log": report.to_log(done, lines),
    }
    emit.write_each(texts, targets)
