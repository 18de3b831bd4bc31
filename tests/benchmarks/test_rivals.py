"""Their rules say of plain cases what their documentation says, and are counted on the same noise."""

import sys

import numpy as np
import pytest
from synthetic_noise import drift, trace_of, white

from bench.gate.error_rates.resample import recorded_blocks
from benchmarks import rivals
from benchmarks.rivals import draw_window, github_action_benchmark, in_turn, interleaved, replay_rivals


def processes(factor=1.0, count=4, turns=10, seed=0):
    random = np.random.default_rng(seed)
    return (factor * np.exp(random.normal(0, 0.01, (count, turns)))).tolist()


def test_asv_needs_a_difference_and_ten_percent():
    pytest.importorskip("asv")
    rule = rivals.asv
    assert rule(processes(), processes(1.2, seed=1))
    assert not rule(processes(), processes(1.08, seed=1))
    assert not rule(processes(1.2), processes(seed=1))


def test_pyperf_calls_any_significant_difference_slower_and_never_faster():
    pytest.importorskip("pyperf")
    rule = rivals.pyperf
    assert rule(processes(), processes(1.02, seed=1))
    assert not rule(processes(1.02), processes(seed=1))


def test_pytest_benchmark_compares_the_means_of_one_process_each():
    rule = rivals.pytest_benchmark
    assert rule([[1.0, 1.0]], [[1.0, 1.2]])
    assert not rule([[1.0, 1.0]], [[1.0, 1.08]])


def test_github_action_benchmark_sleeps_at_its_default_of_200_percent():
    assert not github_action_benchmark(2.0)([[1.0]], [[1.9]])
    assert github_action_benchmark(2.0)([[1.0]], [[2.1]])


def test_in_turn_all_of_the_base_comes_first_and_interleaved_every_block_has_both():
    blocks = recorded_blocks(trace_of(drift, process_sigma=0.0))
    random = np.random.default_rng(0)
    window = draw_window(blocks, 60.0, random)
    for arrange in (in_turn, interleaved):
        base, candidate = arrange(window, random)
        assert len(base) == len(candidate) == 2 * len(window)
    base, _ = in_turn(window, random)
    first_half = {turn for block in window[: len(window) // 2] for row in block.turns for turn in row}
    assert {turn for process in base for turn in process} <= first_half


def test_a_window_fits_the_budget_and_has_an_even_number_of_blocks_wherever_it_starts():
    blocks = recorded_blocks(trace_of(white, num_blocks=20))
    random = np.random.default_rng(0)
    starts = set()
    for _ in range(200):
        window = draw_window(blocks, 60.0, random)
        assert len(window) == 6
        starts.add(window[0].turns)
    assert len(starts) == 1 + (19 * 8 - 60) // 8, "of 19 complete blocks of 8 s, those with 60 s before them"
    assert len(draw_window(blocks, 1.0, random)) == 2


def test_what_runs_in_turn_on_a_drifting_machine_cries_wolf():
    """The lesson that interleaving answers; pytest-benchmark is always here, the others are optional."""
    found, _ = replay_rivals(trace_of(drift), trials=100)
    rates = {one.rule: one.regressed.fraction for one in found}
    assert rates["pytest-benchmark mean:5%, in turn"] > 2 * rates["pytest-benchmark mean:5%, interleaved"]


def test_a_rival_that_is_not_installed_is_named_with_the_remedy(monkeypatch):
    for package in ("asv", "asv.commands.compare", "pyperf", "pyperf._utils"):
        monkeypatch.setitem(sys.modules, package, None)
    found, missing = replay_rivals(trace_of(white), trials=5)
    assert [sentence.split("pip install ")[1] for sentence in missing] == ["asv.", "pyperf."]
    assert all("was not replayed (" in sentence for sentence in missing)
    assert {one.rule.split()[0] for one in found} == {"pytest-benchmark", "github-action-benchmark"}
