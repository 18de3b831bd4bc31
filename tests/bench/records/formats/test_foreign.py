"""Other tools' files are read as they wrote them, and whatever else a file holds is one sentence."""

import gzip
import json
import math
import subprocess
import sys

import pytest
from example_files import ASV, HYPERFINE, PYPERF
from example_run import case, measurement, replicate, replicates, run_header, write_example_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junk import junk, places

from bench.errors import BenchError
from bench.records.formats import open_run, render
from bench.records.formats.foreign import read_foreign
from bench.records.formats.series import ExportSeries, ProcessSamples, Run

READABLE = ("pytest-benchmark", "pyperf", "hyperfine")
FILES_OF_ITS_OWN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "theirs.json"
        if isinstance(document, bytes):
            path.write_bytes(document)
        else:
            path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def processes_by_name(found):
    return {benchmark.name: benchmark.processes for benchmark in found.benchmarks}


@pytest.mark.parametrize("name", READABLE)
def test_what_was_exported_is_read_back_process_by_process(tmp_path, write, name):
    run = open_run(write_example_run(tmp_path, replicates()))
    found = read_foreign(write(render(name, run)))
    assert found.tool == name
    assert processes_by_name(found) == {
        one.name: [list(process.seconds) for process in one.processes] for one in run.series
    }
    assert {one.name: one.keys for one in found.benchmarks} == {one.name: one.keys for one in run.series}


seconds = st.floats(min_value=1e-9, max_value=1e6, allow_nan=False)


@pytest.mark.parametrize("name", READABLE)
@FILES_OF_ITS_OWN
@given(processes=st.lists(st.lists(seconds, min_size=1, max_size=4), min_size=1, max_size=4))
def test_no_number_is_lost_on_the_way_through_a_file(write, name, processes):
    measured = tuple(ProcessSamples(number, None, tuple(samples)) for number, samples in enumerate(processes, start=1))
    series = ExportSeries({"harness": "data", "measurement": "load", "threads": 2}, measured)
    (found,) = read_foreign(write(render(name, Run(run_header(), [], None, [series], [])))).benchmarks
    assert found.processes == processes
    assert found.keys == series.keys


def test_a_pyperf_worker_is_a_process_and_calibration_is_none(write):
    found = read_foreign(write(PYPERF))
    assert (found.tool, found.started_at) == ("pyperf", "2026-01-02 03:04:05.000000")
    assert processes_by_name(found) == {"sort": [[0.25, 0.5], [0.125]]}
    assert found.machine["cpu_model"] == "Example CPU"
    assert found.machine["os"] is None


def test_each_run_of_hyperfine_is_a_process(write):
    assert processes_by_name(read_foreign(write(HYPERFINE))) == {"sleep 0.1": [[0.102], [0.1026]]}


def test_a_case_of_asv_is_a_benchmark_and_one_that_failed_is_none(write):
    found = read_foreign(write(ASV))
    assert (found.tool, found.started_at) == ("asv", "2026-01-02T03:04:05+00:00")
    assert processes_by_name(found) == {"sorting.time_sort(10)": [[2.5e-7, 2.6e-7]]}
    assert found.machine["cpu_model"] == "Example CPU"


def test_our_own_asv_export_is_read_back(tmp_path, write):
    run = open_run(write_example_run(tmp_path, replicates()))
    (results,) = [data for path, data in render("asv", run).items() if path.endswith("-existing.json")]
    found = read_foreign(write(results))
    assert sorted(one.processes for one in found.benchmarks) == sorted([one.seconds] for one in run.series)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: gzip.compress(text.encode()),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: gzip.compress(text.encode("utf-16")),
    ],
    ids=["gzip", "byte-order mark", "UTF-16", "UTF-16 without a mark", "both"],
)
def test_json_is_read_however_its_text_is_stored(write, encode):
    assert processes_by_name(read_foreign(write(encode(json.dumps(HYPERFINE)))))


@pytest.mark.parametrize("stored", [b"\xff", rb"\udcff", rb"\uD83d"], ids=["byte", "low", "high"])
def test_a_character_that_no_output_can_hold_is_replaced(write, stored):
    text = json.dumps(HYPERFINE).encode().replace(b"sleep", rb"\\udcff \ud83d\ude00 sl" + stored + b"ep")
    (benchmark,) = read_foreign(write(text)).benchmarks
    assert benchmark.name == "\\udcff \U0001f600 sl\ufffdep 0.1"


