"""The program inside a side: what each command times, what it tells, and how its failures read."""

import io
import json
import os
from collections import namedtuple
from dataclasses import replace

import pytest
from fakes import FakeBackend, FakeClock, write

from bench.gate.processes.replicate import (
    MeasuringSide,
    _digest,
    gained,
    peak_resident_bytes,
    scheduler_counters,
    serve,
)
from mlp.errors import DatasetError
from mlp.recipe import CANONICAL

# Ten steps are an epoch of the 200 examples that ``toy_data`` has.
SMALL = replace(CANONICAL, layer_widths=(784, 32, 16, 10), batch_size=20)

TICK = 2**-12  # seconds that pass with each look at the clock, so that waiting comes to an end


class TickingClock(FakeClock):
    def __call__(self):
        self.seconds += TICK
        return self.seconds


@pytest.fixture
def replicate(monkeypatch, toy_data):
    """A prepared, loaded and compiled replicate of the fake backend: ten training steps are an epoch."""

    def make(slowdown=0.0, held_bytes=0, losses=(), variant=None):
        clock = TickingClock()
        backend = FakeBackend(clock, losses, variant=variant)
        monkeypatch.setattr("mlp.backends.create", lambda name, variant, device: backend)
        monkeypatch.setattr("mlp.recipe.CANONICAL", SMALL)
        monkeypatch.setattr("mlp.dataset.locate", lambda data: namedtuple("Source", "directory")(data))
        monkeypatch.setattr("mlp.dataset.load_files", lambda directory: clock.advance(8) or toy_data)
        configuration = {"backend": "fake", "variant": None, "device": "cpu", "seed": 3, "data": None}
        made = MeasuringSide({**configuration, "slowdown": slowdown, "held_bytes": held_bytes}, clock)
        made.prepare()
        made.backend = backend
        return made

    return make


def about(seconds):
    return pytest.approx(seconds, abs=4 * TICK)


def test_every_duration_is_that_of_its_work_alone(replicate):
    one = replicate()
    assert one.load()["seconds"] == about(8)
    assert one.compile()["seconds"] == about(1 + 2)  # build and compile; importing is not included
    assert one.train(5)["seconds"] == about(4)
    assert one.validate()["seconds"] == about(0.5)


def ready(replicate):
    replicate.load()
    replicate.compile()
    return replicate


def trained_on(one, monkeypatch, turns):
    """Return the examples of each turn in order, given as arrays or as their numbers."""
    seen, whole = [], one._data[0]
    number = {image.tobytes(): row for row, image in enumerate(whole)}
    monkeypatch.setattr(
        one.backend,
        "train_epoch",
        lambda images, labels, order: seen.append([number[images[row].tobytes()] for row in order]) or 0.5,
    )
    for _ in range(turns):
        one.train(5)
    return seen


@pytest.mark.parametrize("variant", ["only", "resident"])
def test_the_turns_of_an_epoch_see_every_example_once_shuffled_by_the_seed(replicate, monkeypatch, variant):
    seen = trained_on(ready(replicate(variant=variant)), monkeypatch, turns=4)
    assert sorted(seen[0] + seen[1]) == sorted(seen[2] + seen[3]) == list(range(200))
    assert seen[0] != sorted(seen[0]) and seen[0] != seen[2]
    assert trained_on(ready(replicate(variant=variant)), monkeypatch, turns=1) == seen[:1]


def test_a_resident_variant_is_given_the_arrays_it_has_placed(replicate, monkeypatch):
    one, given = ready(replicate(variant="resident")), []
    monkeypatch.setattr(one.backend, "train_epoch", lambda images, labels, order: given.append(images) or 0.5)
    one.train(5)
    assert given[0] is one._data[0]


def test_the_loss_is_the_mean_over_the_epoch_and_told_at_its_end_only(replicate):
    one = ready(replicate(losses=[1.0] * 5 + [2.0] * 5 + [5.0] * 10))
    assert [one.train(5)["loss"] for _ in range(4)] == [None, 1.5, None, 5.0]


def test_the_network_starts_from_the_weights_of_the_seed(replicate):
    one = ready(replicate())
    assert one._backend.recipe.seed == 3


@pytest.mark.parametrize("slowdown", [0.02, 0.1, 0.2])
def test_an_injected_slowdown_lengthens_training_by_its_fraction_and_nothing_else(replicate, slowdown):
    one = replicate(slowdown=slowdown)
    assert one.load()["seconds"] == about(8)
    assert one.compile()["seconds"] == about(3)
    assert one.train(5)["seconds"] == about(4 * (1 + slowdown))
    assert one.validate()["seconds"] == about(0.5)


