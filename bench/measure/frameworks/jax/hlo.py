"""Parser of XLA's text of a compiled program: shapes, operation and source line of each instruction.

The format is that of ``jax.stages.Compiled.as_text()``, described at https://openxla.org/xla/hlo_dumps; only the
attributes that the table of operations needs are parsed, and unknown lines are skipped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.records.profile import ArrayShape

BYTES_OF = {
    **dict.fromkeys(("pred", "s8", "u8"), 1),
    **dict.fromkeys(("bf16", "f16"), 2),
    **dict.fromkeys(("s32", "u32", "f32"), 4),
    **dict.fromkeys(("s64", "u64", "f64"), 8),
}
ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
MODULE = re.compile(r"HloModule ([\w.-]+)")
COMPUTATION = re.compile(r"^(?:ENTRY )?%(\S+) \(.*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%(\S+) = (\(.*?\)|\S+) ([a-z][\w-]*)\((.*)$")
LOCATION = re.compile(r"^(\d+) \{file_name_id=(\d+) function_name_id=(\d+) line=(\d+)")
FRAME = re.compile(r"^(\d+) \{file_location_id=(\d+)")
NAME = re.compile(r'^(\d+) "(.*)"$')
PROJECT_FILE = re.compile(r".*/((?:mlp|pytensor)/.*)$")


@dataclass(frozen=True)
class Instruction:
    """Instruction; ``calls`` names the computation that a fusion or a loop runs."""

    name: str
    opcode: str
    outputs: tuple[tuple[str, ArrayShape], ...]  # (element type, shape) of each array
    operands: tuple[str, ...]
    text: str  # rest of the line after the operands
    computation: str = ""

    def attribute(self, name: str) -> str | None:
        found = re.search(rf"\b{name}=(\"[^\"]*\"|%?[\w.-]+|\{{[\d,]*\}})", self.text)
        return found[1].strip('"%') if found else None

    @property
    def op_name(self) -> str:
        """JAX's name of the operation, e.g. ``jit(train_step)/jvp()/dot_general``."""
        return self.attribute("op_name") or ""


@dataclass
class HloProgram:
    """Compiled module."""

    module: str = ""
    instructions: dict[str, Instruction] = field(default_factory=dict)
    _names: dict[str, dict[int, str]] = field(default_factory=lambda: {"FileNames": {}, "FunctionNames": {}})
    _locations: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    _frames: dict[int, int] = field(default_factory=dict)
    _products_before: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> HloProgram:
        program, computation, table = cls(), "", ""
        for line in text.splitlines():
            if found := MODULE.match(line):
                program.module = found[1]
            elif line in ("FileNames", "FunctionNames", "FileLocations", "StackFrames"):
                table = line
            elif found := COMPUTATION.match(line):
                computation, table = found[1], ""
            elif found := INSTRUCTION.match(line):
                instruction = _instruction(*found.groups(), computation)
                program.instructions[instruction.name] = instruction
            elif table in program._names and (found := NAME.match(line)):
                program._names[table][int(found[1])] = found[2]
            elif table == "FileLocations" and (found := LOCATION.match(line)):
                program._locations[int(found[1])] = tuple(int(number) for number in found.groups()[1:])
            elif table == "StackFrames" and (found := FRAME.match(line)):
                program._frames[int(found[1])] = int(found[2])
        return program

    def source(self, instruction: Instruction) -> tuple[str | None, str | None]:
        """Return the source, ``mlp/backends/jax/program.py:95``, and its function; (None, None) if unknown."""
        frame = instruction.attribute("stack_frame_id")
        location = self._locations.get(self._frames.get(int(frame), 0)) if frame else None
        if location is None:
            return None, None
        file_id, function_id, line = location
        file = PROJECT_FILE.match(self._names["FileNames"].get(file_id, ""))
        return (f"{file[1]}:{line}" if file else None), self._names["FunctionNames"].get(function_id)

    def inside(self, instruction: Instruction) -> Iterator[Instruction]:
        """Yield the instruction, and those of the computation that it calls."""
        yield instruction
        called = instruction.attribute("calls")
        if called:
            yield from (one for one in self.instructions.values() if one.computation == called)

    def shapes(self, names: tuple[str, ...]) -> tuple[ArrayShape, ...]:
        return tuple(shape for name in names for _, shape in self._outputs(name))

    def num_bytes(self, instruction: Instruction) -> int:
        """Return the bytes of operands and outputs, each once."""
        arrays = list(instruction.outputs)
        for name in dict.fromkeys(instruction.operands):
            arrays += self._outputs(name)
        return sum(BYTES_OF.get(dtype, 0) * math.prod(shape) for dtype, shape in arrays)

    def products(self, instruction: Instruction) -> list[tuple[int, int, int]]:
        """Return (m, n, k) of each matrix product in the instruction."""
        found = []
        for one in self.inside(instruction):
            if one.opcode != "dot" or len(one.operands) != 2 or not self._outputs(one.operands[0]):
                continue
            (_, left), (_, output) = self._outputs(one.operands[0])[0], one.outputs[0]
            contracted = (one.attribute("lhs_contracting_dims") or "{}").strip("{}")
            k = math.prod(left[int(dim)] for dim in contracted.split(",") if dim)
            found.append((output[0], math.prod(output[1:]), k))
        return found

    def products_before(self, name: str) -> set[str]:
        """Return the nearest predecessors of ``name`` that contain a matrix product."""
        if name not in self._products_before:
            found: set[str] = set()
            for operand in self.instructions[name].operands if name in self.instructions else ():
                own = operand in self.instructions and self.products(self.instructions[operand])
                found |= {operand} if own else self.products_before(operand)
            self._products_before[name] = found
        return self._products_before[name]

    def _outputs(self, name: str) -> tuple[tuple[str, ArrayShape], ...]:
        return self.instructions[name].outputs if name in self.instructions else ()


def _instruction(name: str, output: str, opcode: str, rest: str, computation: str) -> Instruction:
    operands, _, text = rest.partition(")")
    arrays = tuple(
        (dtype, tuple(int(size) for size in sizes.split(",") if size)) for dtype, sizes in ARRAY.findall(output)
    )
    return Instruction(name, opcode, arrays, tuple(re.findall(r"%([\w.-]+)", operands)), text, computation)
