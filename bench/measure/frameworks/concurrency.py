"""Wall-clock time shared out among operations, some of which run at the same time on other threads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """Something that ran on a thread from ``start`` to ``end``, in seconds of one clock."""

    key: Hashable
    thread: Hashable
    start: float
    end: float


def shared_seconds(foreground: Iterable[Span], background: Iterable[Span] = ()) -> dict[Hashable, float]:
    """Wall-clock seconds of each key: they add up to the time in which at least one span ran.

    Of spans that are nested on one thread the innermost counts.  A moment in which several threads work is shared out
    evenly among them.  ``background`` counts only while no foreground span runs: what the driver does meanwhile costs
    nothing.
    """
    changes = defaultdict(list)  # time -> (is foreground, key, +1 or -1)
    for is_foreground, spans in ((True, foreground), (False, background)):
        for key, start, end in _innermost(spans):
            changes[start].append((is_foreground, key, 1))
            changes[end].append((is_foreground, key, -1))
    seconds: dict[Hashable, float] = defaultdict(float)
    active: dict[bool, Counter] = {True: Counter(), False: Counter()}
    for time, following in pairwise(sorted(changes)):
        for is_foreground, key, change in changes[time]:
            running = active[is_foreground]
            running[key] += change
            if not running[key]:
                del running[key]
        running = active[True] or active[False]
        if running:
            share = (following - time) / running.total()
            for key, count in running.items():
                seconds[key] += share * count
    return dict(seconds)


def _innermost(spans: Iterable[Span]) -> Iterator[tuple[Hashable, float, float]]:
    """(key, start, end) of the parts of each thread's time, each given to the innermost span there."""
    by_thread: dict[Hashable, list[Span]] = defaultdict(list)
    for span in spans:
        by_thread[span.thread].append(span)
    for own in by_thread.values():
        open_spans: list[Span] = []
        position = float("-inf")
        for span in sorted(own, key=lambda one: (one.start, -one.end)):
            while open_spans and open_spans[-1].end <= span.start:
                ended = open_spans.pop()
                if ended.end > position:
                    yield ended.key, max(position, ended.start), ended.end
                    position = ended.end
            if open_spans and span.start > max(position, open_spans[-1].start):
                yield open_spans[-1].key, max(position, open_spans[-1].start), span.start
            position = max(position, span.start)
            open_spans.append(span)
        while open_spans:
            ended = open_spans.pop()
            if ended.end > position:
                yield ended.key, max(position, ended.start), ended.end
                position = ended.end
