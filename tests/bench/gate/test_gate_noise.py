"""Recording noise on processes of a toy, and replaying it: from the command line and back."""

import json
from random import Random

import pytest
import toy_project
from click.testing import CliRunner
from fake_processes import Stage

from bench import cli
from bench.gate.error_rates.noise_trace import read_trace
from bench.gate.error_rates.record_noise import turns_of
from bench.gate.live import COMPARISON
from bench.gate.processes.turns import BlockPlan, measure_block


def test_a_line_is_the_time_of_a_turn_and_its_process_is_counted_over_the_trace():
    stage = Stage(lambda role, seed: {"pace": 2.0 if role == "B" else 1.0})
    program = BlockPlan(("train_epoch",))
    block = measure_block(3, "comparison", COMPARISON, range(1, 6), program, stage.start, Random(0), stage.clock)
    turns = turns_of(block, 15, stage.clock.seconds - 50, program.turns_per_epoch)
    assert len(turns) == 5 * program.turns_per_epoch
    assert {turn.process for turn in turns} == set(range(15, 20)) and {turn.block for turn in turns} == {3}
    assert {(turn.side, turn.seconds) for turn in turns} == {("A", 0.125), ("B", 0.25), ("C", 0.125)}
    assert [turn.t_start_seconds for turn in turns] == sorted(turn.t_start_seconds for turn in turns)


def test_what_failed_leaves_no_line():
    stage = Stage(lambda role, seed: {"fails": "train"} if role == "C" else {})
    program = BlockPlan(("train_epoch",))
    block = measure_block(0, "comparison", COMPARISON, range(1, 6), program, stage.start, Random(0), stage.clock)
    assert {turn.side for turn in turns_of(block, 0, 0.0, program.turns_per_epoch)} == {"A", "B"}


@pytest.fixture
def gate(monkeypatch, tmp_path):
    project = toy_project.make(tmp_path / "project")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("bench.gate.options.PROJECT", project)
    monkeypatch.delenv("MNIST_DIR", raising=False)  # the toy needs no data, which would be identified first
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(cli, "console", cli.Console(soft_wrap=True, width=300))
    return lambda *arguments: CliRunner().invoke(cli.main, ["gate", "--backend", "numpy", *map(str, arguments)])


@pytest.mark.slow
def test_a_recording_is_a_trace_and_a_replay_needs_more_than_a_few_blocks_of_it(gate, tmp_path):
    path = tmp_path / "noise.jsonl"
    result = gate("--record-noise", path, "--budget", "1s")
    assert result.exit_code == 0, result.output
    trace = read_trace(path)
    assert not trace.problems and trace.header["metric"] == "train_epoch"
    again = gate("--record-noise", path, "--budget", "1s")
    assert again.exit_code == cli.BAD_INPUT and "exists already" in again.stderr
    result = gate("--replay", path)
    assert result.exit_code == cli.BAD_INPUT and "record for longer" in result.stderr


@pytest.fixture
def steady(tmp_path):
    """A trace of thirty blocks on a machine with 0.2 % of noise."""
    random, path = Random(5), tmp_path / "steady.jsonl"
    lines = [{"format": "mlp-bench noise trace 1", "metric": "train_epoch"}]
    for block in range(30):
        for number in range(10):
            for slot in range(5):
                lines.append(
                    {
                        "t_start_seconds": 8.0 * block + 0.1 * (5 * number + slot),
                        "side": COMPARISON[slot],
                        "process": 5 * block + slot,
                        "block": block,
                        "round": number,
                        "seconds": random.gauss(0.1, 0.0002),
                    }
                )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.slow
def test_a_replay_prints_rates_and_the_same_as_json(gate, steady):
    said = json.loads(gate("--replay", steady, "--inject", "1.10", "--trials", "50", "--json", "-").stdout)
    ours = said["replays"][0]
    assert ours["inject"] == 1.1 and ours["regressed"]["count"] == 50
    unchanged = json.loads(gate("--replay", steady, "--trials", "50", "--json", "-").stdout)["replays"][0]
    assert unchanged["regressed"]["count"] == 0
    table = gate("--replay", steady, "--trials", "50").stdout
    assert "50 gate runs replayed from" in table and "mlp-bench gate" in table


@pytest.mark.parametrize("inject", ["0", "-1", "nan", "0.5"])
def test_an_injection_that_is_none_is_one_sentence(gate, steady, inject):
    result = gate("--replay", steady, "--inject", inject)
    assert result.exit_code == cli.BAD_INPUT
    assert "--inject is a factor from 1 to 10" in result.stderr
