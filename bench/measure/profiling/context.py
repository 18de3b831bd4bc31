"""Ceilings and loading, measured before and after a profile on the same machine."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.measure.case import QUICK, Stack, make_plan
from bench.measure.runner import Progress, WorkerPool, execute
from bench.measure.scratch import scratch_folder
from bench.records.frames import Frames, drop_invalid, frames_of
from bench.records.header import RunHeader
from bench.records.profile import Profile
from bench.records.run_folder import SCHEMA_VERSION, RunFolder
from bench.records.select import estimate_of
from bench.records.stack_key import groups, or_none
from bench.roofline.ceilings import ceilings_of

ONCE = replace(QUICK.with_processes(1), framework_ceilings=True)


class ContextRun(ExitStack):
    """Separate run in a temporary folder; each call of ``measure`` runs one process of each case."""

    def __init__(self, stack: Stack, profile: Profile, data_directory: Path, data_digest: str | None = None) -> None:
        super().__init__()
        self._data_directory, self._data_digest = data_directory, data_digest
        self._device = stack.device
        self._passed = profile.environment.passed
        self._plan = make_plan(
            ONCE,
            harnesses=("ceilings", "data"),
            stacks=(stack,),
            threads=profile.threads,
            dataset=profile.dataset,
            optimizations=(),
            batch_size=profile.recipe["batch_size"],
        )
        self._scratch = self.enter_context(scratch_folder())
        self._folder = RunFolder.create(
            self._scratch, RunHeader(SCHEMA_VERSION, profile.profile_id, "running", "quick", plan=())
        )
        self._times = 0

    def measure(self) -> None:
        """Run one more process of each case, but of loading only one; a failure loses only its own measurements."""
        self._times += 1
        wanted = [one for one in self._plan if one.case.harness == "ceilings" or self._times == 1]
        plan = [replace(planned, replicates=self._times) for planned in wanted]
        self._folder.update_header(plan=[planned.to_entry() for planned in plan])
        arguments = (plan, self._data_directory, True, lambda text: None, self._data_digest)
        with WorkerPool(*arguments, self._passed) as pool:
            execute(self._folder, pool.measure, Progress())

    def added_to(self, profile: Profile) -> Profile:
        """Return ``profile`` with ceilings and loading, and a sentence for each failed process."""
        frames = drop_invalid(frames_of([self._folder]))[0]
        found = ceilings_of(frames, self._device)
        failed = [f"ceilings and loading: {reason}" for reason in frames.failures["reason"].dropna()]
        return replace(
            profile,
            ceilings=found.without_rounds() if found else None,
            data=loading_steps(frames),
            problems=(*profile.problems, *failed),
        )


def loading_steps(frames: Frames) -> dict[str, Any] | None:
    """Return {measurement: {seconds, bytes}} of the harness ``data``; None if it measured nothing."""
    samples = frames.samples[frames.samples["harness"] == "data"]
    found = {
        keys["measurement"]: {"seconds": estimate_of(rows).center, "bytes": or_none(rows["bytes"].max())}
        for keys, rows in groups(samples, ["measurement"])
    }
    return found or None
