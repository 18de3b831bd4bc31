"""Ceilings from a record: the fastest sample, the fastest engine, and what a step takes at that."""

import json
from dataclasses import replace

import pytest
from example_ceilings import ceilings_replicate, example_ceilings
from example_race import RACERS, race
from example_run import write_example_run
from words import row, section, titles, write_words

import bench
from bench.records.ceilings import Ceilings
from bench.records.json_file import decode
from bench.report.run.lower_bound import TITLE
from bench.roofline.ceilings import ceilings_of
from bench.roofline.dense_calls import dense_calls_of
from mlp.recipe import CANONICAL, Recipe

FACTORS = [1.0, 1.4, 1.1, 1.2]  # how slow each round's process found the machine


def frames_with(tmp_path, replicates):
    return bench.load_runs(write_example_run(tmp_path, replicates))


# --- from samples to rates --------------------------------------------------------------------------------------------


def test_the_fastest_sample_of_the_run_is_the_ceiling(tmp_path):
    replicates = [ceilings_replicate(number, factor) for number, factor in enumerate((1.2, 1.0, 1.4))]
    copy = ceilings_of(frames_with(tmp_path, replicates), "cpu").best("copy")
    assert (copy.seconds, copy.slowest_seconds, copy.num_processes) == (pytest.approx(0.02), pytest.approx(0.028), 3)
    assert copy.bytes_per_second == pytest.approx(10e9)
    assert copy.rounds == pytest.approx({0: 0.024, 1: 0.02, 2: 0.028})


def test_nothing_is_judged_by_a_ceiling_on_which_processes_disagree(tmp_path):
    found = ceilings_of(frames_with(tmp_path, [ceilings_replicate(0), ceilings_replicate(1, 1.6)]), "cpu")
    assert found.best("copy") is None and found.in_round(0) is None
    assert dense_calls_of(found) is None
    assert "by up to 1.60 times" in found.notice and "copy" in found.notice


def test_the_fastest_engine_is_the_ceiling_even_if_it_did_more_work_in_more_time(tmp_path):
    slow = ceilings_replicate(0)
    fast = ceilings_replicate(0, backend="torch")
    for measured in fast["measurements"]:
        if measured["name"] == "copy":  # ten times the bytes in five times the time
            measured["seconds"], measured["extra"]["bytes"] = [0.1], 10 * measured["extra"]["bytes"]
    found = ceilings_of(frames_with(tmp_path, [slow, fast]), "cpu")
    assert found.best("copy").engine == "torch"
    assert found.best("copy").bytes_per_second == pytest.approx(20e9)
    assert {one.engine for one in found.measured if one.name == "copy"} == {"host", "torch"}


def test_an_unmeasured_device_has_no_ceilings(tmp_path):
    frames = frames_with(tmp_path, [ceilings_replicate(0)])
    assert ceilings_of(frames, "cuda") is None
    assert ceilings_of(frames_with(tmp_path / "older", race(RACERS[:1])), "cpu") is None


def test_ceilings_survive_json():
    found = example_ceilings()
    assert decode(json.loads(json.dumps(found.to_json())), Ceilings) == found


# --- dense library calls ----------------------------------------------------------------------------------------------


def test_the_lower_bound_of_a_step_by_hand():
    """1.243 GFLOP at 100 GFLOP/s; 3.136 MB at 10 GB/s; 3.2 + 4.8 + 0.04 + 10.9162 MB at 50 GB/s; 1.6 MB at 4 GB/s."""
    dense = dense_calls_of(example_ceilings(), CANONICAL)
    assert dense.products_seconds == pytest.approx(12.43e-3)
    seconds = {part.name: part.seconds for part in dense.step_parts}
    assert seconds["minibatch"] == pytest.approx(313.6e-6)
    assert seconds["bias, ReLU and dropout"] == pytest.approx(64e-6)
    assert seconds["gradient of bias, ReLU and dropout"] == pytest.approx(96e-6)
    assert seconds["softmax and loss"] == pytest.approx(0.8e-6)
    assert seconds["RMSProp"] == pytest.approx(218.324e-6)
    assert seconds["random numbers"] == pytest.approx(400e-6)
    assert dense.step_seconds == pytest.approx(12.43e-3 + 1092.724e-6)


