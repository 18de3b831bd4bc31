"""Ceilings and loading, measured before and after a profile: what it is judged by, on the machine as it was then."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.measure.case import QUICK, Effort, Planned, Stack, make_plan
from bench.measure.runner import WorkerPool, execute
from bench.measure.scratch import scratch_folder
from bench.records.frames import Frames, frames_of, trustworthy
from bench.records.profile import Profile
from bench.records.run_folder import SCHEMA_VERSION, RunFolder
from bench.report.profile.data import loading_steps
from bench.roofline.ceilings import ceilings_of

ONCE: Effort = QUICK.with_processes(1).with_framework_ceilings()


class _Silent:
    """Nobody watches."""

    def expect(self, *_: object) -> None: ...

    def start(self, *_: object) -> None: ...

    def finish(self, *_: object) -> None: ...


class Aside:
    """A run of its own, in a folder that nobody keeps, with a process of each case for each call of ``measure``."""

    def __init__(self, stack: Stack, profile: Profile, data_directory: Path, data_digest: str | None = None) -> None:
        self._data_directory, self._data_digest = data_directory, data_digest
        self._device = stack.device
        self._passed = (profile.environment or {}).get("passed")
        self._plan = make_plan(
            ONCE,
            harnesses=("ceilings", "data"),
            stacks=(stack,),
            threads=profile.threads,
            dataset=profile.dataset,
            levers=(),
            batch_size=profile.recipe["batch_size"],
        )
        self._exit = ExitStack()
        self._scratch = self._exit.enter_context(scratch_folder())
        self._folder = RunFolder.create(
            self._scratch,
            {
                "schema_version": SCHEMA_VERSION,
                "run_id": profile.profile_id,
                "status": "running",
                "mode": "quick",
                "plan": [],
            },
        )
        self._times = 0

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._exit.close()

    def measure(self) -> None:
        """One more process of each case; one that fails costs what it would have measured."""
        self._times += 1
        plan = [replace(planned, replicates=self._times) for planned in self._plan if self._wants(planned)]
        self._folder.update_header(plan=[planned.to_json() for planned in plan])
        arguments = (plan, self._data_directory, True, lambda text: None, self._data_digest)
        with WorkerPool(*arguments, self._passed) as pool:
            execute(self._folder, pool.measure, _Silent())

    def _wants(self, planned: Planned) -> bool:
        """Loading does not change while a profile is made: once is enough."""
        return planned.case.harness == "ceilings" or self._times == 1

    def added_to(self, profile: Profile) -> Profile:
        """``profile`` with its ceilings and loading, and a sentence for each process that failed."""
        frames = trustworthy(self._frames())[0]
        found = ceilings_of(frames, self._device)
        failed = [f"ceilings and loading: {reason}" for reason in frames.failures["reason"].dropna()]
        return replace(
            profile,
            ceilings=found.to_json() if found else None,
            data=loading_steps(frames),
            problems=(*profile.problems, *failed),
        )

    def _frames(self) -> Frames:
        return frames_of([self._folder])
