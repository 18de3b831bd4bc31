"""Run folders and other tools' files -> sides of a comparison; what the command says about bad ones."""

import json
import os
import threading

import pytest
from click.testing import CliRunner
from example_race import write_race
from example_run import case, header, measurement, reference_replicate, replicate, replicates, write_example_run

from bench import cli
from bench.errors import BenchError
from bench.records.formats import open_run, render, write_files
from bench.records.run_folder import SCHEMA_VERSION
from bench.report.compare import StackMeasurement
from bench.report.compare.comparison import compare
from bench.report.compare.files import comparable_file
from bench.report.compare.runs import comparable_run
from bench.report.compare.sides import labels, prices, sides

PUBLISHED = "theano/as_published on cpu"


@pytest.fixture
def run(tmp_path):
    """A full example run named ``old``."""
    return write_example_run(tmp_path / "runs", replicates(), run_id="old")


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.setattr(cli, "console", cli.Console(soft_wrap=True, width=200))
    monkeypatch.setattr(cli, "errors", cli.Console(stderr=True, soft_wrap=True, width=200))
    return lambda *arguments: CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


# --- a run as a side ----------------------------------------------------------------------------------------------


def test_a_process_is_one_entry_by_its_round_and_a_reference_run_by_its_seed(run):
    side = comparable_run(run, "old")
    assert side.medians(StackMeasurement(PUBLISHED, "reference clock")) == pytest.approx({1: 44.1, 2: 44.2, 3: 44.3})
    assert side.medians(StackMeasurement(PUBLISHED, "reference clock, compile")) == {1: 3.0, 2: 3.0, 3: 3.0}
    assert StackMeasurement("", "load") in side.samples


def test_two_processes_of_one_round_are_two(run):
    """All processes of the example are of round 0: none may be lost, and they pair with nothing."""
    assert len(comparable_run(run, "old").samples[StackMeasurement(PUBLISHED, "train_epoch")]) == 2


def test_cold_and_warm_compilation_and_batch_sizes_are_metrics_of_their_own(run):
    names = {metric.measurement for metric in comparable_run(run, "old").samples if metric.stack == PUBLISHED}
    assert {"compile, cold cache", "compile, warm cache", "train_step", "train_step, batch size 64"} <= names
    assert "run" not in names  # the reference run's sample, which the reference clock is


def test_what_the_ablation_and_the_ceilings_timed_is_no_stacks_speed(tmp_path):
    epoch = [measurement("train_epoch", [2.0], examples=50_000)]
    lacking = replicate({**case("ablation", backend="theano", variant="tuned"), "without": "update"}, epoch)
    ceiling = replicate(case("ceilings", backend=None, variant=None), [measurement("copy", [0.01], bytes=10**9)])
    path = write_example_run(tmp_path, [lacking, ceiling])
    side = comparable_run(path, "a")
    assert side.samples == {}
    assert list(side.ceilings) == ["cpu"]


def test_a_precision_that_is_not_canonical_is_another_stack(tmp_path):
    coarse = {**case("epoch", backend="jax", variant="scan", device="cuda"), "precision": "tf32"}
    path = write_example_run(tmp_path, [replicate(coarse, [measurement("train_epoch", [0.1])])])
    side = comparable_run(path, "a")
    assert list(side.samples) == [StackMeasurement("jax/scan on cuda (tf32)", "train_epoch")]
    assert side.precisions == {"jax/scan on cuda": {"tf32"}}


def test_only_whole_canonical_runs_are_priced(tmp_path, run):
    assert comparable_run(run, "old").canonical_stacks == {PUBLISHED}
    short = [reference_replicate(1, 0.95, 4.0, num_epochs=2)]
    quick = write_example_run(tmp_path / "quick", short, recipe={**header()["recipe"], "num_epochs": 2})
    assert comparable_run(quick, "quick").canonical_stacks == frozenset()