def test_epochs_and_runs_are_their_whole_minibatches():
    """An evaluation: 0.545 GFLOP at 100 GFLOP/s, 3.2 + 0.02 MB at 50 GB/s."""
    dense = dense_calls_of(example_ceilings(), CANONICAL)
    step, evaluation = dense.step_seconds, 5.45e-3 + 64.4e-6
    assert dense.train_epoch_seconds == pytest.approx(100 * step)
    assert dense.validate_epoch_seconds == pytest.approx(20 * evaluation)
    assert dense.canonical_run_seconds == pytest.approx(20 * (100 * step + 20 * evaluation) + 20 * evaluation)


def test_another_batch_size_goes_at_the_same_rates():
    dense = dense_calls_of(example_ceilings(), replace(CANONICAL, batch_size=250))
    assert dense.products_seconds == pytest.approx(12.43e-3 / 2)
    assert dense.train_epoch_seconds == pytest.approx(200 * dense.step_seconds)


@pytest.mark.parametrize("missing", ["gemm_weights_2", "copy", "elementwise", "random_numbers"])
def test_a_missing_ceiling_gives_no_lower_bound(missing):
    found = example_ceilings()
    rest = replace(found, measured=tuple(one for one in found.measured if one.name != missing))
    assert dense_calls_of(rest) is None


def test_without_dropout_no_random_numbers_are_needed():
    found = example_ceilings()
    rest = replace(found, measured=tuple(one for one in found.measured if one.name != "random_numbers"))
    assert dense_calls_of(rest, Recipe(dropout=0.0)) is not None


def test_a_deeper_network_has_unmeasured_products():
    assert dense_calls_of(example_ceilings(), Recipe(layer_widths=(784, 500, 300, 200, 10))) is None


def test_products_of_a_lower_precision_bound_the_stacks_that_multiply_in_it():
    """Ten times the rate: 1.243 GFLOP at 1000 GFLOP/s instead of 100; the passes stay."""
    found = example_ceilings()
    faster = [
        replace(one, name=f"{one.name}_tf32", seconds=one.seconds / 10)
        for one in found.measured
        if one.name.startswith("gemm_")
    ]
    both = replace(found, measured=(*found.measured, *faster))
    assert dense_calls_of(both, CANONICAL, "tf32").products_seconds == pytest.approx(1.243e-3)
    assert dense_calls_of(both, CANONICAL, "tf32").step_seconds == pytest.approx(1.243e-3 + 1092.724e-6)
    assert dense_calls_of(both, CANONICAL, "float32") == dense_calls_of(found)
    assert dense_calls_of(found, CANONICAL, "bfloat16") is None


# --- in the report ----------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    """(report, summary) of a race on a machine that drifts, with ceilings in each round."""

    def written(replicates, **changes):
        path = write_example_run(tmp_path, replicates, **changes)
        return write_words(path), json.loads((path / "summary.json").read_text())

    return written


def with_ceilings():
    return race(RACERS[:2]) + [ceilings_replicate(number, factor) for number, factor in enumerate(FACTORS)]


@pytest.mark.slow
def test_a_share_is_of_the_best_of_the_run(written):
    """100 steps take 1.3522724 s at best; epochs 2.001 s (the median of two samples) times 1, 1.4, 0.9 and 1.2."""
    _, summary = written(with_ceilings())
    (device,) = summary["lower_bounds"]
    share = {one["stack"]["backend"]: one["train_epoch"] for one in device["shares"]}["theano"]
    assert share["center"] == pytest.approx(1.3522724 / 2.001 / (1 * 1.2) ** 0.5, rel=0.01)
    assert (share["num_rounds"], device["device"]) == (4, "cpu")


