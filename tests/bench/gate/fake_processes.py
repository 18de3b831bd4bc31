"""Processes for the gate that cost exactly what they declare, on a clock that only they move."""

from contextlib import contextmanager

from fakes import FakeClock

from bench.gate.processes.process import ReplicateError

SECONDS = {"load": 0.5, "compile": 0.25, "train": 0.125, "validate": 0.0625, "steps": 0.03125}


class FakeProcess:
    """``pace`` multiplies every duration; ``fails`` names the command at which it fails."""

    def __init__(self, clock, seed, pace=1.0, fails=None, loss=0.5, peak_bytes=1000, waited=None):
        self.clock, self.seed, self.pace, self.fails = clock, seed, pace, fails
        self.loss, self.peak_bytes, self.waited = loss, peak_bytes, waited
        self.pid, self.ended, self.asked, self.steps_done = 1, False, [], 0

    def send(self, do, **arguments):
        self.pending = (do, arguments)

    def receive(self):
        return self.ask(self.pending[0], **self.pending[1])

    def ask(self, do, **arguments):
        assert not self.ended, "a process that ended was asked again"
        self.asked.append(do)
        if do == self.fails:
            raise ReplicateError(f"failed to {do}: it was told to")
        seconds = SECONDS.get(do, 0.0) * self.pace
        self.clock.advance(seconds)
        reply = {"seconds": seconds}
        if do == "train":
            self.steps_done += arguments["num_steps"]
            reply["loss"] = self.loss if self.steps_done == 100 else None
            reply["scheduler"] = {"longest_wait_seconds": self.waited}
        if do == "validate":
            reply |= {"loss": self.loss, "accuracy": 1 - self.loss}
        if do == "memory":
            reply = {"peak_bytes": self.peak_bytes}
        return reply

    def end(self):
        self.ended = True


class Stage:
    """Starts fake processes; ``make(role, seed)`` gives what differs from the default. Remembers all it started."""

    def __init__(self, make=lambda role, seed: {}):
        self.clock = FakeClock()
        self.make = make
        self.started = []

    @contextmanager
    def start(self, role, seed):
        process = FakeProcess(self.clock, seed, **self.make(role, seed))
        self.started.append((role, process))
        try:
            yield process
        finally:
            process.end()