def test_a_stack_that_learns_worse_is_known_by_its_record(tmp_path):
    assert comparable_run(write_race(tmp_path), "race").learns_worse == {"torch/graph on cuda"}


def test_what_a_reader_must_know_is_noted(tmp_path):
    failed = replicate(case("epoch"), [], reason="it crashed")
    path = write_example_run(
        tmp_path, [*replicates(), failed], status="interrupted", mode="quick", commit={"id": "0123", "dirty": True}
    )
    (path / "replicates" / "0001.json").write_text("{")
    notes = " ".join(comparable_run(path, "a").notes)
    for told in ("partial (status: interrupted)", "quick run", "uncommitted changes", "1 of its processes failed"):
        assert told in notes
    assert "0001.json cannot be read" in notes


def test_optional_fields_may_be_missing(tmp_path):
    """A record from before they existed: None, and never 0."""
    path = write_example_run(tmp_path, replicates(), machine=None, commit=None, skipped=None, started_at=None)
    side = comparable_run(path, "a")
    assert (side.started_at, side.energy_joules, side.ceilings) == (None, {}, {})
    assert side.facts == {"threads": [2], "mlp-bench commit": None}


def test_a_sample_that_is_no_duration_leaves_its_measurement_out(tmp_path):
    bad = replicate(case("epoch"), [measurement("train_epoch", [1.0, 0.0]), measurement("train_step", [0.01])])
    side = comparable_run(write_example_run(tmp_path, [bad]), "a")
    assert list(side.samples) == [StackMeasurement(PUBLISHED, "train_step")]
    assert any("train_epoch were left out" in note for note in side.notes)


# --- other tools' files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["pytest-benchmark", "pyperf", "hyperfine"])
def test_a_file_that_we_exported_is_its_run_again(tmp_path, run, tool):
    path = tmp_path / "exported.json"
    write_files(render(tool, open_run(run)), path)
    ours, theirs = comparable_run(run, "ours"), comparable_file(path, "theirs")
    assert theirs.tool == tool
    # Only the phases of the reference clock have no place in those formats.
    assert {metric for metric in ours.samples if "clock, " not in metric.measurement} == set(theirs.samples)
    for metric in theirs.samples:
        assert list(theirs.samples[metric].values()) == [list(seconds) for seconds in ours.samples[metric].values()]
    assert theirs.dataset == {"identity": "mnist"} and theirs.recipe == {"num_epochs": 20}


def test_a_file_of_another_project_is_compared_benchmark_by_benchmark(tmp_path, invoke):
    for name, seconds in (("a.json", [2.0, 2.1, 1.9]), ("b.json", [1.0, 1.1, 0.9])):
        (tmp_path / name).write_text(json.dumps({"results": [{"command": "sort", "times": seconds}]}))
    result = invoke("compare", tmp_path / "a.json", tmp_path / "b.json", "--json", "-")
    assert result.exit_code == 0, result.output
    (ratio,) = json.loads(result.stdout)["ratios"]
    assert (ratio["stack"], ratio["measurement"]) == ("", "sort")
    assert ratio["times_as_fast"]["center"] == 2.0


def test_files_come_through_pipes_as_a_shell_makes_them_of_commands(tmp_path, invoke):
    pipes = [tmp_path / name for name in ("a", "b")]
    for pipe in pipes:
        os.mkfifo(pipe)
        content = json.dumps({"results": [{"command": "sort", "times": [2.0, 2.1]}]})
        threading.Thread(target=pipe.write_text, args=(content,), daemon=True).start()
    assert invoke("compare", *pipes).exit_code == 0


