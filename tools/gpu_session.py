"""``python -m tools.gpu_session [OUTPUT]``: run the GPU half of the suite unattended, in bounded stages by priority.

A machine with a GPU is often lent for minutes only.  Each stage leaves its log and its record in OUTPUT, and
``session.json`` lists how each one ended.  A stage that fails or runs out of time costs only itself, and a session that
is cut (SIGTERM) keeps what was measured.  ``--dry-run`` prints the stages and starts nothing.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.cli import FAILED, INTERRUPTED
from bench.errors import BenchError
from bench.measure.process import PROJECT, running
from bench.measure.runner import now
from bench.measure.signals import ends_on_signals
from bench.records import files
from bench.records.run_folder import write_json
from mlp import backends
from mlp.errors import MlpError

BUDGET_SECONDS = 720.0
GRACE_SECONDS = 10.0  # for a command to keep what it has measured and to write its report
LEAST_SECONDS = 5.0  # of a stage that is still worth starting
RACERS = ("jax/scan", "torch/graph")  # the fastest standard variants on a GPU, measured side by side
THEANO = "theano/as_published"
DATA_PARALLEL = ("torch/eager", "jax/step")  # plain, and on as many devices as there are: DDP with NCCL, sharding
OUTPUT = Path("build/gpu-session")
ENDED, OUT_OF_TIME, CUT, NO_TIME = "ended", "out of time", "interrupted", "not started: no time was left"


@dataclass(frozen=True)
class Stage:
    """Command of this Python, ``arguments``, with its time limit."""

    name: str
    arguments: tuple[str, ...]
    limit_seconds: float

    @property
    def command(self) -> list[str]:
        return [sys.executable, *self.arguments]


@dataclass(frozen=True)
class StageResult:
    """Result of a stage: ``outcome`` in words; ``exit_code`` is None if it was stopped or did not start."""

    name: str
    command: str
    limit_seconds: float
    outcome: str
    started_at: str | None = None
    seconds: float | None = None
    exit_code: int | None = None

    @property
    def line(self) -> str:
        took = "" if self.seconds is None else f" after {self.seconds:.0f} s"
        code = "" if self.exit_code is None else f", exit code {self.exit_code}"
        return f"{self.name}: {self.outcome}{took}{code}"


def stages_for(output: Path, device: str = "cuda") -> list[Stage]:
    """Return the stages, the most important first; their records go below ``output``."""
    kept = ("--runs-dir", str(output / "runs"))
    on_device = ("--device", device)

    def run(*options: str, of: tuple[str, ...]) -> tuple[str, ...]:
        # A backend that is named and missing would end the run; of all it is skipped.
        chosen = (word for stack in of for word in ("--variant", stack))
        return ("-m", "bench", "run", "--backend", "all", *chosen, *on_device, *options, *kept)

    def of_one(command: str, stack: str, *options: str) -> tuple[str, ...]:
        backend, variant = stack.split("/")
        return ("-m", "bench", command, "--backend", backend, "--variant", variant, *on_device, *options)

    def profile(stack: str) -> Stage:
        options = ("--no-ceilings", "--rounds", "3", "--output", str(output / "profiles"))
        return Stage(f"profile-{stack.replace('/', '-')}", of_one("profile", stack, *options), 60)

    def gate(*options: str) -> tuple[str, ...]:
        return of_one("gate", RACERS[1], *options, *kept)

    own_kernels, others = other_variants(device)

    def tests(name: str) -> tuple[str, ...]:
        return ("-m", "pytest", "-v", "-p", "no:cacheprovider", f"tests/mlp/backends/{name}.py", "-k", "cuda")

    devices = run("--harness", "devices", "--quick", "--processes", "1", of=DATA_PARALLEL)
    training = ("--harness", "epoch", "--harness", "reference")
    return [
        Stage("doctor", ("-m", "bench", "doctor"), 40),
        Stage("quick", run("--quick", of=RACERS), 120),
        Stage("race", run(*training, "--processes", "3", "--seeds", "3", of=RACERS), 110),
        Stage("theano", run(*training, "--quick", "--processes", "1", of=(THEANO,)), 100),
        Stage("ceilings", run("--harness", "ceilings", "--processes", "2", of=RACERS), 75),
        Stage("devices-equal", tests("test_data_parallel"), 60),
        Stage("devices", devices, 90),
        *map(profile, (*RACERS, THEANO)),
        Stage("gate", gate("--calibrate", "--trials", "1", "--metric", "train_epoch", "--budget", "15s"), 75),
        Stage("contract", tests("test_contract"), 75),
        Stage("kernels", run(*training, "--quick", "--processes", "1", of=own_kernels), 90),
        Stage("noise", gate("--record-noise", str(output / "noise.jsonl"), "--budget", "30s"), 50),
        Stage("variants", run("--quick", "--harness", "epoch", "--processes", "1", of=others), 120),
    ]


def other_variants(device: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the variants for ``device`` beside RACERS: those in kernels of our own, and the others."""
    kind = device.partition(":")[0]
    found: tuple[list[str], list[str]] = ([], [])
    for name in dict.fromkeys(stack.partition("/")[0] for stack in RACERS):
        for variant in backends.load(name).variants:
            if kind in variant.devices and f"{name}/{variant.name}" not in RACERS:
                found[variant.implementation is None].append(f"{name}/{variant.name}")
    return tuple(found[False]), tuple(found[True])


