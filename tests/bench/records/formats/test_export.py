"""A run in other tools' formats: read by the tools themselves where they can be asked, else held to their schema."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from example_run import case, gpu_reference_replicate, header, measurement, replicate, replicates, write_example_run
from pyarrow import parquet

from bench.errors import BenchError
from bench.records.columns import FRAMES, units
from bench.records.formats import FORMATS, bencher, open_run, render, write_files
from bench.records.formats.clock import spans
from bench.stats.estimates import estimate

TRAIN_EPOCH = "epoch/train_epoch[theano/as_published,device=cpu,threads=2,batch_size=500,cache=warm]"


@pytest.fixture
def run(tmp_path):
    return open_run(write_example_run(tmp_path, replicates()))


def slower(factor):
    """The example run, each of its durations ``factor`` times as long."""
    found = replicates()
    for one in found:
        for measured in one["measurements"]:
            measured["seconds"] = [seconds * factor for seconds in measured["seconds"]]
    return found


def exported_twice(name, tmp_path):
    """Files of the example run and of one twice as slow."""
    paths = []
    for run_id, factor in (("one", 1.0), ("two", 2.0)):
        run = open_run(write_example_run(tmp_path / "runs", slower(factor), run_id=run_id))
        paths += write_files(render(name, run), tmp_path / f"{run_id}.json")
    return paths


def call(module, *arguments, cwd):
    argv = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- series ---------------------------------------------------------------------------------------------------------


def test_each_measurement_of_each_case_is_a_series_of_processes(run):
    series = {one.name: one for one in run.series}
    assert [process.seconds for process in series[TRAIN_EPOCH].processes] == [
        (2.0, 2.01, 1.99),
        (2.0 * 1.02, 2.01 * 1.02, 1.99 * 1.02),
    ]
    assert "data/load[device=cpu,threads=2]" in series
    assert len(series) == len(run.series)


def test_seeds_of_the_reference_run_are_processes_of_one_series(run):
    (reference,) = [one for one in run.series if one.harness == "reference"]
    assert len(reference.processes) == 3
    assert reference.keys["num_epochs"] == 20


def test_a_quick_and_a_full_reference_run_have_different_names(tmp_path):
    """Two epochs are no twenty, and a tool that matches names would call them a speed-up."""
    from example_run import reference_replicate

    for run_id, num_epochs in (("quick", 2), ("full", 20)):
        write_example_run(tmp_path, [reference_replicate(1, 0.98, 4.0, num_epochs)], run_id=run_id)
    names = {open_run(tmp_path / run_id).series[0].name for run_id in ("quick", "full")}
    assert len(names) == 2


def test_what_names_go_without_is_still_among_the_params(tmp_path):
    one = replicate(case("epoch", precision="tf32", dataset="surrogate"), [measurement("train_epoch", [1.0])])
    (series,) = open_run(write_example_run(tmp_path, [one])).series
    assert "precision=tf32" in series.name and "dataset=surrogate" in series.name
    plain = replicate(case("epoch", precision="float32"), [measurement("train_epoch", [1.0])])
    (series,) = open_run(write_example_run(tmp_path / "plain", [plain])).series
    assert "float32" not in series.name and series.params["precision"] == "float32"


def test_a_broken_clock_is_left_out_and_named(tmp_path):
    parts = [measurement("load", [0.5, None]), measurement("read", [0.1])]
    run = open_run(write_example_run(tmp_path, [replicate(case("data"), parts)]))
    assert [one.measurement for one in run.series] == ["read"]
    assert run.left_out == ["process 1: all 2 samples of load were left out, because one is invalid"]


def test_a_damaged_replicate_is_named_and_the_rest_is_exported(tmp_path):
    path = write_example_run(tmp_path, replicates())
    (path / "replicates" / "0001.json").write_text('{"case": ')
    run = open_run(path)
    assert run.left_out[0].startswith("0001.json cannot be read (")
    assert TRAIN_EPOCH in {one.name for one in run.series}


def test_a_run_without_samples_is_one_sentence(tmp_path):
    with pytest.raises(BenchError, match="holds no samples"):
        open_run(write_example_run(tmp_path, []))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_does_without_what_is_optional(tmp_path, name):
    """None of these fields has to be there; none may become 0 or the text 'None'."""
    missing = dict.fromkeys(("machine", "dataset", "commit", "skipped", "recipe", "finished_at"))
    content = render(name, open_run(write_example_run(tmp_path, replicates(), **missing)))
    texts = [content] if isinstance(content, str) else [data.decode("latin-1") for data in content.values()]
    assert not any('"None"' in text for text in texts)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "parquet"])
def test_a_hostile_machine_name_stays_text(tmp_path, name):
    hostile = '<script>alert("x")</script>\n"' + "x" * 100_000
    machine = {**header()["machine"], "cpu_model": hostile}
    content = render(name, open_run(write_example_run(tmp_path, replicates(), machine=machine)))
    files = [content.encode()] if isinstance(content, str) else content.values()
    for data in files:
        for line in data.decode().splitlines() if name == "mlperf" else [data]:
            json.loads(line.removeprefix(":::MLLOG ") if name == "mlperf" else line)
    if not isinstance(content, str):
        assert all(len(part) < 200 for path in content for part in path.split("/"))


# --- tools that can be asked ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pytest_benchmark_compares_two_exports(tmp_path):
    shown = call("pytest_benchmark", "compare", *exported_twice("pytest-benchmark", tmp_path), cwd=tmp_path)
    rows = [line for line in shown.splitlines() if line.startswith("validate_epoch[")]
    assert len(rows) == 2
    assert "(1.0)" in rows[0] and "(2.00)" in rows[1]


def test_pytest_benchmarks_numbers_are_its_own(run):
    (found,) = [
        one for one in json.loads(render("pytest-benchmark", run))["benchmarks"] if one["fullname"] == TRAIN_EPOCH
    ]
    data = found["stats"]["data"]
    assert data == [2.0, 2.01, 1.99, 2.0 * 1.02, 2.01 * 1.02, 1.99 * 1.02]
    assert found["stats"]["median"] == pytest.approx(np.median(data))
    assert found["stats"]["stddev"] == pytest.approx(np.std(data, ddof=1))
    assert found["stats"]["rounds"] == 6


def test_pyperf_compares_two_exports(tmp_path):
    shown = call("pyperf", "compare_to", *exported_twice("pyperf", tmp_path), cwd=tmp_path)
    name = "epoch/train_epoch[theano/as_published,device=cpu,threads=2,batch_size=500,cache=warm]"
    line = next(line for line in shown.splitlines() if line.startswith(f"{name}: "))
    assert line.endswith("2.00x slower")


def test_pyperf_loads_every_value_of_every_process(tmp_path, run):
    import pyperf

    (path,) = write_files(render("pyperf", run), tmp_path / "run.json")
    suite = pyperf.BenchmarkSuite.load(str(path))
    for series in run.series:
        loaded = suite.get_benchmark(series.name)
        assert [list(one.values) for one in loaded.get_runs()] == [list(one.seconds) for one in series.processes]
    assert suite.get_metadata()["cpu_model_name"] == "Example CPU @ 3.50GHz"


def test_asv_loads_an_export(tmp_path, run):
    from asv.benchmarks import Benchmarks
    from asv.results import iter_results

    write_files(render("asv", run), tmp_path / "results")
    (loaded,) = iter_results(str(tmp_path / "results"))
    benchmarks = Benchmarks.load(SimpleNamespace(results_dir=str(tmp_path / "results"), benchmark_dir=""))
    assert set(loaded.get_all_result_keys()) == set(benchmarks)
    name = "batch_size.time_train_step"
    params = benchmarks[name]["params"]
    sizes = [one for one in run.series if one.harness == "batch_size"]
    assert loaded.get_result_samples(name, params) == [one.seconds for one in sizes]
    assert loaded.get_result_value(name, params) == [pytest.approx(np.median(one.seconds)) for one in sizes]
    assert loaded.commit_hash == "0123456789abcdef"
    assert loaded.params["cpu"] == "Example CPU @ 3.50GHz"
    assert loaded.params["machine"] == "example-cpu-3-50ghz-2-cores"


def test_asv_keeps_the_benchmarks_that_a_folder_already_lists(tmp_path, run):
    listed = tmp_path / "benchmarks.json"
    listed.write_text(json.dumps({"theirs.time_sort": {"code": "..."}, "version": 2}))
    write_files(render("asv", run), tmp_path)
    assert {"theirs.time_sort", "epoch.time_train_epoch"} <= json.loads(listed.read_text()).keys()
    listed.write_text("[")
    with pytest.raises(BenchError, match="would be replaced and cannot be read"):
        write_files(render("asv", run), tmp_path)
    assert listed.read_text() == "["


def test_of_two_exports_of_one_commit_the_later_replaces_only_what_it_measured(tmp_path, run):
    from asv.results import iter_results

    for of_epochs in (True, False):
        part = replace(run, series=[one for one in run.series if (one.harness == "epoch") is of_epochs])
        write_files(render("asv", part), tmp_path)
    (loaded,) = iter_results(str(tmp_path))
    assert set(loaded.get_all_result_keys()) == {f"{one.harness}.time_{one.measurement}" for one in run.series}
    (path,) = tmp_path.glob("*/*-existing.json")
    path.write_text(path.read_text().replace('"started_at"', '"began"'))  # the columns of rows of another version
    with pytest.raises(BenchError, match="is not a file of asv's format 2"):
        write_files(render("asv", run), tmp_path)


def mllog_lines(run, tmp_path):
    from mlperf_logging.compliance_checker import mlp_parser

    written = write_files(render("mlperf", run), tmp_path / "mlperf")
    parsed, errors = mlp_parser.parse_file(str(written[0]), ruleset="5.1.0")
    assert errors == []
    return written, parsed


def test_mlperfs_checker_finds_nothing_but_the_name_of_the_benchmark(tmp_path, run):
    """Under the name of one that is in its rule book, the open division's rules find no fault."""
    from mlperf_logging.compliance_checker.mlp_compliance import ComplianceChecker

    written, _ = mllog_lines(run, tmp_path)
    assert [path.name for path in written] == ["result_0.txt", "result_1.txt", "result_2.txt"]
    for path in written:
        path.write_text(path.read_text().replace("mnist_mlp_784_500_300_10", "retinanet"))
        checker = ComplianceChecker("training", "5.1.0", quiet=False, werror=True)
        assert checker.check_file(str(path), "training_5.1.0/common.yaml")