def test_a_gzip_file_cut_short_is_one_sentence(write):
    with pytest.raises(BenchError, match="a gzip file that is damaged"):
        read_foreign(write(gzip.compress(json.dumps(HYPERFINE).encode())[:40]))


def test_what_one_benchmark_lacks_costs_it_alone_and_is_named(write):
    memory = {"metadata": {"name": "memory", "unit": "byte"}, "runs": [{"values": [9]}]}
    damaged = {"runs": [{"values": [1.0]}]}
    found = read_foreign(write({**PYPERF, "benchmarks": [memory, *PYPERF["benchmarks"], damaged]}))
    assert [one.name for one in found.benchmarks] == ["sort"]
    assert found.left_out == [
        "memory is measured in byte, not in seconds: give a file of durations.",
        "benchmark 3 is damaged and was left out (it has no 'name').",
    ]


def test_parameters_tell_results_of_one_command_apart(write):
    (result,) = HYPERFINE["results"]
    both = [{**result, "parameters": {"n": number}} for number in ("1", "2")]
    found = read_foreign(write({"results": both}))
    assert [one.name for one in found.benchmarks] == ["sleep 0.1 (n=1)", "sleep 0.1 (n=2)"]
    with pytest.raises(BenchError, match=r"2 benchmarks called sleep 0.1: give each a name .*--command-name"):
        read_foreign(write({"results": [result, result]}))


