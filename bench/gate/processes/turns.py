"""A block: fresh processes of both sides prepare side by side and then measure in turns, one at a time.

Turns are short (tens of milliseconds to a few hundred), so that what the machine does to one process it does to the
others within the same round.  The order of the processes is drawn for each block; the order of their turns is drawn
for every other round and reversed in the next (A B C, C B A), so that a steady drift cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from bench.gate.block import Block, Seat, Turn
from bench.gate.measures import LEARNING, NEED_AN_EPOCH, STEP_BATCH_SIZES, STEPS_PER_TURN
from bench.gate.processes.process import ReplicateError
from mlp.dataset import TRAINING_EXAMPLES

Start = Callable[[str, int], Any]  # (role, seed) -> a context manager around a process that can be asked


class Asked(Protocol):
    """What the turns need of ``bench.gate.processes.process.Process``."""

    pid: int

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]: ...

    def send(self, do: str, **arguments: Any) -> None: ...

    def receive(self) -> dict[str, Any]: ...

    def end(self) -> None: ...


@dataclass(frozen=True)
class Program:
    """What every process of a block does: the measures that are wanted, and how finely turns are cut.

    Short turns see the same machine: a turn of 3 steps deviates from its round's median by 1.7 %, one of 10 steps by
    3.1 %, and an epoch holds more of them.  The first step of a turn finds cold caches: each step of a turn of 4 takes
    3.17 ms, and 3.06 ms in one of 50 (medians of 100 and 40 turns).  All on two Zen 4 cores.
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
class _Party:
    """The processes of one block while they live.  One that fails is out; the others go on."""

    roles: Sequence[str]
    seeds: Sequence[int]
    random: Random
    clock: Callable[[], float]
    processes: list[Any] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)

    def attempt(self, seat: int, action: Callable[[], Any]) -> Any:
        """The result of ``action``, or None if the process of ``seat`` is out or goes out here."""
        if seat in self.failures:
            return None
        try:
            return action()
        except ReplicateError as error:
            self.failures[seat] = f"it {error}"
            if self.processes[seat] is not None:
                self.processes[seat].end()
            return None

    def together(self, do: str) -> None:
        """All processes at once: for what nobody judges."""
        for seat, process in enumerate(self.processes):
            self.attempt(seat, lambda p=process: p.send(do))
        for seat, process in enumerate(self.processes):
            self.attempt(seat, lambda p=process: p.receive())

    def take_turns(self, rounds: int, do: str, tell: Callable[[dict], dict[str, Any]], **arguments: Any) -> None:
        """``rounds`` rounds of one command; ``tell`` says what a reply measures: a value for each measure."""
        seats = list(range(len(self.roles)))
        for number in range(rounds):
            if number % 2 == 0:
                self.random.shuffle(seats)
            else:
                seats.reverse()
            for seat in seats:
                start = self.clock()
                reply = self.attempt(seat, lambda seat=seat: self.processes[seat].ask(do, **arguments))
                for measure, value in ({} if reply is None else tell(reply)).items():
                    self.turns.append(Turn(measure, number, seat, start, value))


def measure_block(
    number: int,
    kind: str,
    roles: Sequence[str],
    seeds: Sequence[int],
    program: Program,
    start: Start,
    random: Random,
    clock: Callable[[], float],
    count_instructions: Callable[[Asked], float | None] | None = None,
) -> Block:
    """Measure one block: ``roles[i]`` trains with ``seeds[i]``; the order in which they sit is drawn here."""
    began = clock()
    drawn = random.sample(list(zip(roles, seeds, strict=True)), len(roles))
    party = _Party([role for role, _ in drawn], [seed for _, seed in drawn], random, clock)
    with ExitStack() as stack:
        _seat(party, start, stack)
        _prepare(party, program)
        _train_and_validate(party, program)
        _step(party, program)
        if "peak_memory" in program.measures:
            party.take_turns(1, "memory", lambda reply: {"peak_memory": reply["peak_bytes"]})
        instructions = _instructions(party, count_instructions)
    seats = tuple(Seat(role, seed, party.failures.get(seat)) for seat, (role, seed) in enumerate(drawn))
    return Block(number, kind, seats, tuple(party.turns), clock() - began, instructions)


def _seat(party: _Party, start: Start, stack: ExitStack) -> None:
    for seat, (role, seed) in enumerate(zip(party.roles, party.seeds, strict=True)):
        party.processes.append(None)
        party.processes[seat] = party.attempt(seat, lambda r=role, s=seed: stack.enter_context(start(r, s)))


def _prepare(party: _Party, program: Program) -> None:
    """Import, load and compile; in turns where it is judged, and else together, which is faster."""
    party.together("prepare")
    party.together("load")
    party.together("check_data")
    if program.wants({"load", "end_to_end"}):
        party.take_turns(program.loads, "load", lambda reply: {"load": reply["seconds"]})
    cold = "compile_cold" in program.measures
    if cold or program.wants({"compile_warm", "end_to_end"}):
        name = "compile_cold" if cold else "compile_warm"
        party.take_turns(1, "compile", lambda reply: {name: reply["seconds"]})
    else:
        party.together("compile")


def _train_and_validate(party: _Party, program: Program) -> None:
    """One whole epoch in turns, and validation epochs: what the first one says is what the network has learnt."""
    if program.wants(NEED_AN_EPOCH):
        scale = program.turns_per_epoch

        def trained(reply: dict[str, Any]) -> dict[str, Any]:
            learnt = {} if reply["loss"] is None else {"train_loss": reply["loss"]}
            return {"train_epoch": reply["seconds"] * scale, **learnt}

        party.take_turns(scale, "train", trained, num_steps=program.steps_per_turn)

    def validated(reply: dict[str, Any]) -> dict[str, Any]:
        learnt = {"validation_loss": reply["loss"], "validation_accuracy": reply["accuracy"]}
        return {"validation_epoch": reply["seconds"], **learnt}

    if program.wants({"validation_epoch", "end_to_end"}):
        party.take_turns(program.rounds, "validate", validated)
    elif program.wants(LEARNING):
        party.take_turns(1, "validate", validated)


def _step(party: _Party, program: Program) -> None:
    for size in STEP_BATCH_SIZES:
        name = f"train_step_{size}"
        if name in program.measures:
            told = lambda reply, name=name: {name: reply["seconds"]}  # noqa: E731
            party.take_turns(program.rounds, "steps", told, batch_size=size, num_steps=STEPS_PER_TURN[size])


def _instructions(party: _Party, count: Callable[[Asked], float | None] | None) -> tuple[float | None, ...]:
    if count is None:
        return ()
    return tuple(party.attempt(seat, lambda p=process: count(p)) for seat, process in enumerate(party.processes))
