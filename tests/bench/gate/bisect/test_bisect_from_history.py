"""The range of the latest step to slower is taken from the history."""

from types import SimpleNamespace

import pytest

from bench.errors import BenchError
from bench.gate.bisect import from_history
from bench.gate.bisect.from_history import latest_step
from bench.measure.case import Stack

STACK = Stack("theano", "tuned", "cpu")


def series(measurement, stack, ratio, commits, day):
    points = [
        SimpleNamespace(
            run=f"run-{commit}", started_at=f"2026-11-{day:02}", key=commit and SimpleNamespace(commit=commit)
        )
        for commit in commits
    ]
    trend = SimpleNamespace(steps=[SimpleNamespace(index=1, ratio=ratio)])
    return SimpleNamespace(metric=SimpleNamespace(measurement=measurement, stack=stack), points=points, trend=trend)


@pytest.fixture
def known(monkeypatch, tmp_path):
    def patch(*found):
        monkeypatch.setattr(from_history, "find_runs", lambda folders: [])
        monkeypatch.setattr(from_history, "history", lambda paths: SimpleNamespace(series=list(found), num_runs=9))
        return latest_step(tmp_path, "train_epoch", STACK)

    return patch


def test_the_latest_step_to_slower_of_the_stack_is_taken(known):
    step = known(
        series("train_epoch", "theano/tuned on cpu", 1.2, ("a", "b"), 3),
        series("train_epoch", "theano/tuned on cpu", 1.1, ("c", "d"), 5),
        series("train_epoch", "theano/tuned on cpu", 0.8, ("e", "f"), 7),
        series("load", "theano/tuned on cpu", 1.5, ("g", "h"), 8),
        series("train_epoch", "theano/tuned on cpu", 1.5, (None, "i"), 9),
    )
    assert (step.good, step.bad) == ("c", "d") and "by a factor of 1.1" in step.sentence and "run-c" in step.sentence


def test_without_one_it_is_a_sentence(known):
    with pytest.raises(BenchError, match="has no step to slower of train_epoch of theano/tuned on cpu"):
        known(series("train_epoch", "jax/scan on cpu", 1.2, ("a", "b"), 3))