def test_an_injected_slowdown_lengthens_single_steps_too(replicate, monkeypatch):
    one = ready(replicate(slowdown=0.5))
    monkeypatch.setattr(one.backend, "train_step", lambda images, labels: one._clock.advance(1))
    assert one.steps(batch_size=20, num_steps=4)["seconds"] == about(1.5)


def test_steps_see_a_minibatch_of_their_size_and_the_first_ones_are_not_timed(replicate, monkeypatch):
    one, sizes = ready(replicate()), []

    def step(images, labels):
        one._clock.advance(64 if len(sizes) < 2 else 1)
        sizes.append((len(images), len(labels)))

    monkeypatch.setattr(one.backend, "train_step", step)
    assert one.steps(batch_size=30, num_steps=4)["seconds"] == about(1)
    assert set(sizes) == {(30, 30)}


def test_held_memory_is_held(replicate):
    assert len(replicate(held_bytes=1000)._held) == 1000


def test_the_peak_is_the_high_water_mark_of_the_program_itself(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t  9000 kB\nVmHWM:\t  1234 kB\nVmRSS:\t  1000 kB\n")
    assert peak_resident_bytes(status) == 1234 * 1024


def test_without_proc_the_peak_comes_from_getrusage(tmp_path):
    assert peak_resident_bytes(tmp_path / "none") > 1_000_000


class Scripted:
    def hello(self, name):
        return {"greeting": f"hello {name}"}

    def crash(self):
        raise ValueError("first line\nsecond line")

    def refuse(self):
        raise DatasetError("there is no such directory.")


def served(*commands):
    replies = io.StringIO()
    serve(Scripted(), io.StringIO("".join(json.dumps(command) + "\n" for command in commands)), replies)
    return [json.loads(line) for line in replies.getvalue().splitlines()]


def test_each_command_is_answered_in_turn():
    said = served({"do": "hello", "name": "A"}, {"do": "hello", "name": "B"})
    assert [reply["greeting"] for reply in said] == ["hello A", "hello B"]


def test_a_failure_is_one_line_with_its_class_and_the_last_answer():
    assert served({"do": "crash"}, {"do": "hello", "name": "A"}) == [{"ok": False, "reason": "ValueError: first line"}]


def test_an_error_written_for_people_is_told_as_it_is():
    assert served({"do": "refuse"}) == [{"ok": False, "reason": "there is no such directory"}]


def test_a_process_that_would_load_other_files_than_its_side_showed_fails(replicate, tmp_path):
    one = replicate()
    one._configuration["data"] = tmp_path
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"shown")
    one._configuration["data_digest"] = _digest(tmp_path)
    assert one.check_data() == {}
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"other")
    with pytest.raises(RuntimeError, match="holds other data than when the gate began"):
        one.check_data()


def a_kernel(root, delays, pressure=2_500_000, steal=7):
    for thread, delay_ns in delays.items():
        write(root, {f"self/task/{thread}/schedstat": f"1000 {delay_ns} 5"})
    write(root, {"pressure/cpu": f"some avg10=1.0 avg60=1.0 avg300=1.0 total={pressure}\nfull avg10=0 total=9"})
    write(root, {"stat": f"cpu  1 2 3 4 5 6 7 {steal} 0 0\ncpu0 1"})
    return root


def test_the_counters_of_the_scheduler_are_gains_of_a_turn(tmp_path):
    before = scheduler_counters(a_kernel(tmp_path / "a", {1: 10_000_000, 2: 0}))
    after = scheduler_counters(a_kernel(tmp_path / "b", {1: 40_000_000, 2: 5_000_000, 3: 1_000_000}, 2_600_000, 9))
    found = gained(before, after)
    assert found["wait_seconds"] == pytest.approx(0.036) and found["longest_wait_seconds"] == pytest.approx(0.030)
    assert found["pressure_seconds"] == pytest.approx(0.1)
    assert found["steal_seconds"] == pytest.approx(2 / os.sysconf("SC_CLK_TCK"))
    assert found["involuntary_switches"] >= 0 and found["cpu_seconds"] >= 0


def test_a_kernel_without_counters_gives_none(tmp_path):
    nothing = scheduler_counters(tmp_path)
    found = gained(nothing, nothing)
    assert [found[name] for name in ("wait_seconds", "longest_wait_seconds", "steal_seconds", "pressure_seconds")] == [
        None
    ] * 4