@pytest.mark.slow
def test_a_stack_whose_precision_has_no_ceilings_has_no_share(written):
    """By float32's products it would seem to pass the limit."""
    lower = [{**one, "case": {**one["case"], "precision": "tf32", "variant": "scan_tf32"}} for one in race(RACERS[:1])]
    _, summary = written([*with_ceilings(), *lower])
    (device,) = summary["lower_bounds"]
    assert {one["stack"]["precision"] for one in device["shares"]} == {"float32"}


@pytest.mark.slow
def test_where_processes_disagree_no_stack_has_a_share_of_dense_calls_and_the_reason_stands_there(written):
    text, summary = written([*race(RACERS[:1]), ceilings_replicate(0), ceilings_replicate(1, 2.0)])
    assert {one["train_epoch"] for one in summary["lower_bounds"][0]["shares"]} == {None}
    assert "disagree on what cpu can do at best, by up to 2.00 times" in section(text, "Ceilings")
    assert "100 %" not in section(text, "Ceilings").split("Nothing is judged")[0]


@pytest.mark.slow
def test_the_share_of_a_canonical_run_is_of_its_reference_clock(written):
    _, summary = written(with_ceilings())
    (device,) = summary["lower_bounds"]
    (share,) = [one for one in device["shares"] if one["stack"]["backend"] == "theano"]
    clock = 0.5 + 0.1 + 3.0 + 20 * 2.0 + 20 * 2.0 / 30 + 0.1
    assert share["canonical_run"] == pytest.approx(device["canonical_run_seconds"] / clock)


@pytest.mark.slow
def test_a_share_above_100_percent_is_shown_and_explained(written):
    replicates = [*race(RACERS[:1]), *(ceilings_replicate(number, 2 * factor) for number, factor in enumerate(FACTORS))]
    text, _ = written(replicates)
    assert row(section(text, TITLE), "theano/as_published on cpu")[1] == "123.4 %"
    assert "Above 100 %: theano/as_published on cpu. Dense library calls can be passed" in section(text, TITLE)


@pytest.mark.slow
def test_a_stack_beyond_the_operations_needed_is_an_error_of_the_measurement(written):
    """42.5 ms at the example's rates; at a 60th of these 2.55 s, where an epoch takes 2 s."""
    replicates = [*race(RACERS[:1]), *(ceilings_replicate(number, 60) for number in range(4))]
    text, summary = written(replicates)
    assert summary["lower_bounds"][0]["needed_train_epoch_seconds"] == pytest.approx(2.55)
    assert "Beyond it: theano/as_published on cpu. So the peak is too low" in section(text, TITLE)
    assert "Beyond it" not in section(written(with_ceilings())[0], TITLE)


def test_a_record_without_ceilings_has_no_lower_bounds(written):
    text, summary = written(race(RACERS[:1]))
    assert summary["lower_bounds"] == []
    assert TITLE not in titles(text)


@pytest.mark.slow
def test_ceilings_are_no_stack_of_the_ranking(written):
    plain = [*race(RACERS[:2])]
    text, summary = written(plain + [ceilings_replicate(number, backend="jax") for number in range(4)])
    assert [one["stack"]["backend"] for one in summary["ranking"]] == ["jax", "theano"]
    assert row(section(text, "Ceilings"), "copy", "jax")[2] == "4"


@pytest.mark.slow
def test_one_round_has_a_share_and_no_interval(written):
    replicates = [one for one in with_ceilings() if one["round"] == 0]
    text, _ = written(replicates)
    cells = row(section(text, TITLE), "theano/as_published on cpu")
    assert cells[1] == "67.6 %" and "95 % interval" not in section(text, TITLE)


@pytest.mark.slow
def test_another_blas_than_the_measured_one_is_named(written):
    text, _ = written(with_ceilings(), machine={"blas": {"name": "from THEANO_FLAGS"}})
    assert "Theano's through another BLAS: from THEANO_FLAGS" in section(text, TITLE)
