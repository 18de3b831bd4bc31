"""A stack's profile, from outside: its processes, one after the other, and what they left."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.machine import fingerprint
from bench.measure.case import Case, Stack
from bench.measure.environment import build, planning
from bench.measure.git import state_of
from bench.measure.process import PROJECT, run_to_end, why_ended
from bench.measure.profiling import PROFILED
from bench.measure.profiling.worker import Request
from bench.measure.runner import new_run_id, now
from bench.measure.scratch import scratch_folder, temporary_files_in
from bench.records.profile import Profile
from bench.records.profile_file import FILE_NAME, load, save
from mlp.backends import load as load_backend
from mlp.recipe import Recipe

LIMIT_SECONDS = 900.0  # of one process: a cold compilation takes half a minute on two cores


def new_profile(
    stack: Stack,
    recipe: Recipe,
    *,
    threads: int,
    dataset: str,
    profile_id: str | None = None,
    environment: dict[str, Any] | None = None,
) -> Profile:
    """What is known of a profile before anything is measured."""
    state = state_of(PROJECT)
    with planning((environment or {}).get("passed")):
        fingerprint = fingerprint.fingerprint()
    return Profile(
        profile_id=profile_id or new_run_id(state.commit),
        started_at=now(),
        stack={name: getattr(stack, name) for name in ("backend", "variant", "device", "precision")},
        recipe=asdict(recipe),
        threads=threads,
        dataset=dataset,
        machine=fingerprint,
        commit=state.to_json(),
        complete=False,
        environment=environment,
    )


def collect(
    profile: Profile,
    folder: Path,
    data_directory: Path,
    data_digest: str | None = None,
    *,
    caches_code: bool,
    num_calls: int,
    num_rounds: int,
    limit_seconds: float = LIMIT_SECONDS,
) -> Profile:
    """Profile in fresh processes; ``folder`` holds ``profile.json`` from the start, and more of it after each stage.

    A stack that keeps compiled code is compiled twice, with an empty cache and with the one that this filled.  An
    interruption ends the worker and goes on to the caller; the file then holds what was known.
    """
    if profile.stack["backend"] not in PROFILED:
        raise BenchError(
            f"{profile.stack['backend']} cannot be profiled: there is no collector for it, only for "
            f"{', '.join(PROFILED)}."
        )
    path = folder / FILE_NAME
    _make(folder)
    save(profile, path)
    with scratch_folder() as scratch:
        request = Request(str(path.resolve()), str(data_directory), data_digest, None, num_calls, num_rounds)
        if not caches_code:
            return _run_worker(request, profile, None, scratch, limit_seconds)
        cache = scratch / "cache"
        cache.mkdir()
        cold = replace(request, cache="cold", compile_only=True)
        compiled = _run_worker(cold, profile, cache, scratch, limit_seconds)
        if not compiled.complete:
            return compiled
        save(replace(compiled, complete=False), path)
        return _run_worker(replace(request, cache="warm"), profile, cache, scratch, limit_seconds)


def _run_worker(request: Request, profile: Profile, cache: Path | None, scratch: Path, limit_seconds: float) -> Profile:
    """One process; what it left, with a sentence if it did not end well."""
    request_path = scratch / "request.json"
    request.write(request_path)
    device = profile.stack["device"]
    python = load_backend(profile.stack["backend"]).interpreter(device)
    argv = [str(python), "-m", "bench.measure.profiling.worker", str(request_path)]
    try:
        ended = run_to_end(argv, _variables(profile, cache) | temporary_files_in(scratch), limit_seconds, scratch)
    except KeyboardInterrupt:
        _add_problem(load(request.profile), "interrupted: what was measured until then is here", request)
        raise
    left = load(request.profile)
    if ended.exit_code == 0:
        return left
    reason = ended.cut_short
    if reason is None and (ended.exit_code < 0 or len(left.problems) == len(profile.problems)):
        reason = why_ended(ended.exit_code, ended.text)
    return left if reason is None else _add_problem(left, f"the profiling process did not finish: {reason}", request)


def _add_problem(left: Profile, problem: str, request: Request) -> Profile:
    left = replace(left, problems=(*left.problems, problem), complete=False)
    save(left, Path(request.profile))
    return left


def _variables(profile: Profile, cache: Path | None) -> dict[str, Any]:
    """The environment of a benchmark's process; Theano's GPU profile makes every launch wait, or it would time only
    launches (Theano's own advice)."""
    stack = profile.stack
    case = Case("epoch", stack["backend"], stack["variant"], stack["device"], profile.threads, profile.dataset)
    variables = build(case, cache, (profile.environment or {}).get("passed"))
    if stack["backend"] == "theano" and stack["device"] != "cpu":
        variables["CUDA_LAUNCH_BLOCKING"] = "1"
    return variables


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{folder} cannot be made ({error.strerror}): name another with --output.") from error


def folder_name(profile: Profile) -> str:
    """Of its stack, e.g. ``theano-tuned-cpu``."""
    return "-".join((profile.stack["backend"], profile.stack["variant"], profile.stack["device"].replace(":", "")))
