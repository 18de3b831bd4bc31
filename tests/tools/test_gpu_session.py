"""A GPU session keeps to its budget, loses no more than the stage that fails, and leaves a record of every stage."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import FakeClock

from bench import cli
from bench.measure.case import QUICK, Stack
from bench.measure.scaling import scaling_counts, scaling_plan
from mlp import backends
from tools import gpu_session
from tools.gpu_session import Stage, run_stage, session, stages_for

PROJECT = Path(__file__).resolve().parents[2]
IGNORES_TERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True)"
KEEPS_ON_TERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("kept", flush=True), sys.exit(1)))
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def play(tmp_path):
    """Run a session whose stages take {name: (seconds, result)}; return the results, as they are on file, too."""

    def play(script, budget_seconds, limit_seconds=100):
        clock, given = FakeClock(), {}

        def execute(stage, limit, log):
            given[stage.name] = limit
            seconds, result = script[stage.name]
            clock.advance(min(seconds, limit))
            if isinstance(result, BaseException):
                raise result
            return None if seconds > limit else result

        stages = [Stage(name, ("-m", name), limit_seconds) for name in script]
        results = []
        try:
            results += session(stages, tmp_path, budget_seconds, execute, clock)
        finally:
            on_file = json.loads((tmp_path / "session.json").read_text())["stages"]
        assert [one.outcome for one in results] == [one["outcome"] for one in on_file]
        return results, given

    return play


def test_a_stage_that_fails_hangs_or_cannot_be_started_costs_only_itself(play):
    script = {"a": (10, 1), "b": (1000, 0), "c": (0, OSError(2, "No such file")), "d": (20, 0)}
    results, given = play(script, budget_seconds=720)
    assert [(one.outcome, one.exit_code, one.seconds) for one in results] == [
        ("ended", 1, 10),
        ("out of time", None, 100),
        ("not started: No such file", None, None),
        ("ended", 0, 20),
    ]
    assert set(given.values()) == {100}


def test_the_budget_shortens_the_last_stage_and_starts_no_other(play):
    results, given = play({"a": (90, 0), "b": (90, 0), "c": (90, 0), "d": (1, 0)}, budget_seconds=240)
    grace = gpu_session.GRACE_SECONDS
    assert given == {"a": 100, "b": 100, "c": 240 - 180 - grace}
    assert [one.outcome for one in results][2:] == ["out of time", "not started: no time was left"]


def test_an_interrupted_session_keeps_the_results_until_then(play, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        play({"a": (10, 0), "b": (5, KeyboardInterrupt()), "c": (1, 0)}, budget_seconds=720)
    kept = json.loads((tmp_path / "session.json").read_text())["stages"]
    assert [(one["name"], one["outcome"], one["seconds"]) for one in kept] == [
        ("a", "ended", 10),
        ("b", "interrupted", 5),
    ]


# --- the stages ------------------------------------------------------------------------------------------------------


def test_every_command_of_bench_takes_its_options(tmp_path):
    for stage in stages_for(tmp_path, "cuda:1"):
        if stage.arguments[:2] == ("-m", "bench"):
            name, *options = stage.arguments[2:]
            cli.main.get_command(None, name).make_context(name, list(options))


def test_every_variant_for_a_gpu_is_measured_and_each_once(tmp_path):
    words = [
        word
        for stage in stages_for(tmp_path)
        if stage.name in ("race", "kernels", "variants")
        for word in stage.arguments
    ]
    named = [word for word in words if word.startswith(("jax/", "torch/"))]
    expected = {f"{name}/{one.name}" for name in ("jax", "torch") for one in backends.load(name).variants
                if "cuda" in one.devices}  # fmt: skip
    assert len(named) == len(set(named)) and set(named) == expected


def test_data_parallelism_is_tested_and_measured_in_bounded_stages(tmp_path):
    """The harness devices plans DDP with NCCL and the sharding of JAX for each GPU that is there, the only one, too."""
    stages = {stage.name: stage for stage in stages_for(tmp_path)}
    words = stages["devices"].arguments
    stacks = [Stack(*words[place + 1].split("/"), "cuda") for place, word in enumerate(words) if word == "--variant"]
    counts = scaling_counts(num_gpus=1)
    plan = scaling_plan(QUICK, harnesses=("devices",), stacks=stacks, counts=counts, dataset="mnist")
    assert [(one.case.variant, one.case.devices) for one in plan] == [
        *(("eager", None), ("ddp", 1), ("step", None), ("sharded", 1)),
    ]
    assert words[words.index("--harness") + 1] == "devices" and words[words.index("--device") + 1] == "cuda"
    assert "tests/mlp/backends/test_data_parallel.py" in stages["devices-equal"].arguments
    assert max(stages[name].limit_seconds for name in ("devices", "devices-equal")) <= 90


def test_a_dry_run_prints_the_stages_with_commands_and_limits_and_starts_nothing(tmp_path, capsys):
    output = tmp_path / "session"
    assert gpu_session.main([str(output), "--dry-run", "--budget-seconds", "300"]) == 0
    printed = capsys.readouterr().out.splitlines()
    stages = stages_for(output)
    assert [line.split()[0] for line in printed[:-1]] == [stage.name for stage in stages]
    assert all(" ".join(stage.arguments) in line for stage, line in zip(stages, printed, strict=False))
    assert all(f"{stage.limit_seconds:.0f} s, until" in line for stage, line in zip(stages, printed, strict=False))
    assert "within a budget of 300 s" in printed[-1]
    assert not output.exists()


def test_half_of_the_budget_covers_what_matters_most(tmp_path):
    """Cut after five minutes, the stages until the epochs and reference runs of JAX and PyTorch have ended."""
    limits = {stage.name: stage.limit_seconds for stage in stages_for(tmp_path)}
    first = list(limits)[: list(limits).index("race") + 1]
    assert sum(limits[name] for name in first) <= 300


def test_an_unknown_device_is_one_sentence(capsys):
    assert gpu_session.main(["--device", "gpu"]) == 2
    assert "unknown device 'gpu'" in capsys.readouterr().err


# --- real processes --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "grace_seconds", "left"),
    [(KEEPS_ON_TERM, 10, "started\nkept\n"), (f"{IGNORES_TERM}; time.sleep(60)", 0.1, "on\n")],
)
def test_a_stage_out_of_time_may_keep_what_it_has_and_is_then_killed(tmp_path, code, grace_seconds, left):
    log = tmp_path / "stage.log"
    assert run_stage(Stage("stage", ("-c", code), 1), 1, log, grace_seconds=grace_seconds) is None
    assert log.read_text() == left


def test_the_log_holds_output_and_errors_of_a_stage(tmp_path):
    log = tmp_path / "stage.log"
    assert run_stage(Stage("stage", ("-c", "import sys; print(1, flush=True); sys.exit('no')"), 60), 60, log) == 1
    assert log.read_text() == "1\nno\n"


@pytest.mark.slow
def test_sigterm_ends_the_session_with_its_stage_and_keeps_what_was_measured(tmp_path):
    code = f"""
import sys
from pathlib import Path
from tools import gpu_session
gpu_session.stages_for = lambda output, device: [
    gpu_session.Stage("first", ("-c", "pass"), 60), gpu_session.Stage("second", ("-c", {KEEPS_ON_TERM!r}), 60)]
sys.exit(gpu_session.main([{str(tmp_path / "out")!r}]))
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        log = tmp_path / "out" / "second.log"
        while process.poll() is None and not (log.exists() and "started" in log.read_text()):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == cli.INTERRUPTED
    assert log.read_text() == "started\nkept\n"
    stages = json.loads((tmp_path / "out" / "session.json").read_text())["stages"]
    assert [(one["name"], one["outcome"]) for one in stages] == [("first", "ended"), ("second", "interrupted")]
