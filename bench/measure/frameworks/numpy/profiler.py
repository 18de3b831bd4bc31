"""Collector of NumPy: the lines of the backend, timed by Python's line tracing.

An operation is a line of the backend.  A line ends where the next one of the same function begins; while it calls
another traced function, that function's lines are timed instead.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from bench.measure.frameworks.profiler import SHOWN_CALLS, Collector
from bench.records.profile import ArrayShape, Event, Operation

TRACED = ("train_step", "evaluate", "loss_and_gradients", "_forward")
# Patterns of a line -> kind, tried in order; a line without a match is control flow.
KINDS = (
    ("@", "gemm"),
    ("random_sample", "rng"),
    ("exponentials", "softmax"),
    ("recipe.rho", "update"),
    ("recipe.learning_rate", "update"),
    ("np.log", "reduction"),
    ("argmax", "reduction"),
    ("delta", "elementwise"),
    ("mask", "elementwise"),
)


class Line(NamedTuple):
    """Line of a traced function; for a matrix product with the operand shapes, which differ by layer."""

    code: CodeType
    number: int
    shapes: tuple[ArrayShape, ...] = ()

    @property
    def text(self) -> str:
        return linecache.getline(self.code.co_filename, self.number).strip()


class NumpyCollector(Collector):
    profiler = "Python's line tracing (sys.settrace)"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._codes = {getattr(type(self.backend), name).__code__ for name in TRACED}
        self._open: list[Line | str] = []
        self._reset()

    @contextmanager
    def profiled(self, function: str) -> Iterator[None]:
        self._reset()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def operations(self, function: str, num_calls: int) -> list[Operation]:
        return [
            self._operation(function, line, self._calls[line] / num_calls, seconds / num_calls)
            for line, seconds in self._seconds.items()
            if isinstance(line, Line)
        ]

    def events(self, function: str, call: Callable[[], None], num_calls: int) -> list[Event]:
        """Return the events of the first calls of the last profiled block."""
        if not self._spans:
            return []
        first, last = self._spans[0][1], self._spans[-1][2]
        until = first + (last - first) * min(1, SHOWN_CALLS / num_calls)
        return [
            Event(function, line.text, kind_of(line.text), "python", start - first, end - start)
            for line, start, end in self._spans
            if start < until and isinstance(line, Line)
        ]

    @contextmanager
    def annotated(self, name: str) -> Iterator[None]:
        """Exclude the time of the annotated block from the line that runs it."""
        with super().annotated(name):
            self._switch()
            self._open.append(name)
            try:
                yield
            finally:
                self._switch()
                self._open.pop()

    # --- the pieces ------------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._seconds: dict[Line | str, float] = defaultdict(float)
        self._calls: dict[Line | str, int] = defaultdict(int)
        self._spans: list[tuple[Line | str, float, float]] = []
        self._since = self._clock()

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code not in self._codes:
            return None
        self._switch()
        self._open.append(f"{frame.f_code.co_name} begins")
        return self._trace

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event in ("line", "return"):
            self._switch()
            self._open.pop()
        if event == "line":
            line = Line(frame.f_code, frame.f_lineno, operand_shapes(frame))
            self._open.append(line)
            self._calls[line] += 1
            self._since = self._clock()  # exclude the time spent on finding the shapes
        return self._trace

    def _switch(self) -> None:
        """Attribute the time since the last event to the innermost open line."""
        now = self._clock()
        if self._open:
            self._seconds[self._open[-1]] += now - self._since
            self._spans.append((self._open[-1], self._since, now))
        self._since = now

    def _operation(self, function: str, line: Line, calls: float, seconds: float) -> Operation:
        kind = kind_of(line.text)
        details: dict[str, Any] = {"op": next((part for part, _ in KINDS if part in line.text), "line")}
        flop = None
        if line.shapes:
            (m, k), (_, n) = line.shapes
            flop = calls * 2.0 * m * n * k
            details |= {"m": m, "n": n, "k": k, "product": f"{line.text} of {m}x{k} and {k}x{n}"}
        path = Path(line.code.co_filename)
        return Operation(
            *(function, line.text, kind, calls, seconds),
            flop=flop,
            input_shapes=line.shapes,
            source=f"{'/'.join(path.parts[-3:])}:{line.number}",
            details=details,
        )


def kind_of(text: str) -> str:
    return next((kind for part, kind in KINDS if part in text), "host")


def operand_shapes(frame: FrameType) -> tuple[ArrayShape, ...]:
    """Return the operand shapes of the first matrix product in the next line of ``frame``; () without one."""
    operands = _operands(frame.f_code.co_filename, frame.f_lineno)
    return tuple(eval(operand, frame.f_globals, frame.f_locals).shape for operand in operands)


@cache
def _operands(file: str, number: int) -> tuple[CodeType, ...]:
    """Compile both operands of the first ``@`` of a line: names, attributes and subscripts, which are cheap."""
    try:
        tree = ast.parse(linecache.getline(file, number).strip())
    except SyntaxError:  # part of a multi-line statement
        return ()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return tuple(compile(ast.Expression(side), file, "eval") for side in (node.left, node.right))
    return ()
