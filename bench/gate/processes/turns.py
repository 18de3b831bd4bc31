"""Measurement of a block: fresh processes of both sides, prepared concurrently, measure in turns, one at a time.

Turns are short (tens to a few hundred milliseconds), so that noise of the machine affects all processes of a round
alike.  The order of the processes is shuffled for each block; the order of their turns is shuffled for every other
round and reversed in the next (A B C, C B A), so that a linear drift cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.gate.block import Block, SchedulerCounters, Slot, Turn
from bench.gate.measures import LEARNING, NEED_AN_EPOCH, STEP_BATCH_SIZES, STEPS_PER_TURN
from bench.gate.processes.process import Process, ReplicateError
from mlp.dataset import TRAINING_EXAMPLES

# The distance between the cores changes in seconds to minutes; to measure it takes 1 ms, on a busy machine 0.1 s.
ROUNDS_PER_DISTANCE = 5

Start = Callable[[str, int], Any]  # (role, seed) -> context manager of a process


@dataclass(frozen=True)
class BlockPlan:
    """Measures of a block, and the length of its turns.

    Short turns share the noise of the machine: a turn of 3 steps deviates from its round's median by 1.7 %, one of 10
    steps by 3.1 %, and an epoch has more of them.  The first step of a turn finds cold caches: a step takes 3.17 ms in
    a turn of 4, and 3.06 ms in one of 50 (medians of 100 and 40 turns).  All on two Zen 4 cores.
    """

    measures: tuple[str, ...]
    batch_size: int = 500
    steps_per_turn: int = 4
    rounds: int = 6  # of validation epochs, and of single steps at each batch size
    loads: int = 2  # after a first one, whose time is mostly that of memory the process never touched before

    @property
    def turns_per_epoch(self) -> int:
        return TRAINING_EXAMPLES // self.batch_size // self.steps_per_turn

    def wants(self, names: Iterable[str]) -> bool:
        return not set(names).isdisjoint(self.measures)


@dataclass
class _BlockWorkers:
    """Running processes of one block.  A failed process is excluded; the others continue."""

    random: Random
    clock: Callable[[], float]
    core_distance: Callable[[], float | None]
    processes: list[Process | None] = field(default_factory=list)  # None: it could not be started
    failures: dict[int, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)

    def attempt(self, slot: int, action: Callable[[], Any]) -> Any:
        """Return the result of ``action``; None if the process of ``slot`` has failed before or fails here."""
        if slot in self.failures:
            return None
        try:
            return action()
        except ReplicateError as error:
            self.failures[slot] = f"it {error}"
            if self.processes[slot] is not None:
                self.processes[slot].end()
            return None

    def broadcast(self, do: str) -> None:
        """Run an untimed command in all processes concurrently."""
        for slot, process in enumerate(self.processes):
            self.attempt(slot, lambda p=process: p.send(do))
        for slot, process in enumerate(self.processes):
            self.attempt(slot, lambda p=process: p.receive())

    def take_turns(self, rounds: int, do: str, read_reply: Callable[[dict], dict[str, Any]], **arguments: Any) -> None:
        """Run ``rounds`` rounds of one command; ``read_reply`` maps a reply to {measure: value}."""
        slots = list(range(len(self.processes)))
        for number in range(rounds):
            if number % 2 == 0:
                self.random.shuffle(slots)
            else:
                slots.reverse()
            if number % ROUNDS_PER_DISTANCE == 0:
                distance_ns = self.core_distance()
            for slot in slots:
                start = self.clock()
                reply = self.attempt(slot, lambda slot=slot: self.processes[slot].ask(do, **arguments))
                counted = SchedulerCounters(**reply["scheduler"]) if reply and "scheduler" in reply else None
                for measure, value in ({} if reply is None else read_reply(reply)).items():
                    self.turns.append(Turn(measure, number, slot, start, value, distance_ns, counted))


def measure_block(
    number: int,
    kind: str,
    roles: Sequence[str],
    seeds: Sequence[int],
    program: BlockPlan,
    start: Start,
    random: Random,
    clock: Callable[[], float],
    count_instructions: Callable[[Process], float | None] | None = None,
    core_distance: Callable[[], float | None] = lambda: None,
) -> Block:
    """Measure one block: ``roles[i]`` trains with ``seeds[i]``; the order of the processes is shuffled here.

    ``core_distance`` returns nanoseconds.
    """
    began = clock()
    drawn = random.sample(list(zip(roles, seeds, strict=True)), len(roles))
    workers = _BlockWorkers(random, clock, core_distance)
    with ExitStack() as stack:
        for slot, (role, seed) in enumerate(drawn):
            workers.processes.append(None)
            workers.processes[slot] = workers.attempt(slot, lambda r=role, s=seed: stack.enter_context(start(r, s)))
        _prepare(workers, program)
        _train_and_validate(workers, program)
        _step(workers, program)
        if "peak_memory" in program.measures:
            workers.take_turns(1, "memory", lambda reply: {"peak_memory": reply["peak_bytes"]})
        counted = () if count_instructions is None else enumerate(workers.processes)
        instructions = tuple(workers.attempt(slot, lambda p=one: count_instructions(p)) for slot, one in counted)
    slots = tuple(Slot(role, seed, workers.failures.get(slot)) for slot, (role, seed) in enumerate(drawn))
    return Block(number, kind, slots, tuple(workers.turns), clock() - began, instructions)


def _prepare(workers: _BlockWorkers, program: BlockPlan) -> None:
    """Import, load and compile; in turns if judged, else concurrently, which is faster."""
    workers.broadcast("prepare")
    workers.broadcast("load")
    workers.broadcast("check_data")
    if program.wants({"load", "end_to_end"}):
        workers.take_turns(program.loads, "load", lambda reply: {"load": reply["seconds"]})
    cold = "compile_cold" in program.measures
    if cold or program.wants({"compile_warm", "end_to_end"}):
        name = "compile_cold" if cold else "compile_warm"
        workers.take_turns(1, "compile", lambda reply: {name: reply["seconds"]})
    else:
        workers.broadcast("compile")


def _train_and_validate(workers: _BlockWorkers, program: BlockPlan) -> None:
    """Train one epoch in turns, then validate; the first validation gives loss and accuracy."""
    if program.wants(NEED_AN_EPOCH):
        scale = program.turns_per_epoch

        def trained(reply: dict[str, Any]) -> dict[str, Any]:
            found = {"train_epoch": reply["seconds"] * scale}
            if program.wants({"train_epoch_running"}):
                counted = SchedulerCounters(**reply.get("scheduler", {}))
                running_seconds = counted.running_seconds(reply["seconds"])
                found["train_epoch_running"] = None if running_seconds is None else running_seconds * scale
            return found if reply["loss"] is None else found | {"train_loss": reply["loss"]}

        workers.take_turns(scale, "train", trained, num_steps=program.steps_per_turn)

    def validated(reply: dict[str, Any]) -> dict[str, Any]:
        learnt = {"validation_loss": reply["loss"], "validation_accuracy": reply["accuracy"]}
        return {"validate_epoch": reply["seconds"], **learnt}

    if program.wants({"validate_epoch", "end_to_end"}):
        workers.take_turns(program.rounds, "validate", validated)
    elif program.wants(LEARNING):
        workers.take_turns(1, "validate", validated)


def _step(workers: _BlockWorkers, program: BlockPlan) -> None:
    for name, size in STEP_BATCH_SIZES.items():
        if name in program.measures:
            read_seconds = lambda reply, name=name: {name: reply["seconds"]}  # noqa: E731
            workers.take_turns(program.rounds, "steps", read_seconds, batch_size=size, num_steps=STEPS_PER_TURN[size])
