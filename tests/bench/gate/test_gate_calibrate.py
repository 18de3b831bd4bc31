"""Calibration: which rows there are, that they take turns, and that every run counts as soon as it ends."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.errors import BenchError
from bench.gate.config import GateConfig
from bench.gate.error_rates import calibrate
from bench.gate.error_rates.calibration import CalibrationRow, read_calibration
from bench.gate.live import GateOutcome
from bench.gate.verdict import Decision, Judgement, Metric, Verdict
from bench.measure.case import Stack


def test_rows_need_a_measure_that_can_show_their_injection():
    rows = calibrate.rows_for(("train_epoch", "peak_memory"))
    assert {(row.kind, row.inject) for row in rows} >= {("seconds", 1.0), ("seconds", 1.05), ("bytes", 1.05)}
    assert {row.kind for row in calibrate.rows_for(("train_step_1",))} == {"seconds"}
    assert {row.inject for row in calibrate.rows_for(("peak_memory",))} == {1.0, 1.02, 1.05, 1.10, 1.20}
    with pytest.raises(BenchError, match="nothing can be injected into load"):
        calibrate.rows_for(("load",))


class FakeSession:
    base = SimpleNamespace(commit="5773bfb", dirty=False)
    primed = SimpleNamespace(packages={}, dataset={"identity": "mnist"})
    launcher = SimpleNamespace(stack=Stack("theano", "tuned", "cpu"), threads=2)
    clock, measure = None, None

    def __init__(self):
        self.log = []

    def injected(self, seconds=0.0, bytes_=0.0):
        self.log.append((round(1 + seconds, 3), round(1 + bytes_, 3)))
        return self


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A calibration of a gate that calls everything regressed from 5 % on, and is undecided about 2 %."""
    session = FakeSession()

    def measured_and_kept(injected, config, path, say):
        inject = max(session.log[-1])
        verdict = {1.0: Verdict.UNCHANGED, 1.02: Verdict.UNDECIDED}.get(inject, Verdict.REGRESSED)
        assert path.parent == tmp_path and path.name.endswith("-gate.json")
        judgements = tuple(Judgement(Metric(name), verdict, "") for name in ("train_epoch", "peak_memory"))
        return GateOutcome(Decision(judgements, None, (), False), (), 1.0), "kept"

    @contextmanager
    def opened(request):
        yield session

    monkeypatch.setattr("bench.gate.error_rates.calibrate.measured_and_kept", measured_and_kept)
    monkeypatch.setattr(calibrate, "opened", opened)
    names = ("against", "revision_a", "revision_b", "python_a", "python_b", "env_a", "env_b", "data", "threads")
    options = dict.fromkeys(names) | {"env_a": (), "env_b": (), "inject": 1.0, "inject_memory": 1.0, "json_path": None}
    options |= {"backend": "theano", "variant": None, "device": "cpu", "runs_dir": tmp_path}

    def run(trials):
        assert calibrate.calibrate(Console(quiet=True), GateConfig(), options | {"trials": trials}) == 0
        (path,) = (tmp_path / "calibration").glob("*/*.json")
        return session, path

    return run


def test_the_rows_take_turns(run):
    session, _ = run(trials=2)
    half = len(session.log) // 2
    assert session.log[:half] == session.log[half:] and len(set(session.log[:half])) == half


def test_the_counts_of_every_row_are_kept(run):
    _, path = run(trials=3)
    rows = {(row.kind, row.inject): row for row in read_calibration(path).rows}
    assert rows["seconds", 1.0] == CalibrationRow("seconds", 1.0, 3, found=0, false_alarms=0, undecided=0)
    assert rows["seconds", 1.02] == CalibrationRow("seconds", 1.02, 3, found=0, false_alarms=0, undecided=3)
    assert rows["bytes", 1.20] == CalibrationRow("bytes", 1.20, 3, found=3, false_alarms=3, undecided=0)
    assert json.loads(path.read_text())["environment"]["stack"] == "theano/tuned on cpu"


def decided(**verdicts):
    judgements = tuple(Judgement(Metric(name), verdict, "") for name, verdict in verdicts.items())
    return Decision(judgements, None, (), False)


def test_red_where_nothing_was_injected_is_a_false_alarm_and_finds_nothing():
    slower = next(row for row in calibrate.rows_for(("train_epoch",)) if row.inject == 1.05)
    red, open_, fine = Verdict.REGRESSED, Verdict.UNDECIDED, Verdict.UNCHANGED
    decisions = [
        decided(train_epoch=red, peak_memory=fine),
        decided(train_epoch=fine, peak_memory=red),
        decided(train_epoch=red, peak_memory=red),
        decided(train_epoch=open_, peak_memory=fine),
        decided(train_epoch=red, peak_memory=open_),
    ]
    assert calibrate.counted(slower, decisions) == CalibrationRow("seconds", 1.05, 5, 3, 2, 1)
    against_itself = calibrate.counted(calibrate.NOTHING, decisions)
    assert (against_itself.found, against_itself.false_alarms) == (0, 4)