def test_mlperfs_clock_is_the_reference_clock_and_its_times_never_run_back(tmp_path, run):
    _, lines = mllog_lines(run, tmp_path)
    times = [line.timestamp for line in lines]
    assert times == sorted(times)
    at = {line.key: line.timestamp for line in lines}
    total_seconds = run.frames.results["total_seconds"][0]
    assert at["run_stop"] - at["run_start"] == pytest.approx(total_seconds * 1000, abs=1)
    accuracies = [line.value["value"] for line in lines if line.key == "eval_accuracy"]
    assert accuracies == list(run.frames.epochs["validation_accuracy"][:20])
    (run_stop,) = [line for line in lines if line.key == "run_stop"]
    assert run_stop.value["metadata"]["seconds"] == total_seconds


def test_an_mlperf_log_of_other_data_says_which(tmp_path):
    data = {"identity": "custom", "origin": "directory", "sha256": {"train-images-idx3-ubyte": "ff"}}
    other = open_run(write_example_run(tmp_path, replicates(), dataset=data))
    text = next(iter(render("mlperf", other).values())).decode()
    assert '"custom_mlp_784_500_300_10"' in text and "mnist_mlp" not in text
    assert '"key": "dataset_sha256", "value": {"train-images-idx3-ubyte": "ff"}' in text


