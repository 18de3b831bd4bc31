"""Attribution of wall-clock time to operations, some of which run concurrently on other threads."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """Interval from ``start`` to ``end`` on a thread, in seconds of one clock."""

    key: Hashable
    thread: Hashable
    start: float
    end: float


def shared_seconds(foreground: Iterable[Span], background: Iterable[Span] = ()) -> dict[Hashable, float]:
    """Return the wall-clock seconds of each key; their sum is the time in which at least one span ran.

    Of nested spans on one thread the innermost counts.  Time in which several threads work is divided evenly among
    them.  ``background`` counts only while no foreground span runs, because hidden work of the driver costs nothing.
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
    """Yield (key, start, end) of the parts of each thread's time, attributed to the innermost span."""
    by_thread: dict[Hashable, list[Span]] = defaultdict(list)
    for span in spans:
        by_thread[span.thread].append(span)
    for own in by_thread.values():
        open_spans: list[Span] = []
        position = -math.inf
        last = Span(None, own[0].thread, math.inf, math.inf)  # at which all others end
        for span in [*sorted(own, key=lambda one: (one.start, -one.end)), last]:
            while open_spans and open_spans[-1].end <= span.start:
                ended = open_spans.pop()
                if ended.end > position:
                    yield ended.key, max(position, ended.start), ended.end
                    position = ended.end
            if open_spans and span.start > max(position, open_spans[-1].start):
                yield open_spans[-1].key, max(position, open_spans[-1].start), span.start
            position = max(position, span.start)
            open_spans.append(span)
