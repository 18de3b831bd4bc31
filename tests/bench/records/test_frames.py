"""Run folders become tidy frames: one row per sample, units in the names, and what is missing is NA."""

import json
import shutil
import warnings
from pathlib import Path

import pandas as pd
import pytest
from example_run import (
    BATCH_SIZES,
    TEST_ACCURACIES,
    case,
    gpu_reference_replicate,
    measurement,
    planned,
    reference_replicate,
    replicate,
    replicates,
    run_header,
    write_example_run,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junk import junk, places

import bench
from bench.errors import RecordError, RecordWarning
from bench.records.columns import ALL, COLUMNS, FRAMES, README, with_tables
from bench.records.frames import drop_invalid
from bench.records.run_folder import SCHEMA_VERSION

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def frames(tmp_path):
    return bench.load_runs(write_example_run(tmp_path, replicates()))


@pytest.fixture
def gpu_and_cpu(tmp_path):
    """Return a run on a throttled GPU, and a CPU run of a schema without throttling."""
    return bench.load_runs(write_example_run(tmp_path, [gpu_reference_replicate(), reference_replicate(2, 0.98, 39.0)]))


def test_every_frame_has_the_documented_columns(frames):
    assert {name: list(getattr(frames, name).columns) for name in frames._fields} == COLUMNS


def test_the_tables_of_the_results_readme_are_generated_from_the_columns():
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python -m bench.records.columns"


def test_a_column_has_the_same_type_and_unit_in_every_frame():
    for columns in FRAMES.values():
        assert [(ALL[one.name].kind, ALL[one.name].unit) for one in columns] == [
            (one.kind, one.unit) for one in columns
        ]


def test_there_is_one_row_for_each_sample(frames):
    counts = frames.samples.groupby(["harness", "measurement"], observed=True).size()
    assert counts["data", "load"] == 6
    assert counts["epoch", "train_epoch"] == 6
    assert counts["epoch", "train_step"] == 200
    assert counts["batch_size", "train_step"] == 2 * 3 * len(BATCH_SIZES)
    assert counts["reference", "run"] == 3
    assert not frames.samples["seconds"].isna().any()


def test_a_compiler_that_did_not_run_is_no_sample(tmp_path):
    parts = [measurement("compile_c_compiler", [0.0]), measurement("compile", [0.0])]
    path = write_example_run(tmp_path, [replicate(case("compile"), parts)])
    samples, left_out = bench.load_runs(path).samples, drop_invalid(bench.load_runs(path))[1]
    assert list(samples["measurement"]) == ["compile"]
    assert len(left_out) == 1  # a compilation that took no time is a broken clock


def test_samples_are_counted_within_their_process(frames):
    load = frames.samples[frames.samples["measurement"] == "load"]
    assert list(load["sample_index"]) == [0, 1, 2, 0, 1, 2]
    assert list(load["process"]) == [1, 1, 1, 2, 2, 2]


def test_a_parameter_of_a_measurement_is_the_batch_size_of_its_samples(frames):
    steps = frames.samples[frames.samples["harness"] == "batch_size"]
    assert sorted(steps["batch_size"].unique()) == BATCH_SIZES


def test_what_a_harness_does_not_know_is_missing_and_not_zero(frames):
    load = frames.samples[frames.samples["measurement"] == "load"]
    assert load[["backend", "variant", "cache", "batch_size", "examples"]].isna().all(axis=None)
    assert load["batch_size"].dtype == "Int64"
    assert (load["bytes"] == 219_520_000).all()


def test_phases_and_rest_add_up_to_the_reference_clock(frames):
    phases = frames.phases.groupby("process")["seconds"].sum()
    results = frames.results.set_index("process")
    pd.testing.assert_series_equal(phases + results["rest_seconds"], results["total_seconds"], check_names=False)


def test_each_seed_is_one_result_with_its_epochs(frames):
    assert list(frames.results["seed"]) == [1, 2, 3]
    assert list(frames.results["test_accuracy"]) == TEST_ACCURACIES
    assert list(frames.results["num_epochs"]) == [20, 20, 20]
    assert len(frames.epochs) == 60
    assert len(frames.timeline) == 3


def test_a_throttled_sample_is_marked_and_kept(gpu_and_cpu):
    assert gpu_and_cpu.samples["throttled"].dtype == "boolean"
    assert gpu_and_cpu.samples["throttled"][0]
    assert gpu_and_cpu.samples["throttle_reasons"][0] == "gpu sw power cap; cgroup cpu quota"
    assert gpu_and_cpu.samples[["throttled", "throttle_reasons"]].loc[1].isna().all()
    assert list(drop_invalid(gpu_and_cpu)[0].results["throttled"].fillna(False)) == [True, False]


def test_not_throttled_differs_from_unknown(tmp_path):
    judged = [
        measurement("train_epoch", [1.0], throttled=throttled, throttle_reasons=reasons)
        for throttled, reasons in ((False, []), (None, None))
    ]
    samples = bench.load_runs(write_example_run(tmp_path, [replicate(case("epoch"), judged)])).samples
    assert samples["throttled"][0] == False  # noqa: E712 (NA would be neither)
    assert pd.isna(samples["throttled"][1])
    assert samples["throttle_reasons"].isna().all()


def test_a_gpus_timeline_stands_beside_the_processs_with_its_own_columns(tmp_path):
    frames = bench.load_runs(write_example_run(tmp_path, [gpu_reference_replicate()]))
    process, *gpu = (row for _, row in frames.timeline.iterrows())
    assert set(frames.timeline["measurement"]) == {"run"}
    assert process["rss_bytes"] == 400 * 2**20
    assert process[["power_watts", "sm_clock_mhz", "throttle_reasons"]].isna().all()
    assert [row["power_watts"] for row in gpu] == [75.5, 699.5]
    assert pd.isna(gpu[0]["throttle_reasons"]) and gpu[1]["throttle_reasons"] == "gpu sw power cap"
    assert frames.timeline["temperature_celsius"].dtype == "float64"


def test_energy_and_gpu_memory_of_a_run_are_results_and_missing_on_a_cpu(gpu_and_cpu):
    beside = ["energy_joules", "energy_source", "peak_gpu_memory_bytes"]
    assert gpu_and_cpu.results[beside].loc[0].to_list() == [900.5, "counter", 2**30]
    assert gpu_and_cpu.results[beside].loc[1].isna().all()


def test_energy_of_an_epoch_belongs_to_its_samples(tmp_path):
    epoch = measurement("train_epoch", [0.25, 0.25], energy_per_epoch_joules=12.5, energy_source="power samples")
    samples = bench.load_runs(write_example_run(tmp_path, [replicate(case("epoch"), [epoch])])).samples
    assert list(samples["energy_per_epoch_joules"]) == [12.5, 12.5]
    assert set(samples["energy_source"]) == {"power samples"}


def test_a_record_from_before_gpus_were_sampled_is_read():
    records = PROJECT / "results" / "records"
    frames = bench.load_runs(records / "amd-epyc-2-cores" / "2026-11-24-9ae7211")
    assert frames.samples["throttled"].isna().all()
    assert frames.timeline["rss_bytes"].notna().all() and frames.timeline["power_watts"].isna().all()
    assert frames.results[["energy_joules", "peak_gpu_memory_bytes"]].isna().all(axis=None)


def test_names_are_categories_and_numbers_are_numbers(frames):
    assert isinstance(frames.samples["measurement"].dtype, pd.CategoricalDtype)
    assert frames.samples["seconds"].dtype == "float64"
    assert frames.epochs["epoch"].dtype == "Int32"


def test_the_machine_is_a_table_of_properties(frames):
    machine = frames.machine.set_index("property")["value"]
    assert machine["cpu_model"] == "Example CPU @ 3.50GHz"
    assert machine["memory_bytes"] == str(8 * 2**30)
    assert pd.isna(machine["governor"])


def test_several_runs_share_the_frames(tmp_path):
    write_example_run(tmp_path, replicates(), run_id="a")
    write_example_run(tmp_path, replicates(), run_id="b", status="interrupted")
    frames = bench.load_runs(tmp_path)
    assert list(frames.runs["status"]) == ["complete", "interrupted"]
    assert frames.results.groupby("run_id", observed=True).size().to_dict() == {"a": 3, "b": 3}


def test_a_failed_process_is_a_failure_and_what_it_measured_before_counts(tmp_path):
    one = replicate(case("data"), [measurement("load", [0.5])], reason="it crashed (SIGSEGV)")
    frames = bench.load_runs(write_example_run(tmp_path, [one]))
    assert list(frames.failures["reason"]) == ["it crashed (SIGSEGV)"]
    assert list(frames.samples["seconds"]) == [0.5]


def test_a_run_without_replicates_has_empty_frames(tmp_path):
    frames = bench.load_runs(write_example_run(tmp_path, []))
    assert len(frames.runs) == 1
    assert frames.samples.empty and frames.results.empty and frames.failures.empty


def test_a_header_with_nothing_optional_is_read(tmp_path):
    missing = dict.fromkeys(("machine", "dataset", "commit", "skipped", "recipe", "finished_at"))
    frames = bench.load_runs(write_example_run(tmp_path, [], **missing))
    assert frames.runs[["dataset", "commit", "cpu_model", "usable_cores"]].isna().all(axis=None)
    assert frames.machine.empty


@pytest.mark.parametrize("exists", [True, False])
def test_no_runs_is_one_sentence(tmp_path, exists):
    with pytest.raises(RecordError, match="holds no runs"):
        bench.load_runs(tmp_path if exists else tmp_path / "nowhere")


def test_a_damaged_replicate_is_a_warning_that_names_it_and_its_line_and_the_rest_is_read(tmp_path):
    path = write_example_run(tmp_path, replicates())
    damaged = path / "replicates" / "0002.json"
    text = damaged.read_text().splitlines()
    damaged.write_text("\n".join([*text[:4], "}{", *text[5:]]))
    with pytest.warns(RecordWarning, match=r"run 2026\S+: 0002.json cannot be read \(.* line \d column") as caught:
        frames = bench.load_runs(path)
    assert len(caught) == 1 and caught[0].filename == __file__  # the warning points at the caller of load_runs
    assert 2 not in set(frames.samples["process"])
    assert {1, 3} <= set(frames.samples["process"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema_version": SCHEMA_VERSION + 1, "mlp_bench": "9.8.7"}, "mlp-bench 9.8.7 or newer"),
        ({"plan": ...}, "damaged"),
    ],
)
def test_a_run_that_cannot_be_read_is_left_out_of_a_folder_of_runs_by_name(tmp_path, change, why):
    write_example_run(tmp_path, replicates(), run_id="good")
    bad = write_example_run(tmp_path, replicates(), run_id="bad")
    header = json.loads((bad / "run.json").read_text()) | change
    (bad / "run.json").write_text(json.dumps({name: value for name, value in header.items() if value is not ...}))
    with pytest.warns(RecordWarning, match=f"left out: .*bad.*{why}") as caught:
        frames = bench.load_runs(tmp_path)
    assert list(frames.runs["run_id"]) == ["good"]
    assert caught[0].filename == __file__
    with pytest.raises(RecordError, match=why):
        bench.load_runs(bad)


def test_a_folder_with_nothing_but_unreadable_runs_is_an_error(tmp_path):
    bad = write_example_run(tmp_path, replicates())
    (bad / "run.json").write_text("{")
    with pytest.raises(RecordError, match="is damaged"):
        bench.load_runs(tmp_path)


def test_a_partial_run_is_read_without_a_warning(tmp_path):
    path = write_example_run(tmp_path, replicates()[:3], status="running", finished_at=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = bench.load_runs(path)
    assert frames.runs["finished_at"].isna().all()
    assert frames.samples["process"].nunique() == 3


@pytest.mark.parametrize("broken", [None, float("nan"), 0.0, -1.0])
def test_one_bad_sample_takes_its_measurement_in_its_process_and_nothing_else(tmp_path, broken):
    first = replicate(case("data"), [measurement("load", [0.5, broken]), measurement("read", [0.1])])
    second = replicate(case("data"), [measurement("load", [0.6])])
    recorded = bench.load_runs(write_example_run(tmp_path, [first, second]))
    trusted, left_out = drop_invalid(recorded)
    assert list(trusted.samples["seconds"]) == [0.1, 0.6]
    assert left_out == ["process 1: all 2 samples of load were left out, because one is invalid"]
    assert len(recorded.samples) == 4


def test_a_good_run_is_trusted_whole(frames):
    trusted, left_out = drop_invalid(frames)
    assert left_out == []
    pd.testing.assert_frame_equal(trusted.samples, frames.samples)
    pd.testing.assert_frame_equal(trusted.results, frames.results)


def test_a_reference_run_without_a_total_is_no_result(tmp_path):
    one = reference_replicate(1, 0.98, 39.0)
    one["measurements"][0]["seconds"] = [None]
    trusted, left_out = drop_invalid(bench.load_runs(write_example_run(tmp_path, [one])))
    assert trusted.results.empty
    assert len(left_out) == 1


def test_a_failed_process_counts_only_until_its_case_was_measured_again(tmp_path):
    from bench.records.frames import frames_of
    from bench.records.run_folder import RunFolder

    case = {"harness": "epoch", "backend": "theano", "variant": "as_published", "device": "cpu", "threads": 2}
    step = {"name": "train_epoch", "seconds": [1.0], "params": {}, "extra": {}}
    attempt = {"schema_version": 1, "case": case, "round": 0, "measurements": [step]}
    folder = RunFolder.create(tmp_path, run_header(schema_version=1, plan=[planned(case)]))
    folder.append({**attempt, "status": "failed", "reason": "the other measurement broke"})
    assert len(frames_of([folder]).samples) == 1
    folder.append({**attempt, "status": "ok", "reason": None})
    frames = frames_of([folder])
    assert list(frames.samples["process"]) == [2]
    assert list(frames.failures["process"]) == [1]


def with_junk(data, document):
    """``document`` with junk in one place."""
    copy = json.loads(json.dumps(document))
    *outer, last = data.draw(st.sampled_from([path for path in places(copy) if path]))
    inner = copy
    for step in outer:
        inner = inner[step]
    inner[last] = data.draw(junk)
    return copy


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(data=st.data())
def test_junk_in_a_replicate_costs_at_most_that_replicate(tmp_path, data):
    """Whatever stands in one file, the other process is read; if the damaged one is not, it is named."""
    folder = tmp_path / "20260102-030405-0123456"
    shutil.rmtree(folder, ignore_errors=True)
    path = write_example_run(tmp_path, [gpu_reference_replicate(), reference_replicate(2, 0.98, 39.0)])
    file = path / "replicates" / "0001.json"
    file.write_text(json.dumps(with_junk(data, json.loads(file.read_text()))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frames = bench.load_runs(path)
    assert 2 in set(frames.samples["process"])
    assert all("was left out" in str(one.message) for one in caught)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(data=st.data())
def test_junk_in_a_header_is_read_or_one_sentence(tmp_path, data):
    shutil.rmtree(tmp_path / "20260102-030405-0123456", ignore_errors=True)
    path = write_example_run(tmp_path, [reference_replicate(1, 0.98, 39.0)], plan=[planned(case("data"))])
    header = path / "run.json"
    header.write_text(json.dumps(with_junk(data, json.loads(header.read_text()))))
    try:
        assert len(bench.load_runs(path).runs) == 1
    except RecordError as error:
        assert "\n" not in str(error)


def test_what_no_frame_holds_may_be_anything(tmp_path):
    """A harness may keep what it likes beside its samples, under any name."""
    one = replicate(
        case("epoch"), [measurement("train_epoch", [1.0], loss_by_step_loss=[[0.5]], blocks_bytes={"a": 1})]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(bench.load_runs(write_example_run(tmp_path, [one])).samples) == 1


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ({"examples": "many"}, r"Expected `int \| null`, got `str` - at `\$.measurements\[0\].extra.examples`"),
        ({"examples": 2**80}, "examples"),
        ({"phases": [1.0]}, r"Expected `object \| null`, got `array` - at .*phases"),
        ({"timeline": [{"t_seconds": "now"}]}, r"Expected `float \| null`, got `str` - at .*timeline\[0\].t_seconds"),
        ({"throttled": "yes"}, r"Expected `bool \| null`, got `str` - at .*throttled"),
    ],
)
def test_a_value_that_no_column_can_hold_is_named_and_costs_its_process(tmp_path, damage, why):
    bad = replicate(case("data"), [measurement("load", [0.5], **damage)])
    good = replicate(case("data"), [measurement("load", [0.25])])
    with pytest.warns(RecordWarning, match=rf"0001.json cannot be read \(.*{why}"):
        frames = bench.load_runs(write_example_run(tmp_path, [bad, good]))
    assert list(frames.samples["seconds"]) == [0.25]
