"""Nested clocks around functions of other libraries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, NamedTuple

from bench.records.profile import CompilePhase
from mlp.patching import replaced


class TimedFunction(NamedTuple):
    """Function ``owner.attribute`` that is timed as ``section``."""

    owner: Any
    attribute: str
    section: str


class SectionClock:
    """Inclusive seconds and calls of sections, by the path of enclosing sections (``link/cache``).

    Only the creating thread is timed: background compilers count where it waits for them.  A section that is entered
    recursively counts once.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._clock = clock
        self._open: list[str] = []
        self._thread = threading.get_ident()

    @property
    def path(self) -> str:
        """Path of the innermost open section."""
        return "/".join(self._open)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        if name in self._open or threading.get_ident() != self._thread:
            yield
            return
        self._open.append(name)
        path = self.path
        self.seconds.setdefault(path, 0.0)  # inserted now, so that a section precedes its children
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[path] += self._clock() - start
            self.calls[path] = self.calls.get(path, 0) + 1
            self._open.pop()

    @contextmanager
    def watching(self, *watched: TimedFunction) -> Iterator[None]:
        """Time each of these functions as a section inside the block."""
        with ExitStack() as stack:
            for owner, attribute, section in watched:
                stack.enter_context(replaced(owner, attribute, self._timed(owner, attribute, section)))
            yield

    def _timed(self, owner: Any, attribute: str, section: str) -> Any:
        function = getattr(owner, attribute)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.section(section):
                return function(*args, **kwargs)

        is_static = isinstance(vars(owner).get(attribute), staticmethod)
        return staticmethod(timed) if is_static else timed

    def add(self, path: str, seconds: float, calls: int | None = None) -> None:
        """Add seconds and calls that were timed elsewhere."""
        self.seconds[path] = self.seconds.get(path, 0.0) + seconds
        if calls is not None:
            self.calls[path] = self.calls.get(path, 0) + calls

    def phases(self, cache: str | None) -> tuple[CompilePhase, ...]:
        return tuple(
            CompilePhase(path, seconds, cache, calls=self.calls.get(path)) for path, seconds in self.seconds.items()
        )
