"""Ranks say who is faster, and admit where a run cannot tell."""

from hypothesis import given
from hypothesis import strategies as st

from bench.ranking import Rank, rank

DRIFT = [1.0, 1.5, 0.8, 1.2]


def rounds(seconds, noise=(1.0, 1.0, 1.0, 1.0)):
    """Four rounds on a machine that drifts for everybody."""
    return {number: seconds * drift * own for number, (drift, own) in enumerate(zip(DRIFT, noise, strict=True))}


def test_the_fastest_comes_first():
    found = rank({"slow": rounds(3.0), "fast": rounds(1.0), "middle": rounds(2.0)})
    assert list(found) == ["fast", "middle", "slow"]
    assert [str(place) for place in found.values()] == ["1", "2", "3"]


def test_a_drift_that_hits_everybody_does_not_hide_a_difference_of_two_percent():
    """Unpaired, rounds that differ by a factor of two could never tell 2 % apart."""
    noise = (1.001, 0.999, 1.0, 1.001)
    assert rank({"a": rounds(1.0), "b": rounds(1.02, noise)}) == {"a": Rank(1, False), "b": Rank(2, False)}


def test_neighbours_within_the_noise_share_a_rank_and_the_count_goes_on():
    found = rank(
        {
            "a": rounds(1.0),
            "b": rounds(2.0),
            "c": rounds(2.0, (1.05, 0.96, 1.04, 0.97)),
            "d": rounds(3.0),
        }
    )
    assert {name: str(place) for name, place in found.items()} == {"a": "1", "b": "2=", "c": "2=", "d": "4"}


def test_one_round_tells_nobody_apart():
    assert [str(place) for place in rank({"a": {0: 1.0}, "b": {0: 5.0}}).values()] == ["1=", "1="]


def test_rounds_that_are_not_common_tell_nobody_apart():
    found = rank({"a": {0: 1.0, 1: 1.0}, "b": {2: 5.0, 3: 5.0}})
    assert [str(place) for place in found.values()] == ["1=", "1="]


def test_nobody_and_one_alone():
    assert rank({}) == {}
    assert rank({"a": rounds(1.0)}) == {"a": Rank(1, False)}


@given(st.dictionaries(st.text(max_size=3), st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3), max_size=6))
def test_ranks_begin_at_one_and_never_fall(samples):
    places = list(rank({name: dict(enumerate(values)) for name, values in samples.items()}).values())
    numbers = [place.number for place in places]
    assert numbers == sorted(numbers)
    assert numbers[:1] in ([], [1])
    # Whoever holds a rank alone is preceded by exactly number - 1 others.
    assert all(place.number == index for index, place in enumerate(places, start=1) if not place.shared)
