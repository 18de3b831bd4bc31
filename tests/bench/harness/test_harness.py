"""The harness processes ask a backend for the right things in the right order, whatever test comes first."""

import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakeClock

from bench.harness import bench_ablation
from bench.measure.worker import PYTEST
from mlp.dataset import STEMS

PROJECT = Path(__file__).resolve().parents[3]
RESIDENT = ["build", "place", "place", "place", "compile"]


@pytest.fixture(scope="module")
def black_dataset(tmp_path_factory):
    """Files of MNIST's format and size, every pixel 0: the backend does not look at them."""
    directory = tmp_path_factory.mktemp("data")
    for stem, count in (("train", 60_000), ("t10k", 10_000)):
        images = np.array([0x803, count, 28, 28], ">u4").tobytes() + bytes(count * 784)
        labels = np.array([0x801, count], ">u4").tobytes() + bytes(count)
        (directory / f"{stem}-images-idx3-ubyte").write_bytes(images)
        (directory / f"{stem}-labels-idx1-ubyte").write_bytes(labels)
    return directory


@pytest.fixture(scope="module")
def harness(black_dataset, tmp_path_factory):
    """(events, measurements by name) of one harness process with the backend ``recording``: one for equal arguments."""

    @cache
    def harness(*tests, variant="resident", batch_size=500):
        folder = tmp_path_factory.mktemp("harness")
        events, result = folder / "events.json", folder / "result.json"
        options = ["--backend=recording", f"--variant={variant}", f"--data={black_dataset}", f"--result={result}"]
        argv = [sys.executable, *PYTEST, "-p", "recording_backend"]
        argv += ["--quick", "--epochs=1", f"--batch-size={batch_size}", *options]
        argv += [str(PROJECT / "bench" / "harness" / test) for test in tests]
        path = os.pathsep.join((str(PROJECT), str(Path(__file__).parents[1])))
        variables = {**os.environ, "PYTHONPATH": path, "RECORDED_EVENTS": str(events)}
        variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        done = subprocess.run(argv, cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        measured = json.loads(result.read_text())["measurements"]
        return json.loads(events.read_text()), {one["name"]: one for one in measured}

    return harness


@pytest.mark.slow
def test_the_first_step_comes_before_all_other_work_and_is_one_sample(harness):
    events, measured = harness("bench_epoch.py", variant="plain")
    assert events[:4] == ["build", "compile", "train_step", "train_step"]  # the first one, then the warm-up
    assert len(measured["first_step"]["seconds"]) == 1
    assert {"train_epoch", "validate_epoch", "train_step"} < set(measured)


@pytest.mark.slow
def test_what_compiles_epochs_as_a_whole_begins_with_an_epoch(harness):
    events, measured = harness("bench_epoch.py")
    assert events[:6] == [*RESIDENT, "train_epoch"]
    assert len(measured["first_epoch"]["seconds"]) == 1
    assert "first_step" not in measured


@pytest.mark.slow
def test_the_first_step_comes_first_even_after_other_tests_in_the_same_process(harness):
    events, measured = harness(
        "bench_batch_size.py::test_train_step[1]",
        "bench_epoch.py::test_validate_epoch",
        "bench_epoch.py",
        variant="plain",
    )
    assert events.index("train_step") == 2
    assert events.count("compile") == 1
    assert len(measured["first_step"]["seconds"]) == 1


@pytest.mark.slow
def test_throttling_is_watched_beside_epochs(harness):
    _, measured = harness("bench_epoch.py")
    for name in ("train_epoch", "validate_epoch"):
        assert {"throttled", "throttle_reasons"} <= set(measured[name]["extra"])
    assert measured["train_epoch"]["extra"]["examples"] == 50_000


@pytest.mark.slow
def test_on_a_cpu_no_untimed_epoch_is_run(harness):
    events, measured = harness("bench_epoch.py::test_train_epoch")
    assert events.count("train_epoch") == 1 + len(measured["train_epoch"]["seconds"]) == 3  # one came first


@pytest.mark.slow
def test_the_transfer_of_a_resident_variant_is_a_part_of_its_own(harness):
    events, measured = harness("bench_compile.py")
    assert events == RESIDENT
    assert {"import", "build", "transfer", "compile"} < set(measured)


@pytest.mark.slow
def test_a_variant_that_keeps_nothing_has_no_transfer(harness):
    events, measured = harness("bench_compile.py", variant="plain")
    assert events == ["build", "compile"]
    assert "transfer" not in measured
    assert {"build", "compile"} < set(measured)


@pytest.mark.slow
def test_a_process_of_epochs_tells_how_long_it_took_to_get_ready_in_the_harness_that_asks_for_it(harness):
    _, measured = harness("bench_epoch.py::test_train_epoch")
    filed = {name: one["params"]["harness"] for name, one in measured.items() if "harness" in one["params"]}
    assert filed == {"first_load": "data", "build": "compile", "transfer": "compile", "compile": "compile"}
    assert all(len(measured[name]["seconds"]) == 1 for name in filed)


@pytest.mark.slow
def test_a_row_of_the_ablation_is_whole_epochs_after_one_that_warms_up(harness):
    events, measured = harness("bench_ablation.py::test_mean_train_step", variant="plain")
    assert events == ["build", "compile", "train_step", *["train_epoch"] * 3]
    assert list(measured) == ["mean_train_step"]
    assert len(measured["mean_train_step"]["seconds"]) == 2


@pytest.mark.slow
def test_the_floor_asks_no_backend_for_anything(harness):
    events, measured = harness("bench_ablation.py::test_eight_products", batch_size=1)
    assert events == []
    assert len(measured["eight_products"]["seconds"]) == 2


@pytest.mark.slow
def test_the_ceilings_of_the_host_ask_no_backend_for_anything_and_tell_what_one_call_is(harness):
    events, measured = harness("bench_ceilings.py", batch_size=1)
    assert events == []
    assert {"gemm_forward_1", "gemm_weights_1", "gemm_inputs_2", "gemm_square", "copy"} < set(measured)
    assert "kernel_launch" not in measured and "gemm_inputs_1" not in measured
    assert measured["gemm_forward_1"]["extra"]["flop"] == 2 * 1 * 784 * 500
    assert len(measured["random_numbers"]["seconds"]) >= 5
    assert measured["random_numbers"]["extra"]["bytes"] == 4 * 800


def test_a_sample_of_the_ablation_is_the_time_of_one_step():
    """The epoch that warms up takes 50 s and is not in it; the others take 4 s for 100 steps."""
    clock, costs = FakeClock(), iter([50.0, 4.0, 4.0])
    samples: list[float] = []

    def pedantic(steps, rounds, iterations, warmup_rounds):  # as pytest-benchmark does
        for number in range(warmup_rounds + rounds * iterations):
            start = clock()
            steps()
            samples.extend([clock() - start] if number >= warmup_rounds else [])

    stats = SimpleNamespace(stats=SimpleNamespace(data=samples))
    benchmark = SimpleNamespace(extra_info={}, pedantic=pedantic, stats=stats)
    bench_ablation._time_steps(benchmark, lambda: clock.advance(next(costs)), 100)
    assert benchmark.extra_info["samples_seconds"] == pytest.approx([0.04, 0.04])


@pytest.mark.slow
def test_a_reference_run_records_its_phases_and_throttling(harness):
    events, measured = harness("bench_reference.py")
    extra = measured["run"]["extra"]
    assert events == [*RESIDENT, "train_epoch", "evaluate", "evaluate"]
    assert "transfer" in extra["phases"]
    assert {"throttled", "throttle_reasons", "timeline"} <= set(extra)


def test_what_was_measured_on_other_files_than_planned_does_not_count(monkeypatch, tmp_path):
    """Identity is checked where the data is loaded, and after all that is timed."""
    from bench.harness import conftest

    for stem in STEMS:
        (tmp_path / stem).write_bytes(stem.encode())
    planned = hashlib.sha256("".join(STEMS).encode()).hexdigest()
    monkeypatch.setattr(conftest, "_measured_on", [tmp_path])
    assert conftest._other_data(planned) is None
    (tmp_path / STEMS[1]).write_bytes(b"exchanged")
    assert "holds other data than when this was planned" in conftest._other_data(planned)
    assert conftest._other_data(None) is None  # by hand nothing was planned


@pytest.mark.slow
def test_a_process_of_the_threads_times_epochs_and_says_where_it_ran_and_what_it_learned(harness):
    events, measured = harness("bench_threads.py::test_train_epoch", variant="plain")
    (ran,) = measured["train_epoch"]["extra"]["scaling"]
    assert events.index("evaluate") > max(at for at, event in enumerate(events) if event == "train_epoch")
    assert len(measured["train_epoch"]["seconds"]) == ran["epochs"] == 2
    assert {"cpus", "physical_cores", "numa_nodes", "clock_mhz", "validation_accuracy"} <= ran.keys()


@pytest.mark.slow
def test_the_plain_training_of_the_devices_has_no_all_reduce_and_is_no_emulation(harness):
    _, measured = harness("bench_devices.py", variant="plain")
    assert set(measured) == {"train_epoch"} and measured["train_epoch"]["extra"]["examples"] == 50_000
    (ran,) = measured["train_epoch"]["extra"]["scaling"]
    assert (ran["copy"], ran["emulated"], ran["epochs"]) == (1, False, 2)