@pytest.mark.slow
def test_what_pytest_benchmark_itself_writes_is_one_process(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "def test_sum(benchmark):\n    benchmark.pedantic(sum, ([1, 2],), rounds=3, iterations=1)\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-json=theirs.json"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    found = read_foreign(tmp_path / "theirs.json")
    assert found.tool == "pytest-benchmark"
    (benchmark,) = found.benchmarks
    assert benchmark.name == "test_it.py::test_sum"
    assert [len(samples) for samples in benchmark.processes] == [3]
    assert benchmark.keys == {}
    assert found.machine["python"].startswith("CPython 3.")


def test_what_pyperf_itself_writes_is_read(tmp_path):
    argv = [sys.executable, "-m", "pyperf", "timeit", "-q", "--processes=2", "--values=2", "--loops=1", "--warmups=0"]
    argv += ["-o", "theirs.json", "sum([1, 2])"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    (benchmark,) = read_foreign(tmp_path / "theirs.json").benchmarks
    assert [len(samples) for samples in benchmark.processes] == [2, 2]


def changed(document, *path, value):
    """A copy of ``document`` with ``value`` at ``path``."""
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


RESULT = ("results", 0)
RUN = ("benchmarks", 0, "runs", 1)


def test_a_file_of_a_run_names_its_folder(tmp_path):
    run = write_example_run(tmp_path, [])
    with pytest.raises(BenchError, match=rf"run\.json is a part of a run: name the run's folder, {run}\."):
        read_foreign(run / "run.json")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("", "is not valid JSON"),
        (json.dumps(PYPERF)[:-40], "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "has an unknown format"),
        ("{}", "has an unknown format"),
        ({"context": {"num_cpus": 2}, "benchmarks": [{"name": "BM_x", "real_time": 1.0}]}, "has an unknown format"),
        ({"version": 2, "commit_hash": "abc", "results": {}}, "has an unknown format"),
        ({"version": 2, "result_columns": [], "results": {}}, "holds no benchmarks"),  # asv's
        (
            changed(ASV, "results", "sorting.time_sort", 3, value=None),
            "samples: measure it again with asv run --record",
        ),
        (changed(ASV, "results", "sorting.time_sort", 3, value=[None, None]), "failed, or was skipped"),
        (changed(ASV, "results", value={"sorting.peakmem_sort": []}), "peakmem_sort does not measure time"),
        ({"results": []}, "holds no benchmarks"),
        ({"benchmarks": [], "version": "1.0"}, "holds no benchmarks"),
        (changed(HYPERFINE, *RESULT, "times", value=[]), "sleep 0.1 has no samples"),
        (
            changed(HYPERFINE, *RESULT, "times", value=[0.1, float("nan")]),
            "1 of 2 samples of sleep 0.1 are not positive",
        ),
        (changed(HYPERFINE, *RESULT, "times", value=[0.1, None]), "1 of 2 samples of sleep 0.1 are not positive"),
        (changed(HYPERFINE, *RESULT, "times", value=[True, 0.1]), "1 of 2 samples of sleep 0.1 are not positive"),
        (changed(HYPERFINE, *RESULT, "times", value=[0.0]), "1 of 1 samples of sleep 0.1 are not positive"),
        (changed(HYPERFINE, *RESULT, "exit_codes", value=[0, 1]), "1 of 2 runs of sleep 0.1 failed"),
        ({"results": HYPERFINE["results"] * 2}, "2 benchmarks called sleep 0.1"),
        (changed(HYPERFINE, *RESULT, value={"command": "x"}), "x has a mean, but no individual times: export it with"),
        (changed(PYPERF, *RUN, "values", value=[-1.0]), "1 of 1 samples of sort are not positive"),
        (changed(PYPERF, "metadata", "unit", value="byte"), "sort is measured in byte, not in seconds"),
        (changed(PYPERF, "benchmarks", 0, "runs", value=[]), "sort has no values"),
        (
            changed(PYPERF, "benchmarks", 0, "metadata", value={}),
            "benchmark 1 is damaged and was left out (it has no 'name')",
        ),
        (
            {"machine_info": {}, "benchmarks": [{"fullname": "a", "stats": {"median": 1.0}}]},
            "a has statistics but no samples: save it again with --benchmark-save-data",
        ),
    ],
)
def test_a_file_that_says_nothing_usable_is_one_sentence(write, document, sentence):
    path = write(document)
    with pytest.raises(BenchError) as caught:
        read_foreign(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(BenchError, match=r"cannot be read \(No such file"):
        read_foreign(tmp_path / "nothing.json")


@pytest.mark.parametrize("name", READABLE)
def test_an_export_whose_processes_do_not_add_up_is_refused(tmp_path, write, name):
    """One sample taken out by hand: the division into processes no longer holds, and no guess is made."""
    run = open_run(write_example_run(tmp_path, [replicate(case("data"), [measurement("load", [0.5, 0.25])])]))
    document = json.loads(render(name, run))
    if name == "pyperf":
        assert processes_by_name(read_foreign(write(document)))  # it keeps each process apart by itself
        return
    one = document["results"][0]["times"] if name == "hyperfine" else document["benchmarks"][0]["stats"]["data"]
    one.pop()
    with pytest.raises(BenchError, match="1 samples, its processes 2: export it again"):
        read_foreign(write(document))


@pytest.mark.parametrize("keys", [7, "harness", {"harness": "data"}, {"harness": "data", "measurement": ["load"]}])
def test_a_case_that_is_none_of_ours_is_no_case(write, keys):
    """Another project may keep whatever it likes under the same name."""
    benchmark = {"fullname": "a", "stats": {"data": [1.0]}, "extra_info": {"keys": keys}}
    (found,) = read_foreign(write({"machine_info": {}, "benchmarks": [benchmark]})).benchmarks
    assert found.keys == {}


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    run = open_run(write_example_run(tmp_path_factory.mktemp("run"), replicates()[:4]))
    return [PYPERF, HYPERFINE, *(json.loads(render(name, run)) for name in READABLE)]


@pytest.mark.slow
@FILES_OF_ITS_OWN
@given(data=st.data())
def test_a_file_with_junk_anywhere_is_read_or_refused_and_never_crashes(valid, write, data):
    document = data.draw(st.sampled_from(valid))
    path = data.draw(st.sampled_from([path for path in places(document) if path]))
    try:
        found = read_foreign(write(changed(document, *path, value=data.draw(junk))))
    except BenchError as error:
        assert "\n" not in str(error)
        return
    for benchmark in found.benchmarks:
        assert all(math.isfinite(seconds) and seconds > 0 for one in benchmark.processes for seconds in one)


@FILES_OF_ITS_OWN
@given(data=st.data())
def test_a_file_cut_short_anywhere_is_refused(valid, write, data):
    text = json.dumps(data.draw(st.sampled_from(valid)))
    with pytest.raises(BenchError, match="is not valid JSON"):
        read_foreign(write(text[: data.draw(st.integers(0, len(text) - 1))]))


def test_extra_info_of_another_project_is_its_own_business(write):
    benchmark = {"fullname": "theirs", "stats": {"data": [0.1, 0.2]}, "extra_info": {"processes": 4}}
    found = read_foreign(write({"machine_info": {}, "benchmarks": [benchmark]}))
    assert processes_by_name(found) == {"theirs": [[0.1, 0.2]]} and not found.left_out
