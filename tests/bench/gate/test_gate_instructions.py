"""The second opinion: what perf prints is read, what it cannot do is said, and the advice is labelled."""

import shlex
import sys

import pytest

from bench.gate import instructions
from bench.gate.block import Block, Slot
from bench.machine.perf import event_counts

COUNTED = "123456789,,instructions:u,1000000,100.00,,\n"
REFUSED = "<not supported>,,instructions:u,0,100.00,,\n"


@pytest.fixture
def perf(tmp_path, monkeypatch):
    """A program called perf that does what a test writes."""

    def make(script):
        path = tmp_path / "perf"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_counts_are_read_from_what_perf_prints():
    assert event_counts(f"# started\n\n{COUNTED}") == {instructions.EVENT: 123456789}
    for text in (REFUSED, "<not counted>,,instructions:u,0,0.00,,", ""):
        assert event_counts(text) == {}
    hybrid = ("40,,cpu_core/instructions/u,9,,", "2,,cpu_atom/instructions/u,9,,", "7,,cpu_core/cycles/,9,,")
    assert event_counts("\n".join(hybrid)) == {instructions.EVENT: 42, "cycles": 7}


def test_where_perf_counts_nothing_stands_in_the_way(perf):
    perf(f"printf '{COUNTED.strip()}' >&2")
    assert instructions.why_not("cpu") is None


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"printf '{REFUSED.strip()}' >&2", "does not count instructions"),
        ("echo 0,,instructions:u,0,0.00,, >&2", "does not count instructions"),
        ("echo 'Access to performance monitoring is limited' >&2; exit 255", "perf failed: Access to performance"),
    ],
)
def test_why_there_is_none_is_said(perf, script, reason):
    perf(script)
    assert reason in instructions.why_not("cpu")


def test_a_gpu_and_a_machine_without_perf_are_said(monkeypatch, tmp_path):
    assert "not the CPU's" in instructions.why_not("cuda")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert instructions.why_not("cpu") == "perf is not installed"


class Asked:
    pid = 1

    def __init__(self):
        self.steps = []

    def ask(self, do, batch_size, num_steps):
        self.steps.append(num_steps)


@pytest.mark.slow
def test_a_step_is_counted_while_perf_watches_and_after_one_that_it_does_not(perf, monkeypatch):
    monkeypatch.setattr("bench.machine.perf.START_SECONDS", 1.0)  # a Python that stands in for perf starts slowly
    told = f"lambda *_: (sys.stderr.write({COUNTED!r}), sys.exit())"
    code = f"import signal, sys, time; signal.signal(signal.SIGINT, {told}); time.sleep(60)"
    perf(f"exec {shlex.quote(sys.executable)} -c {shlex.quote(code)}")
    process = Asked()
    assert instructions.of_a_step(process) == pytest.approx(123456789 / instructions.STEPS)
    assert process.steps == [1, instructions.STEPS]


def test_a_perf_that_ends_by_itself_gives_no_count(perf):
    perf("exit 1")
    assert instructions.of_a_step(Asked()) is None


def block(*counts):
    return Block(0, "comparison", tuple(Slot(role, 1) for role in "ABC"), (), 1.0, counts)


def test_the_advice_has_its_label_ratio_and_processes():
    said = instructions.sentence([block(100.0, 110.0, 500.0), block(100.0, None, 500.0)], None)
    assert said.startswith("Second opinion, blind to memory and frequency: ")
    assert "1.100 times the instructions of the base (100; 2 and 1 processes)" in said


def test_no_counts_and_no_perf_are_sentences_of_their_own():
    assert "perf counted nothing" in instructions.sentence([block(None, 1.0, None), block()], None)
    assert instructions.sentence([], "perf is not installed").endswith("none, because perf is not installed.")
