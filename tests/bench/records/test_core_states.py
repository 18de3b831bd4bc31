"""Distances between the cores fall into states, and ratios of rounds are formed within one."""

from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.core_states import SAME_STATE, CoreState, core_states
from bench.records.select import num_common, paired_rounds

NEAR, FAR = CoreState(64.0), CoreState(330.0)


def test_distances_on_both_sides_of_a_gap_are_two_states_named_by_their_medians():
    ends = [(64.0, 63.0), (65.0, 64.0), (320.0, 340.0), (330.0, None), (64.0, 330.0), (None, None)]
    assert core_states(ends) == [NEAR, NEAR, FAR, FAR, CoreState(None, changed=True), CoreState(None)]


def test_three_states_are_told_apart():
    assert [state.ns for state in core_states([(31.0, 31.0), (64.0, 64.0), (330.0, 330.0)])] == [31.0, 64.0, 330.0]


@given(st.lists(st.floats(1, 1e4), min_size=1))
def test_neighbours_nearer_than_the_factor_share_a_state_and_others_do_not(distances):
    states = core_states([(ns, None) for ns in distances])
    ordered = sorted(zip(distances, states, strict=True), key=lambda pair: pair[0])
    for (ns, state), (following, its_state) in pairwise(ordered):
        assert (state == its_state) == (following < SAME_STATE * ns)


def samples(*processes, slow_in=()):
    """Rows of one stack: process i of round i, twice as slow in the processes of ``slow_in``."""
    seconds = [2.0 if process in slow_in else 1.0 for process in processes]
    return pd.DataFrame({"round": range(len(processes)), "process": processes, "seconds": seconds})


ONE, OTHER = samples(1, 3, 5, 7, slow_in=[3]), samples(2, 4, 6, 8)


def test_a_pair_of_two_states_is_left_out():
    states = dict.fromkeys(range(1, 9), NEAR) | {3: FAR}
    rounds = paired_rounds({"one": ONE, "other": OTHER}, states)
    shared = rounds["one"].keys() & rounds["other"].keys()
    assert {number for number, _ in shared} == {0, 2, 3}
    assert {rounds["one"][key] / rounds["other"][key] for key in shared} == {1.0}


def test_a_process_in_which_the_state_changed_pairs_with_no_other():
    states = dict.fromkeys(range(1, 9), NEAR) | dict.fromkeys((3, 4), CoreState(None, changed=True))
    assert num_common(paired_rounds({"one": ONE, "other": OTHER}, states), "one", "other") == 3


@pytest.mark.parametrize("states", [{}, dict.fromkeys((1, 3), FAR) | dict.fromkeys((2, 4), NEAR)])
def test_all_pairs_are_kept_if_too_few_would_remain_or_nothing_is_known(states):
    rounds = paired_rounds({"one": ONE, "other": OTHER}, states)
    assert num_common(rounds, "one", "other") == 4