def test_without_a_reference_run_there_is_no_mlperf_log(tmp_path):
    one = replicate(case("data"), [measurement("load", [0.5])])
    with pytest.raises(BenchError, match="no reference run"):
        render("mlperf", open_run(write_example_run(tmp_path, [one])))


@pytest.mark.slow
@pytest.mark.parametrize("frame", ["runs", "samples", "phases", "epochs", "results", "timeline", "machine", "failures"])
def test_parquet_gives_every_frame_back(tmp_path, frame):
    path = write_example_run(tmp_path, [*replicates(), gpu_reference_replicate()])
    run = open_run(path)
    data = io.BytesIO(render("parquet", run)[f"{frame}.parquet"])
    pd.testing.assert_frame_equal(pd.read_parquet(data), getattr(run.frames, frame))


def test_parquet_says_the_unit_of_every_measured_column(run):
    for name, data in render("parquet", run).items():
        for field in parquet.read_schema(io.BytesIO(data)):
            unit = (field.metadata or {}).get(b"unit", b"").decode()
            assert unit == units(FRAMES[name.removesuffix(".parquet")]).get(field.name, ""), (name, field.name)
            assert unit or str(field.type) != "double", (name, field.name)


# --- tools with nothing but a format --------------------------------------------------------------------------------

NUMBER = {"type": "number", "exclusiveMinimum": 0}
# github-action-benchmark: interface BenchmarkResult in src/extract.ts.
GITHUB_ACTION = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "properties": {name: {"type": "string"} for name in ("name", "unit", "range", "extra")} | {"value": NUMBER},
        "additionalProperties": False,
    },
}
# Bencher: https://bencher.dev/docs/reference/bencher-metric-format/
BENCHER = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "required": ["latency"],
        "additionalProperties": {
            "type": "object",
            "required": ["value"],
            "properties": dict.fromkeys(("value", "lower_value", "upper_value"), NUMBER),
            "additionalProperties": False,
        },
    },
}
# hyperfine: struct BenchmarkResult in src/benchmark/benchmark_result.rs.
HYPERFINE = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["command", "mean", "stddev", "median", "min", "max", "times", "exit_codes", "parameters"],
                "properties": {
                    **dict.fromkeys(("mean", "median", "min", "max"), NUMBER),
                    "command": {"type": "string"},
                    "stddev": {"type": ["number", "null"]},
                    "times": {"type": "array", "items": NUMBER},
                    "exit_codes": {"type": "array", "items": {"type": ["integer", "null"]}},
                    "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        }
    },
}
# Chrome: "Trace Event Format", JSON object form: complete events, counters and metadata.
CHROME = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["ph", "name", "pid", "tid", "args"],
                "properties": {"ph": {"enum": ["X", "C", "M"]}, "ts": {"type": "number", "minimum": 0}},
                "allOf": [
                    {"if": {"properties": {"ph": {"const": "X"}}}, "then": {"required": ["ts", "dur"]}},
                    {
                        "if": {"properties": {"ph": {"const": "C"}}},
                        "then": {"required": ["ts"], "properties": {"args": {"additionalProperties": NUMBER}}},
                    },
                ],
            },
        },
    },
}
SCHEMAS = {
    "github-action-benchmark": GITHUB_ACTION,
    "bencher": BENCHER,
    "hyperfine": HYPERFINE,
    "chrome-trace": CHROME,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_format_keeps_to_its_schema(run, name):
    jsonschema.validate(json.loads(render(name, run)), SCHEMAS[name])


def test_bencher_counts_nanoseconds_and_has_bounds_only_where_there_are_three_processes(run):
    """The example run has two processes of each epoch."""
    latency = json.loads(render("bencher", run))[TRAIN_EPOCH]["latency"]
    assert latency == {"value": pytest.approx(2.02e9)}
    measured = estimate([[2.0], [2.1], [2.2]])
    found = bencher.metric_of(measured)
    assert (found["lower_value"], found["upper_value"]) == (measured.low * 1e9, measured.high * 1e9)


def test_github_action_benchmark_shows_seconds(run):
    found = {entry["name"]: entry for entry in json.loads(render("github-action-benchmark", run))}
    assert found[TRAIN_EPOCH]["value"] == pytest.approx(2.02)
    assert found[TRAIN_EPOCH]["unit"] == "s"
    assert found[TRAIN_EPOCH]["extra"] == "median of 2 processes, 6 samples"


# --- the trace ------------------------------------------------------------------------------------------------------


def trace_of(tmp_path, *found):
    document = json.loads(render("chrome-trace", open_run(write_example_run(tmp_path, list(found)))))
    return document["traceEvents"]


def test_the_slices_of_a_reference_run_lie_one_after_another_inside_their_process(tmp_path):
    one = gpu_reference_replicate()
    slices = [event for event in trace_of(tmp_path, one) if event["ph"] == "X"]
    process, *parts = slices
    assert process["dur"] == one["wall_seconds"] * 1e6
    assert [part["name"] for part in parts[:5]] == ["load", "build", "compile", "train 1", "validate 1"]
    for before, after in pairwise(parts):
        assert before["ts"] + before["dur"] == pytest.approx(after["ts"])
    assert parts[-1]["ts"] + parts[-1]["dur"] == pytest.approx(process["ts"] + process["dur"])
    total_seconds = one["measurements"][0]["seconds"][0]
    assert sum(part["dur"] for part in parts) == pytest.approx(total_seconds * 1e6)


def test_processes_of_a_trace_never_overlap(tmp_path):
    """All start in the same second by the record, each runs for twelve: the second waits for the first."""
    slices = [event for event in trace_of(tmp_path, *replicates()) if event.get("cat") == "process"]
    assert len(slices) == len(replicates())
    for before, after in pairwise(slices):
        assert before["ts"] + before["dur"] <= after["ts"]


def test_what_was_sampled_is_a_counter_and_what_was_not_is_none(tmp_path):
    counters = [event for event in trace_of(tmp_path, gpu_reference_replicate()) if event["ph"] == "C"]
    power = [event["args"]["value"] for event in counters if event["name"] == "power (W)"]
    assert power == [75.5, 699.5]
    assert sum(event["name"] == "resident memory (bytes)" for event in counters) == 1


def test_without_epochs_train_and_validate_are_one_span_each():
    extra = {"phases": {"load": 0.5, "train": 2.0, "validate": 0.25, "test": 0.125}, "rest_seconds": None}
    found = spans(extra)
    assert [span.name for span in found] == ["load", "train", "validate", "test"]
    assert found[-1].stop_seconds == 2.875


# --- files ----------------------------------------------------------------------------------------------------------


def test_an_unknown_format_lists_those_there_are(run):
    with pytest.raises(BenchError, match="unknown format 'xml': choose one of pytest-benchmark, "):
        render("xml", run)


def test_an_output_that_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path, run):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match="name another place"):
        write_files(render("bencher", run), tmp_path / "file" / "out.json")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")] == []