# --- the command --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_machines_end_to_end(tmp_path, invoke):
    old = write_race(tmp_path / "runs", run_id="old")
    new = write_race(tmp_path / "runs", run_id="new", machine={**header()["machine"], "cpu_model": "Another | CPU"})
    for path in (new / "replicates").glob("*.json"):
        one = json.loads(path.read_text())
        for timed in one["measurements"]:
            timed["seconds"] = [seconds / 2 for seconds in timed["seconds"]]
        path.write_text(json.dumps(one))
    files = {name: tmp_path / f"c.{name}" for name in ("markdown", "csv", "json", "html")}
    options = [text for name, path in files.items() for text in (f"--{name}", path)]
    result = invoke("compare", "old", new, "--runs-dir", old.parent, "--price-per-hour", "new=3.6", *options)
    assert result.exit_code == 0, result.output
    assert "By train_epoch, new is 2.00 times as fast as old (95 % interval" in result.stdout
    turned = invoke("compare", new, old)
    assert "By train_epoch, old takes 2.00 times as long as new (95 % interval" in turned.stdout
    assert "torch/graph on cuda" in result.stdout  # listed, though it counts in no score
    assert "Another \\| CPU" in files["markdown"].read_text()
    found = json.loads(files["json"].read_text())
    epochs = [one for one in found["ratios"] if one["measurement"] == "train_epoch"]
    assert len(epochs) == 5
    assert [one["times_as_fast"]["center"] for one in epochs] == pytest.approx([2.0] * 5)
    assert {cost["run"]: cost["price"] for cost in found["costs"]}["new"] > 0
    assert len(files["csv"].read_text().splitlines()) == 1 + len(found["ratios"])
    page = files["html"].read_text()
    assert "Another | CPU" in page and 'id="chart-train_epoch"' in page


def test_base_turns_the_comparison_round(tmp_path, run, invoke):
    write_example_run(run.parent, replicates(), run_id="new")
    result = invoke("compare", "old", "new", "--base", "new", "--runs-dir", run.parent, "--json", "-")
    assert json.loads(result.stdout)["base"] == "new"


def test_json_is_the_only_thing_on_stdout(tmp_path, run, invoke):
    write_example_run(run.parent, replicates(), run_id="new")
    assert json.loads(invoke("compare", "old", "new", "--runs-dir", run.parent, "--json", "-").stdout)["base"] == "old"


