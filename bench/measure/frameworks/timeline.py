"""Base class of collectors whose profiler records a timeline: JAX's and PyTorch's."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable

from bench.measure.frameworks.concurrency import Span, shared_seconds
from bench.measure.frameworks.profiler import MINIBATCH, SHOWN_CALLS, Collector
from bench.records.profile import Event, Operation

MOST_EVENTS = 500


class TimelineCollector(Collector):
    """Collector from a timeline: ``_spans`` are the operations of the last profiled block, ``_waits`` unrecorded time
    attributed to them, ``_driver_spans`` concurrent annotations of the driver."""

    _spans: list[Span]
    _waits: list[Span] = []  # noqa: RUF012 (never modified)
    _driver_spans: list[Span]

    @abstractmethod
    def describe(self, function: str, key: Hashable, calls: float, seconds: float) -> Operation:
        """Return the operation of the spans with ``key``; ``calls`` and ``seconds`` are per call of ``function``."""

    def operations(self, function: str, num_calls: int) -> list[Operation]:
        seconds = shared_seconds([*self._spans, *self._waits], self._driver_spans)
        calls = Counter(span.key for span in self._spans)
        self._minibatch_seconds = seconds.get(MINIBATCH, 0.0)
        return [
            self.describe(function, key, calls[key] / num_calls, seconds.get(key, 0.0) / num_calls) for key in calls
        ]

    def events(self, function: str, call: Callable[[], None], num_calls: int) -> list[Event]:
        """Return the events of the first calls of the last profiled block."""
        spans = sorted((*self._spans, *self._waits, *self._driver_spans), key=lambda span: span.start)
        if not spans:
            return []
        first, last = spans[0].start, max(span.end for span in spans)
        until = first + (last - first) * min(1, SHOWN_CALLS / num_calls)
        shown = [span for span in spans if span.start < until][:MOST_EVENTS]
        labels = {MINIBATCH: (MINIBATCH, "copy")}
        for key in {span.key for span in shown} - {MINIBATCH}:
            operation = self.describe(function, key, 1, 0.0)
            labels[key] = operation.name, operation.kind
        return [
            Event(function, *labels[one.key], str(one.thread), one.start - first, one.end - one.start) for one in shown
        ]