Execute = Callable[[Stage, float, Path], int | None]  # (stage, limit in seconds, log) -> exit code; None: out of time


def run_stage(stage: Stage, limit_seconds: float, log: Path, grace_seconds: float = GRACE_SECONDS) -> int | None:
    """Run a stage with its output in ``log``; ended by SIGTERM at its limit or with this process, then by SIGKILL."""
    with open(log, "wb") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        with running(stage.command, cwd=PROJECT, **streams) as process:
            try:
                return process.wait(limit_seconds)
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as reason:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):  # ``running`` kills it
                    process.wait(grace_seconds)
                if isinstance(reason, KeyboardInterrupt):
                    raise
                return None


def session(
    stages: list[Stage],
    output: Path,
    budget_seconds: float,
    execute: Execute = run_stage,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[StageResult]:
    """Run the stages within the budget; yield the result of each, and keep all in ``session.json``.

    KeyboardInterrupt ends the running stage in order and propagates, after its result is kept.
    """
    end = clock() + budget_seconds
    results: list[StageResult] = []

    def keep(result: StageResult) -> StageResult:
        results.append(result)
        content = {"budget_seconds": budget_seconds, "stages": [asdict(one) for one in results]}
        write_json(output / "session.json", content, "free space")
        return result

    for stage in stages:
        limit = min(stage.limit_seconds, end - clock() - GRACE_SECONDS)
        of_stage = {"name": stage.name, "command": shlex.join(stage.command), "limit_seconds": round(limit, 1)}
        if limit < LEAST_SECONDS:
            yield keep(StageResult(**{**of_stage, "limit_seconds": stage.limit_seconds}, outcome=NO_TIME))
            continue
        started: dict[str, Any] = {"started_at": now()}
        start = clock()
        try:
            exit_code = execute(stage, limit, output / f"{stage.name}.log")
        except OSError as error:
            yield keep(StageResult(**of_stage, outcome=f"not started: {error.strerror}"))
            continue
        except KeyboardInterrupt:
            keep(StageResult(**of_stage, **started, outcome=CUT, seconds=clock() - start))
            raise
        outcome = OUT_OF_TIME if exit_code is None else ENDED
        yield keep(StageResult(**of_stage, **started, outcome=outcome, seconds=clock() - start, exit_code=exit_code))


def plan_lines(stages: list[Stage], budget_seconds: float) -> list[str]:
    """Return one line for each stage: its limit, the latest end within the budget, and its command."""
    lines, latest = [], 0.0
    for stage in stages:
        latest = min(budget_seconds, latest + stage.limit_seconds)
        command = shlex.join(["python", *stage.arguments])
        lines.append(f"{stage.name:<26} {stage.limit_seconds:4.0f} s, until {latest:4.0f} s  {command}")
    total = sum(stage.limit_seconds for stage in stages)
    return [*lines, f"limits of {total:.0f} s, within a budget of {budget_seconds:.0f} s"]


def arguments_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_session", description=__doc__.partition(": ")[2])
    parser.add_argument("output", nargs="?", type=Path, default=OUTPUT, help=f"a new folder; default: {OUTPUT}")
    parser.add_argument("--budget-seconds", type=float, default=BUDGET_SECONDS, help="of all stages; default: 720")
    parser.add_argument("--device", default="cuda", help="cuda or cuda:<index>; default: cuda")
    parser.add_argument("--dry-run", action="store_true", help="print the stages, and start nothing")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    given = arguments_of(words)
    results = []
    try:
        backends.check_device(given.device)
        if given.dry_run:
            print(*plan_lines(stages_for(given.output, given.device), given.budget_seconds), sep="\n")
            return 0
        output = files.new_folder(given.output.absolute(), "name another one")
        print(f"logs and records: {output}", flush=True)
        with ends_on_signals():
            for result in session(stages_for(output, given.device), output, given.budget_seconds):
                results.append(result)
                print(result.line, flush=True)
    except (BenchError, MlpError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; session.json says which stages ended", file=sys.stderr)
        return INTERRUPTED
    return 0 if all(result.exit_code == 0 for result in results) else FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
