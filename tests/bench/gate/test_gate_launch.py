"""Environment of a side's processes."""

from bench.gate.processes.launch import Launcher, Primed, pins_of
from bench.gate.processes.sides import Side
from bench.measure.case import Stack

TUNING = "MLP_BENCH_TUNED_PARAMETERS"


def primed(tuning):
    return Primed("", "", {}, {}, {}, tuning, None)


def variables(tmp_path, tuning, own=None, cold=None):
    side = Side("B", "label", tmp_path, variables=own or {})
    launcher = Launcher(Stack("theano", "tuned", "cpu"), 2, tmp_path, pinned=pins_of(primed(tuning)))
    return launcher._variables(side, cold)


def test_both_sides_compute_with_the_tuning_parameters_of_side_a(tmp_path, monkeypatch):
    monkeypatch.setenv(TUNING, "threads=9")  # of the caller: not passed on
    chosen = {"parameters": "threads=2,weights_2=dense", "instruction_set": "AVX2"}
    assert variables(tmp_path, chosen)[TUNING] == "threads=2,weights_2=dense"
    assert variables(tmp_path, chosen, {TUNING: "default"})[TUNING] == "default"
    assert TUNING not in variables(tmp_path, None)


def test_the_temporary_files_of_a_cold_process_lie_with_its_compile_cache(tmp_path):
    found = variables(tmp_path, None, cold=tmp_path / "cold")
    for name in ("TMPDIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert found[name].startswith(f"{tmp_path}/cold/")