def test_markup_in_a_name_is_text(tmp_path, invoke):
    for name in ("[red]old[/red]", "new"):
        write_example_run(tmp_path, replicates(), run_id=name, machine={"cpu_model": "[/bold]'\"<i>"})
    result = invoke("compare", tmp_path / "[red]old[" / "red]", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "[/bold]'\"<i>" in result.stdout


def refused(result, *told):
    assert result.exit_code == cli.BAD_INPUT
    assert "Traceback" not in result.output and result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    for text in told:
        assert text in result.stderr
    return True


def test_one_run_is_refused(run, invoke):
    assert refused(invoke("compare", run), "needs at least two runs")
    assert refused(invoke("compare"), "needs at least two runs")


def test_an_empty_results_folder_and_a_name_that_is_none_are_refused(tmp_path, run, invoke):
    (tmp_path / "empty").mkdir()
    assert refused(invoke("compare", run, tmp_path / "empty"), "is not a run")
    assert refused(invoke("compare", run, "no-such-run"), "'no-such-run' is not a run")
    assert refused(invoke("compare", run, "x" * 5000), "is not a run")
    assert refused(invoke("compare", run, "latest", "--runs-dir", tmp_path / "empty"), "holds no runs")


def test_a_folder_of_runs_is_refused_with_one_of_its_runs(run, invoke):
    assert refused(invoke("compare", run.parent, run), "is a folder of 1 runs: name one of them")


def test_a_run_named_twice_is_refused(run, invoke):
    assert refused(invoke("compare", run, run.parent / "." / "old"), "is named twice")


def test_other_data_and_another_recipe_are_refused_with_both_reasons(tmp_path, run, invoke):
    other = {"dataset": {"identity": "surrogate", "sha256": {}}, "recipe": {**header()["recipe"], "batch_size": 64}}
    strange = write_example_run(tmp_path / "runs", replicates(), run_id="strange", **other)
    told = ("dataset mnist, strange surrogate", "batch size is 500 in old and 64")
    assert refused(invoke("compare", run, strange), *told)


def test_a_newer_record_says_which_version_reads_it(tmp_path, run, invoke):
    newer = write_example_run(tmp_path / "runs", [], run_id="newer", schema_version=SCHEMA_VERSION + 1)
    assert refused(invoke("compare", run, newer), f"schema version {SCHEMA_VERSION + 1}", "newer mlp-bench")


def test_a_corrupted_replicate_costs_itself_and_is_named(run, invoke):
    other = write_example_run(run.parent, replicates(), run_id="new")
    (other / "replicates" / "0003.json").write_text('{"case": ')
    result = invoke("compare", run, other)
    assert result.exit_code == 0
    assert "new: 0003.json cannot be read" in result.stdout


def test_a_partial_run_is_compared_as_far_as_it_got(run, invoke):
    write_example_run(run.parent, replicates()[:3], run_id="partial", status="interrupted", finished_at=None)
    result = invoke("compare", run, run.parent / "partial")
    assert result.exit_code == 0
    assert "partial: it is partial (status: interrupted)" in result.stdout
    assert "only old measured it" in result.stdout


def test_a_file_that_cannot_be_written_is_one_sentence(run, invoke):
    write_example_run(run.parent, replicates(), run_id="new")
    for option in ("--markdown", "--csv", "--json", "--html"):
        result = invoke("compare", run, run.parent / "new", option, run / "run.json" / "file")
        assert refused(result, "cannot write")


@pytest.mark.parametrize("price", ["cheap", "-1", "nan", "inf", "old=", "old=-1", "new=1"])
def test_a_price_that_is_none_is_refused(tmp_path, run, price):
    found = sides(["old"], run.parent, tmp_path)
    with pytest.raises(BenchError, match="--price-per-hour"):
        prices([price], ["old"], found)


def test_a_runs_own_price_goes_before_that_of_all(tmp_path, run):
    write_example_run(run.parent, replicates(), run_id="new")
    words = [str(run), "new"]
    found = sides(words, run.parent, tmp_path)
    assert prices([f"{run}=2", "0.5"], words, found) == {"old": 2.0, "new": 0.5}
    assert prices(["old=0"], words, found) == {"old": 0.0}


def test_sides_are_called_by_the_shortest_end_of_their_path_that_tells_them_apart(tmp_path):
    paths = [tmp_path / "a" / "2026", tmp_path / "b" / "2026", tmp_path / "c" / "2025"]
    assert labels(paths[1:]) == ["2026", "2025"]
    assert labels(paths) == ["a/2026", "b/2026", "c/2025"]


def test_a_header_without_its_run_is_no_run(tmp_path, run, invoke):
    damaged = run.parent / "damaged"
    damaged.mkdir()
    (damaged / "run.json").write_text("[]")
    assert refused(invoke("compare", run, damaged), "is damaged")


def test_durations_that_a_tool_divided_by_its_calls_are_compared_however_short(tmp_path):
    for name, scale in (("a", 1.0), ("b", 1.5)):
        runs = [{"values": [scale * value * 1e-7 for value in (1.02, 1.03)]} for _ in range(3)]
        file = {"version": "1.0", "benchmarks": [{"metadata": {"name": "sum"}, "runs": runs}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(file))
    base, other = (comparable_file(tmp_path / f"{name}.json", name) for name in "ab")
    compared = compare(base, [other])
    assert [ratio.speed.center for ratio in compared.ratios] == [pytest.approx(1 / 1.5)]


def test_what_a_file_lost_is_a_note(tmp_path):
    memory = {"metadata": {"name": "memory", "unit": "byte"}, "runs": [{"values": [9]}]}
    sort = {"metadata": {"name": "sort"}, "runs": [{"values": [1.0]}]}
    (tmp_path / "a.json").write_text(json.dumps({"version": "1.0", "benchmarks": [memory, sort]}))
    (note,) = comparable_file(tmp_path / "a.json", "a").notes
    assert note.startswith("memory is measured in byte")
