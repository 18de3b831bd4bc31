"""Driver of a stack's profile: runs its processes one after the other and collects their results."""

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
from bench.measure.profiling.worker import ProfileRequest
from bench.measure.runner import new_run_id, now
from bench.measure.scratch import scratch_folder, temporary_files_in
from bench.records import files
from bench.records.header import Environment
from bench.records.profile import Profile
from bench.records.profile_file import FILE_NAME, load, save
from bench.records.run_folder import write_json
from mlp import registry
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
    environment: Environment,
) -> Profile:
    """Return a profile with its metadata, before measuring."""
    state = state_of(PROJECT)
    with planning(environment.passed):
        facts = fingerprint.fingerprint()
    return Profile(
        profile_id=profile_id or new_run_id(state.commit),
        started_at=now(),
        stack={name: getattr(stack, name) for name in ("backend", "variant", "device", "precision")},
        recipe=asdict(recipe),
        threads=threads,
        dataset=dataset,
        machine=facts,
        commit=state.facts,
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
    """Profile in fresh processes; ``profile.json`` in ``folder`` is written at the start and after each stage.

    A stack with a compile cache is compiled twice, with an empty cache and with the filled one.  An interruption ends
    the worker and propagates; the file then holds the results so far.
    """
    if registry.entry(profile.stack["backend"]).profiler is None:
        raise BenchError(f"{profile.stack['backend']} cannot be profiled: its entry names no profiler.")
    path = folder / FILE_NAME
    files.make_folder(folder, "name another with --output")
    save(profile, path)
    with scratch_folder() as scratch:
        request = ProfileRequest(str(path.resolve()), str(data_directory), data_digest, None, num_calls, num_rounds)
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


def _run_worker(
    request: ProfileRequest, profile: Profile, cache: Path | None, scratch: Path, limit_seconds: float
) -> Profile:
    """Run one process and return its profile, with a sentence if it failed."""
    request_path = scratch / "request.json"
    write_json(request_path, asdict(request), "free space")
    device = profile.stack["device"]
    python = load_backend(profile.stack["backend"]).interpreter(device)
    argv = [str(python), "-m", "bench.measure.profiling.worker", str(request_path)]
    try:
        ended = run_to_end(argv, _variables(profile, cache) | temporary_files_in(scratch), limit_seconds, scratch)
    except KeyboardInterrupt:
        _add_problem(load(request.profile), "interrupted: the measurements until then are here", request)
        raise
    left = load(request.profile)
    if ended.exit_code == 0:
        return left
    reason = ended.cut_short
    if reason is None and (ended.exit_code < 0 or len(left.problems) == len(profile.problems)):
        reason = why_ended(ended.exit_code, ended.text)
    return left if reason is None else _add_problem(left, f"the profiling process did not finish: {reason}", request)


def _add_problem(left: Profile, problem: str, request: ProfileRequest) -> Profile:
    left = replace(left, problems=(*left.problems, problem), complete=False)
    save(left, Path(request.profile))
    return left


def _variables(profile: Profile, cache: Path | None) -> dict[str, Any]:
    """Return the environment of a benchmark process; for Theano on a GPU with blocking launches, as its documentation
    advises, because else only launches are timed."""
    stack = profile.stack
    case = Case("epoch", stack["backend"], stack["variant"], stack["device"], profile.threads, profile.dataset)
    variables = build(case, cache, profile.environment.passed)
    if stack["backend"] == "theano" and stack["device"] != "cpu":
        variables["CUDA_LAUNCH_BLOCKING"] = "1"
    return variables


def folder_name(profile: Profile) -> str:
    """Return the folder name of the profile's stack, e.g. ``theano-tuned-cpu``."""
    return "-".join((profile.stack["backend"], profile.stack["variant"], profile.stack["device"].replace(":", "")))
