import pytest

from bench.records.moments import day, minute, moment, order

# One moment in three offsets, and one that is a quarter of an hour earlier though its text is greater.
SAME = ["2026-11-20T03:00:00+00:00", "2026-11-20T12:00:00+09:00", "2026-11-20T03:00:00Z"]
EARLIER = "2026-11-20T11:45:00+09:00"


def test_times_are_compared_as_moments():
    assert len({moment(text) for text in SAME}) == 1
    assert sorted([*SAME, EARLIER], key=order)[0] == EARLIER


def test_without_an_offset_a_time_is_in_utc():
    assert moment("2026-11-20T03:00:00") == moment(SAME[0])


@pytest.mark.parametrize(
    "text", [None, 7, "", "yesterday", "2026-13-01", "0001-01-01T00:00:00+23:00", [], float("nan")]
)
def test_what_is_no_time_is_none_and_comes_first(text):
    assert moment(text) is None
    assert sorted([SAME[0], text], key=order) == [text, SAME[0]]


def test_days_and_minutes_are_shown_in_utc():
    assert day("2026-11-20T00:30:00+09:00") == "2026-11-19"
    assert minute(EARLIER) == "2026-11-20 02:45"
    assert day(None) is None
