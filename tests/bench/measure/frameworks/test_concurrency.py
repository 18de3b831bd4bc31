from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.frameworks.concurrency import Span, shared_seconds


def test_what_runs_alone_gets_all_of_its_time():
    assert shared_seconds([Span("a", 1, 0, 2), Span("b", 1, 3, 4)]) == {"a": 2, "b": 1}


def test_two_threads_share_the_time_in_which_both_work():
    assert shared_seconds([Span("a", 1, 0, 4), Span("b", 2, 2, 6)]) == {"a": 3, "b": 3}


def test_of_nested_spans_the_innermost_counts():
    nested = [Span("outer", 1, 0, 10), Span("inner", 1, 2, 5), Span("innermost", 1, 3, 4)]
    assert shared_seconds(nested) == {"outer": 7, "inner": 2, "innermost": 1}


def test_an_operation_that_is_recorded_twice_counts_once():
    """A GPU's trace shows a kernel on its stream and once more in a line of operations."""
    assert shared_seconds([Span("kernel", "stream", 0, 1), Span("kernel", "operations", 0, 1)]) == {"kernel": 1}


def test_what_the_driver_does_meanwhile_costs_nothing():
    assert shared_seconds([Span("a", 1, 0, 3)], [Span("minibatch", 2, 2, 5)]) == {"a": 3, "minibatch": 2}


def test_nothing_ran_takes_no_time():
    assert shared_seconds([]) == {}


@st.composite
def nested_spans(draw):
    """Spans on whole seconds, properly nested on each of three threads."""
    spans = []

    def fill(thread, start, end, depth):
        while start < end and depth < 4:
            start = draw(st.integers(start, end))
            length = draw(st.integers(0, end - start))
            if length:
                spans.append(Span(draw(st.sampled_from("abcd")), thread, start, start + length))
                fill(thread, start, start + length, depth + 1)
            start += length + 1

    for thread in range(3):
        fill(thread, 0, 12, 0)
    return draw(st.permutations(spans))


@given(nested_spans())
def test_seconds_are_those_of_counting_second_by_second(spans):
    """The oracle: in each second, each thread's shortest span that covers it; the second is shared out evenly."""
    expected = defaultdict(float)
    for second in range(12):
        running = []
        for thread in range(3):
            covering = [span for span in spans if span.thread == thread and span.start <= second < span.end]
            if covering:
                shortest = min(span.end - span.start for span in covering)
                running.append({span.key for span in covering if span.end - span.start == shortest})
        if any(len(keys) > 1 for keys in running):
            return  # two spans of the same length and different names: either answer is right
        for keys in running:
            expected[next(iter(keys))] += 1 / len(running)
    assert shared_seconds(spans) == pytest.approx(dict(expected))
